//! Pins on the operator's listener: made, let go, listed.
//!
//! Owns the question, the same as that of `/cache/explain`; who pins is behind [`PinsCache`].

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::StatusCode;
use serde_json::Value;

use super::answer::{self, Answer};
use super::cache_answers::{CacheQuestion, question};
use super::routes::Call;
use super::server::AdminState;

/// Whoever pins.
pub trait PinsCache: Send + Sync {
    /// Pins what is stored for a request, and what is stored for it from now on.
    fn pin(&self, question: &CacheQuestion) -> BoxFuture<'static, (StatusCode, Value)>;
    /// Lets it go.
    fn unpin(&self, question: &CacheQuestion) -> BoxFuture<'static, (StatusCode, Value)>;
    /// All that is pinned.
    fn list(&self) -> Value;
}

/// `POST /cache/pins?url=URL`, with the arguments of `/cache/explain`.
pub(super) fn pin(state: &AdminState, call: &Call<'_>) -> BoxFuture<'static, Answer> {
    ask(state, call, |pins, question| pins.pin(question))
}

/// `DELETE /cache/pins?url=URL`, with the arguments that it was pinned with.
pub(super) fn unpin(state: &AdminState, call: &Call<'_>) -> BoxFuture<'static, Answer> {
    ask(state, call, |pins, question| pins.unpin(question))
}

/// `GET /cache/pins`.
pub(super) fn list(state: &AdminState, _: &Call<'_>) -> Answer {
    match state.pins.get() {
        Some(pins) => answer::json_value(StatusCode::OK, &pins.list()),
        None => not_started(),
    }
}

fn ask(
    state: &AdminState,
    call: &Call<'_>,
    what: impl Fn(&dyn PinsCache, &CacheQuestion) -> BoxFuture<'static, (StatusCode, Value)>,
) -> BoxFuture<'static, Answer> {
    let Some(pins) = state.pins.get() else { return ready(not_started()).boxed() };
    match question(call.query.unwrap_or_default()) {
        Ok(question) => what(&**pins, &question).map(|(status, value)| answer::json_value(status, &value)).boxed(),
        Err(message) => ready(answer::error(StatusCode::BAD_REQUEST, "invalid_query", &message)).boxed(),
    }
}

fn not_started() -> Answer {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_started", "no configuration is in force yet")
}
