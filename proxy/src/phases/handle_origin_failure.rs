//! What came of an attempt, and whether another one follows.
//!
//! A request goes to the next origin only while no byte of a response has gone to its client, if it may be sent twice
//! (RFC 9110 section 9.2.2) or was not sent at all, and within `attempts`, the pool's budget and both deadlines.

use std::time::Instant;

use http::{StatusCode, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::choose_origin::{deadline, demand, reserve};
use super::respond_error::{is_answered, is_replacement};
use crate::origin::{Again, AttemptOutcome, CompiledOrigin, CompiledPool, Exchange, Fate, was_over_before};
use crate::request_context::RequestContext;
use crate::telemetry::{OriginOutcome, RetryReason};

/// What another attempt costs its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Nothing: the origin refused the connection at once, so that the pool bears no more than its one request. In panic,
    /// when most origins are down, a budget would be spent on those at which nobody listens.
    Nothing,
    /// One of the pool's budget.
    Budget,
}

/// No connection: nothing was sent, so any request may go to the next origin.
#[must_use]
pub(crate) fn connection_failed(context: &mut RequestContext, mut error: Box<Error>) -> Box<Error> {
    if was_over_before(&error) && !context.origin.raced {
        race_lost(context, Again::Fresh);
        error.set_retry(true);
        return error;
    }
    if let (Some(origin), Some(pool)) = (&context.origin.current, &context.origin.pool) {
        origin.metrics.connect_failed();
        // Each one is in the metric and in `attempts` of the access log; the reason is told now and then.
        if origin.protection.failed_connections.may_speak(Instant::now()) {
            log::warn!("pool {} origin {}: no connection: {error}", pool.pool.name, origin.origin.name);
        }
    }
    let refused = matches!(error.etype(), ErrorType::ConnectRefused);
    let (outcome, cost) =
        if refused { (AttemptOutcome::Refused, Cost::Nothing) } else { (AttemptOutcome::NoConnection, Cost::Budget) };
    attempt_ended(context, outcome);
    let again = plan_attempt(context, RetryReason::Connect, cost);
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
    let repeatable = exchange(session, false).is_repeatable();
    if counts_as_failure(head.status, context) && repeatable && plan_reserved_attempt(context) {
        count_answer(context);
        return Err(Error::explain(ErrorType::HTTPStatus(head.status.as_u16()), "the origin's own status").into_up());
    }
    Ok(())
}

/// The exchange broke off.
#[must_use]
pub(crate) fn exchange_failed(
    session: &mut Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    if context.origin.reserved.is_some() {
        error.set_retry(true); // a status that was refused for the next origin's sake
        return error;
    }
    if is_replacement(&error) {
        response_ended(context);
        error.set_retry(false);
        return error;
    }
    if awaited_the_client(session, &error, context) {
        error = Error::because(ErrorType::ReadTimedout, "the rest of the request's body", error).into_down();
    }
    if *error.esource() != ErrorSource::Upstream {
        attempt_ended(context, AttemptOutcome::Abandoned);
        error.set_retry(false);
        return error;
    }
    let exchange = exchange(session, reused);
    let again = raced(exchange, context, &error) || failed(exchange, context, &error);
    error.set_retry(again);
    error
}

/// Whether the origin was silent because it still awaited the request: its client stalls, and clients must not be able
/// to make origins look dead. One that was to be told first to go on (RFC 9110 section 10.1.1) stalls nothing.
fn awaited_the_client(session: &mut Session, error: &Error, context: &RequestContext) -> bool {
    let timed_out = *error.esource() == ErrorSource::Upstream && matches!(error.etype(), ErrorType::ReadTimedout);
    let asks_first = context.origin.request_bytes == 0
        && context.origin.interim_responses == 0
        && session.req_header().headers.contains_key(header::EXPECT);
    timed_out && !session.as_mut().is_body_done() && !asks_first
}

/// Whether the origin never saw the request, or closed an idle connection just as it was used. That is nobody's
/// fault: the same origin is asked once more, over another connection.
fn raced(exchange: Exchange, context: &mut RequestContext, error: &Error) -> bool {
    let Some(again) = exchange.again(Fate::of(error)).filter(|_| !context.origin.raced) else { return false };
    race_lost(context, again);
    true
}

/// Plans the one more time that counts neither as an attempt nor against anyone.
fn race_lost(context: &mut RequestContext, again: Again) {
    attempt_ended(context, AttemptOutcome::Raced);
    context.origin.raced = true;
    context.origin.again = Some(again);
    context.origin.attempts = context.origin.attempts.saturating_sub(1);
    if let Some(pool) = &context.origin.pool {
        pool.protection.metrics.retried(RetryReason::Race);
    }
}

fn failed(exchange: Exchange, context: &mut RequestContext, error: &Error) -> bool {
    let timed_out = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
    let (outcome, reason) = if timed_out {
        (AttemptOutcome::TimedOut, RetryReason::Timeout)
    } else {
        (AttemptOutcome::Broken, RetryReason::Broken)
    };
    context.origin.status = None;
    if let Some(origin) = &context.origin.current {
        origin.metrics.requested(OriginOutcome::Failed);
    }
    attempt_ended(context, outcome);
    exchange.is_repeatable() && plan_attempt(context, reason, Cost::Budget)
}

/// What the rules of repetition ask for. Pingora keeps 64 KiB of a body.
fn exchange(session: &Session, reused: bool) -> Exchange {
    Exchange {
        answered: is_answered(session),
        idempotent: session.req_header().method.is_idempotent(),
        kept: !session.as_ref().retry_buffer_truncated(),
        reused,
    }
}

fn counts_as_failure(status: StatusCode, context: &RequestContext) -> bool {
    context.origin.pool.as_ref().is_some_and(|pool| pool.pool.retry.statuses.contains(&status.as_u16()))
}

