//! What a failure towards an origin means: another attempt, or the end.

use std::time::Instant;

use pingora_error::Error;
use pingora_proxy::Session;

use super::choose_origin::may_try_again;
use crate::request_context::RequestContext;
use crate::telemetry::OriginOutcome;

/// No connection: nothing was sent, so any request may go to the next origin.
#[must_use]
pub(crate) fn connection_failed(context: &mut RequestContext, mut error: Box<Error>) -> Box<Error> {
    if let (Some(origin), Some(pool)) = (&context.origin.current, &context.origin.pool) {
        origin.suspects.failed(Instant::now());
        origin.metrics.connect_failed();
        log::warn!("pool {} origin {}: no connection: {error}", pool.pool.name, origin.origin.name);
    }
    error.set_retry(may_try_again(context));
    error
}

/// The exchange broke off. It is tried again only where that is safe: an idempotent request whose body can be sent
/// again and of whose response nothing has gone to the client (RFC 9110 section 9.2.2).
#[must_use]
pub(crate) fn exchange_failed(
    session: &Session,
    context: &mut RequestContext,
    error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    let mut error = error;
    if let Some(origin) = &context.origin.current {
        origin.metrics.requested(OriginOutcome::Failed);
    }
    let answered = session.response_written().is_some();
    let repeatable = session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated();
    if answered || !repeatable || !may_try_again(context) {
        error.set_retry(false);
    } else {
        error.retry.decide_reuse(reused);
    }
    error
}
