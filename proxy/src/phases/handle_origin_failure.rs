//! What came of an attempt, and whether another one follows.
//!
//! A request goes to the next origin only while no byte of a response has gone to its client, if it may be sent twice
//! (RFC 9110 section 9.2.2) or was not sent at all, and within `attempts`, the pool's budget and both deadlines.

use std::time::Instant;

use http::StatusCode;
use pingora_error::{Error, ErrorSource, ErrorType, Result, RetryType};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::choose_origin::{deadline, reserve};
use crate::origin::{Again, AttemptOutcome};
use crate::request_context::RequestContext;
use crate::telemetry::{OriginOutcome, RetryReason};

/// No connection: nothing was sent, so any request may go to the next origin.
#[must_use]
pub(crate) fn connection_failed(context: &mut RequestContext, mut error: Box<Error>) -> Box<Error> {
    if let (Some(origin), Some(pool)) = (&context.origin.current, &context.origin.pool) {
        origin.metrics.connect_failed();
        log::warn!("pool {} origin {}: no connection: {error}", pool.pool.name, origin.origin.name);
    }
    let refused = matches!(error.etype(), ErrorType::ConnectRefused);
    attempt_ended(context, if refused { AttemptOutcome::Refused } else { AttemptOutcome::NoConnection });
    let again = plan_attempt(context, RetryReason::Connect);
    error.set_retry(again);
    error
}

/// A head has come. One that the pool counts as failure is refused if another origin will be asked instead; that is
/// settled here, leave of that origin included, while the response can still be passed on as it is.
pub(crate) fn judge_response(session: &Session, head: &ResponseHeader, context: &mut RequestContext) -> Result<()> {
    if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    attempt_ended(context, AttemptOutcome::Answered(head.status));
    if counts_as_failure(head.status, context) && is_repeatable(session) && plan_reserved_attempt(context) {
        if let Some(origin) = &context.origin.current {
            origin.metrics.requested(OriginOutcome::from(head.status));
        }
        return Err(Error::explain(ErrorType::HTTPStatus(head.status.as_u16()), "the origin's own status").into_up());
    }
    Ok(())
}

/// The exchange broke off.
#[must_use]
pub(crate) fn exchange_failed(
    session: &Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    if context.origin.reserved.is_some() {
        error.set_retry(true); // a status that was refused for the next origin's sake
        return error;
    }
    if *error.esource() != ErrorSource::Upstream {
        attempt_ended(context, AttemptOutcome::Abandoned);
        error.set_retry(false);
        return error;
    }
    let again = raced(session, context, &error, reused) || failed(session, context, &error);
    error.set_retry(again);
    error
}

/// Whether the origin never saw the request, or closed an idle connection just as it was used. That is nobody's
/// fault: the same origin is asked once more, over another connection.
fn raced(session: &Session, context: &mut RequestContext, error: &Error, reused: bool) -> bool {
    let again = match error.retry {
        // Refused or unprocessed by HTTP/2, which any method survives (RFC 9113 section 8.7).
        RetryType::Decided(true) => Again::Same,
        RetryType::ReusedOnly if reused && is_repeatable(session) => Again::Fresh,
        RetryType::ReusedOnly | RetryType::Decided(false) => return false,
    };
    let whole = session.response_written().is_none() && !session.as_ref().retry_buffer_truncated();
    if context.origin.raced || !whole {
        return false;
    }
    attempt_ended(context, AttemptOutcome::Raced);
    context.origin.raced = true;
    context.origin.again = Some(again);
    context.origin.attempts = context.origin.attempts.saturating_sub(1);
    if let Some(pool) = &context.origin.pool {
        pool.protection.metrics.retried(RetryReason::Race);
    }
    true
}

