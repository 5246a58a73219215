//! Warming on the operator's listener: begun, shown, ended.

use http::StatusCode;

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;
use crate::warm::WarmOrder;

/// Path below which each job has its own.
const PREFIX: &str = "/cache/warm/";

/// Begins a job.
pub(super) fn begin(state: &AdminState, call: &Call<'_>) -> Answer {
    let order = match WarmOrder::parse(&call.body) {
        Ok(order) => order,
        Err(message) => return answer::error(StatusCode::BAD_REQUEST, "invalid_warm_order", &message),
    };
    match state.warm.begin(order) {
        Ok(job) => answer::json_value(StatusCode::ACCEPTED, &job),
        Err(error) => answer::error(StatusCode::CONFLICT, "too_many_warm_jobs", &error.to_string()),
    }
}

/// Shows a job.
pub(super) fn show(state: &AdminState, call: &Call<'_>) -> Answer {
    found(state.warm.show(id(call)))
}

/// Ends a job.
pub(super) fn cancel(state: &AdminState, call: &Call<'_>) -> Answer {
    found(state.warm.cancel(id(call)))
}

fn id<'a>(call: &Call<'a>) -> &'a str {
    call.path.strip_prefix(PREFIX).unwrap_or_default()
}

fn found(job: Option<serde_json::Value>) -> Answer {
    match job {
        Some(job) => answer::json_value(StatusCode::OK, &job),
        None => answer::error(StatusCode::NOT_FOUND, "unknown_warm_job", "there is no such job, or it was long ago"),
    }
}