/// Tells everyone who keeps account of origins what came of an attempt. With [`response_ended`], the only place that
/// does: each exchange counts once, and one that broke off is a failure although it had been answered.
pub(super) fn attempt_ended(context: &mut RequestContext, outcome: AttemptOutcome) {
    let now = Instant::now();
    let Some((number, began)) = context.origin.attempt else { return };
    context.journal().end(number, outcome);
    let blameless = is_cut_short(outcome, now, began, context);
    let Some(origin) = context.origin.current.clone() else { return };
    let held_back = context.hold().is_some();
    let permit = context.origin.permit.as_mut();
    match outcome {
        AttemptOutcome::Answered(status) if !is_gateway_error(status) => {
            // What it was held back for says nothing of the origin's speed.
            if !held_back {
                origin.protection.latencies.record(now.duration_since(began));
            }
            permit.into_iter().for_each(|permit| permit.succeeded(now));
            (context.origin.status, context.origin.unfinished) = (Some(status), true);
            return;
        }
        AttemptOutcome::Raced | AttemptOutcome::Abandoned => return,
        _ if blameless => return,
        AttemptOutcome::Refused => origin.health.connection_failed(true),
        AttemptOutcome::NoConnection => origin.health.connection_failed(false),
        AttemptOutcome::Broken => origin.health.gateway_error(),
        AttemptOutcome::TimedOut => origin.health.timed_out(),
        AttemptOutcome::Answered(status) => {
            context.origin.status = Some(status);
            origin.health.gateway_error();
        }
    }
    permit.into_iter().for_each(|permit| permit.failed(now));
    (context.origin.attempt, context.origin.unfinished) = (None, false);
}

/// The response has come whole: only now the origin has done well. An origin that breaks every body off must not be
/// taken for one that answers.
pub(crate) fn response_ended(context: &mut RequestContext) {
    if std::mem::take(&mut context.origin.unfinished)
        && let Some(origin) = &context.origin.current
    {
        origin.health.succeeded();
    }
}

/// Counts the status that the origin answered last, once.
pub(super) fn count_answer(context: &mut RequestContext) {
    if let (Some(status), Some(origin)) = (context.origin.status.take(), &context.origin.current) {
        origin.metrics.requested(OriginOutcome::from(status));
    }
}

/// Whether the route's time for responses ended an attempt that would have had more by its pool: origins are not to
/// blame for an impatient route, nor the second one for the time that the first one took.
fn is_cut_short(outcome: AttemptOutcome, now: Instant, began: Instant, context: &RequestContext) -> bool {
    if outcome == AttemptOutcome::TimedOut && context.hold().is_some() {
        return true; // what it was asked for does not exist yet
    }
    let (Some(deadline), Some(pool)) = (deadline(context), &context.origin.pool) else { return false };
    let patience = match outcome {
        AttemptOutcome::NoConnection => pool.pool.timeouts.connect,
        AttemptOutcome::TimedOut => pool.pool.timeouts.read,
        _ => return false,
    };
    deadline <= now && deadline.saturating_duration_since(began) < patience
}

/// 502, 503 and 504 say that a server in the way failed, whatever a pool counts as reason for another attempt.
fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

/// Plans another attempt and pays for it, if one is allowed.
pub(super) fn plan_attempt(context: &RequestContext, reason: RetryReason, cost: Cost) -> bool {
    let Some(pool) = &context.origin.pool else { return false };
    let (demand, limits, now) = (demand(context), &pool.pool.limits, Instant::now());
    let order = &context.origin.order;
    let next = order.iter().find(|origin| origin.protection.has_room(demand, limits, now)).or(order.first());
    next.is_some_and(|next| may_go_on(context) && pay(context, reason, cost, next))
}

/// The same for a response that would be lost by it: only if the next origin has room at this moment.
fn plan_reserved_attempt(context: &mut RequestContext) -> bool {
    if !may_go_on(context) {
        return false;
    }
    let Some(pool) = context.origin.pool.clone() else { return false };
    let Some(reserved) = reserve(&pool, context) else { return false };
    if !pay(context, RetryReason::Status, Cost::Budget, &reserved.0) {
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

fn pay(context: &RequestContext, reason: RetryReason, cost: Cost, next: &CompiledOrigin) -> bool {
    let Some(pool) = &context.origin.pool else { return false };
    let free = cost == Cost::Nothing || moves_on(context.origin.current.as_deref(), next, Instant::now());
    settle(pool, reason, free)
}

/// Pays for asking for the rest of a response that broke off at the one origin, at the next. Under the same rules as any
/// further attempt.
pub(super) fn pay_for_rest(pool: &CompiledPool, failed: Option<&CompiledOrigin>, next: &CompiledOrigin) -> bool {
    settle(pool, RetryReason::Resume, moves_on(failed, next, Instant::now()))
}

fn settle(pool: &CompiledPool, reason: RetryReason, free: bool) -> bool {
    let (retry, protection) = (&pool.pool.retry, &pool.protection);
    let paid = free || protection.retries.spend(Instant::now(), retry.budget, retry.budget_floor);
    if paid {
        protection.metrics.retried(reason);
    } else {
        protection.metrics.retry_budget_exhausted();
    }
    paid
}

/// Whether the origin that failed is avoided by now, and the next one is not. Everyone who was caught by an origin that
/// hangs or died goes where new requests go: each is one request to an origin that works. A budget would let most of
/// them fail, and save nobody's load. It counts again as soon as the next one is in doubt as well.
fn moves_on(failed: Option<&CompiledOrigin>, next: &CompiledOrigin, now: Instant) -> bool {
    failed.is_some_and(|failed| failed.is_avoided(now)) && !next.is_avoided(now)
}