fn failed(session: &Session, context: &mut RequestContext, error: &Error) -> bool {
    let timed_out = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
    let (outcome, reason) = if timed_out {
        (AttemptOutcome::TimedOut, RetryReason::Timeout)
    } else {
        (AttemptOutcome::Broken, RetryReason::Broken)
    };
    if let Some(origin) = &context.origin.current {
        origin.metrics.requested(OriginOutcome::Failed);
    }
    attempt_ended(context, outcome);
    is_repeatable(session) && plan_attempt(context, reason)
}

/// Whether the request may be sent a second time: nothing has gone to the client, its method is idempotent, and what
/// was read of its body is all kept (Pingora keeps 64 KiB).
fn is_repeatable(session: &Session) -> bool {
    session.response_written().is_none()
        && session.req_header().method.is_idempotent()
        && !session.as_ref().retry_buffer_truncated()
}

fn counts_as_failure(status: StatusCode, context: &RequestContext) -> bool {
    context.origin.pool.as_ref().is_some_and(|pool| pool.pool.retry.statuses.contains(&status.as_u16()))
}

/// Tells everyone who keeps account of origins what came of an attempt. The only place that does.
pub(super) fn attempt_ended(context: &mut RequestContext, outcome: AttemptOutcome) {
    let now = Instant::now();
    let Some((number, began)) = context.origin.attempt else { return };
    context.journal().end(number, outcome);
    let Some(origin) = &context.origin.current else { return };
    let permit = context.origin.permit.as_mut();
    match outcome {
        AttemptOutcome::Answered(status) if !is_gateway_error(status) => {
            origin.health.succeeded();
            origin.protection.latencies.record(now.duration_since(began));
            permit.into_iter().for_each(|permit| permit.succeeded(now));
            return;
        }
        AttemptOutcome::Refused => origin.health.connection_failed(true),
        AttemptOutcome::NoConnection => origin.health.connection_failed(false),
        AttemptOutcome::Answered(_) | AttemptOutcome::Broken => origin.health.gateway_error(),
        AttemptOutcome::TimedOut => origin.health.timed_out(),
        AttemptOutcome::Raced | AttemptOutcome::Abandoned => return,
    }
    permit.into_iter().for_each(|permit| permit.failed(now));
}

/// 502, 503 and 504 say that a server in the way failed, whatever a pool counts as reason for another attempt.
fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

/// Plans another attempt and pays for it, if one is allowed.
pub(super) fn plan_attempt(context: &RequestContext, reason: RetryReason) -> bool {
    may_go_on(context) && !context.origin.order.is_empty() && pay(context, reason)
}

/// The same for a response that would be lost by it: only if the next origin has room at this moment.
fn plan_reserved_attempt(context: &mut RequestContext) -> bool {
    if !may_go_on(context) {
        return false;
    }
    let Some(pool) = context.origin.pool.clone() else { return false };
    let Some(reserved) = reserve(&pool, context) else { return false };
    if !pay(context, RetryReason::Status) {
        return false;
    }
    context.origin.reserved = Some(reserved);
    true
}

/// Whether another attempt is within the bounds that cost nothing.
fn may_go_on(context: &RequestContext) -> bool {
    let Some(pool) = &context.origin.pool else { return false };
    let is_hedge = context.fill.as_ref().is_some_and(|fill| fill.notes.hedged.is_some());
    let begun = context.origin.first_attempt.is_none_or(|first| first.elapsed() < pool.pool.retry.deadline);
    let in_time = deadline(context).is_none_or(|deadline| Instant::now() < deadline);
    context.origin.attempts < usize::from(pool.pool.attempts) && begun && in_time && !is_hedge
}

fn pay(context: &RequestContext, reason: RetryReason) -> bool {
    let Some(pool) = &context.origin.pool else { return false };
    let (retry, protection) = (&pool.pool.retry, &pool.protection);
    let paid = protection.retries.spend(Instant::now(), retry.budget, retry.budget_floor);
    if paid {
        protection.metrics.retried(reason);
    } else {
        protection.metrics.retry_budget_exhausted();
    }
    paid
}
