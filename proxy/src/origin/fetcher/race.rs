//! The race for the head of a response: hedges, time, and what dies before the first piece of its body.

use std::time::Duration;

use http::{Method, StatusCode, header};
use pingora_proxy::SubrequestSpawner;
use tokio::sync::watch;

use super::{FillRequest, Running, start};
use crate::cache::engine::{FetchError, FetchEvent};
use crate::cache::rules::entity_tag::EntityTag;
use crate::origin::hedging::{Chance, Delay};
use crate::telemetry::HedgeOutcome;

/// How long a head waits for the first piece of its body. Nearly always they come together; where they do not, clients
/// that wait for the head alone must not be held up.
const FIRST_PIECE: Duration = Duration::from_millis(50);

/// The head of a response that has begun to come: an origin that dies before the first piece of the body has delivered
/// nothing that another one could not deliver as well.
///
/// A route's time-out of responses ends the wait of its clients, not this: others may have more time, and what comes is
/// stored.
pub(super) async fn first_head(
    spawner: &SubrequestSpawner,
    request: &FillRequest,
) -> Result<(Running, FetchEvent), FetchError> {
    let (mut running, head) = race(spawner, request).await?;
    // What breaks off in the rest of a response is the business of who asked for the rest.
    if request.resumes.is_none() && matches!(head, FetchEvent::Head { end: false, .. }) && request.method == Method::GET
    {
        match tokio::time::timeout(FIRST_PIECE, running.next()).await {
            Ok(Err(error)) => {
                let Some(asked) = running.further_attempt(request) else {
                    if !may_go_on(&head) {
                        return Err(error);
                    }
                    running.ahead = Some(Err(error));
                    return Ok((running, head));
                };
                let mut second = start(spawner, request, Some(asked)).await?;
                let head = second.next().await?;
                return Ok((second, head));
            }
            Ok(Ok(piece)) => running.ahead = Some(Ok(piece)),
            Err(_) => {}
        }
    }
    Ok((running, head))
}

/// Whether the body behind this head can be had later, from the same origin: its version is known.
fn may_go_on(head: &FetchEvent) -> bool {
    let FetchEvent::Head { status: StatusCode::OK, fields, .. } = head else { return false };
    let strong = EntityTag::from_headers(fields).is_some_and(|etag| etag.is_strong());
    strong && fields.contains_key(header::CONTENT_LENGTH)
}

/// The first head that is no failure; who loses is aborted, its connection with it.
async fn race(spawner: &SubrequestSpawner, request: &FillRequest) -> Result<(Running, FetchEvent), FetchError> {
    let mut first = start(spawner, request, None).await?;
    if request.method != Method::GET {
        let head = first.next().await?;
        return Ok((first, head));
    }
    let mut chance = first.notes.chance.subscribe();
    let delay = tokio::select! {
        biased;
        head = first.next() => return Ok((first, head?)),
        delay = due(&mut chance) => delay,
    };
    if !delay.pay() {
        let head = first.next().await?;
        return Ok((first, head));
    }
    let mut hedge = start(spawner, request, Some(delay.asked())).await?;
    let (early, hedge_was_first) = tokio::select! {
        biased;
        head = first.next() => (head, false),
        head = hedge.next() => (head, true),
    };
    if is_answer(&early, &delay) {
        if hedge_was_first {
            delay.give_up();
        }
        delay.tell(if hedge_was_first { HedgeOutcome::Won } else { HedgeOutcome::Lost });
        return early.map(|head| (if hedge_was_first { hedge } else { first }, head));
    }
    let late = if hedge_was_first { first.next().await } else { hedge.next().await };
    let hedge_wins = !hedge_was_first && is_answer(&late, &delay);
    delay.tell(if hedge_wins { HedgeOutcome::Won } else { HedgeOutcome::Failed });
    match (hedge_was_first, hedge_wins) {
        (false, true) => late.map(|head| (hedge, head)),
        (false, false) => early.map(|head| (first, head)),
        (true, _) => late.map(|head| (first, head)),
    }
}

/// Waits until a hedge is due; for ever when none is.
async fn due(chance: &mut watch::Receiver<Chance>) -> Delay {
    loop {
        let known = chance.borrow_and_update().clone();
        let changed = chance.changed();
        let Chance::After(delay) = known else {
            if changed.await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        // When the first fetch goes on to another origin meanwhile, that is the second request already.
        if tokio::time::timeout_at(delay.due.into(), changed).await.is_err() {
            return delay;
        }
    }
}

fn is_answer(head: &Result<FetchEvent, FetchError>, delay: &Delay) -> bool {
    matches!(head, Ok(FetchEvent::Head { status, .. }) if !delay.is_failure(status.as_u16()))
}
