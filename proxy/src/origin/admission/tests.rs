//! Bounds, queue and circuit of one origin, with real time only where something waits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tidegate_config::ids::{OriginName, PoolName};

use super::*;
use crate::telemetry::Metrics;

fn pool(change: impl FnOnce(&mut OriginLimits)) -> Arc<OriginPool> {
    let text = "kind: origin_pool\nname: media\norigins: [{name: near, url: \"http://127.0.0.1:1\", region: eu}]\n\
                ---\nkind: region\nname: eu\n---\nkind: pop\nname: eu-a\nregion: eu\n---\nkind: node\nname: eu-a-1\n\
                pop: eu-a\nlisteners: [{address: \"127.0.0.1:1\", protocol: http}]\n";
    let model = tidegate_config::load_texts(&[("tested.yaml".into(), text.to_owned())]).unwrap();
    let mut pool = (*model.origin_pools[&PoolName::parse("media").unwrap()]).clone();
    change(&mut pool.limits);
    Arc::new(pool)
}

fn protection() -> Arc<OriginProtection> {
    let metrics = Metrics::new("0");
    let (pool, origin) = (PoolName::parse("media").unwrap(), OriginName::parse("near").unwrap());
    Arc::new(OriginProtection::new(metrics.origin_handles(&pool, &origin), Instant::now()))
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn places_are_bounded_by_kind_and_come_back() {
    let pool = pool(|limits| (limits.requests, limits.fills) = (3, 1));
    let protection = protection();
    let fill = protection.admit(Demand::Fill, &pool).unwrap_or_else(|_| panic!("there is room"));
    assert_eq!(protection.admit(Demand::Fill, &pool).err(), Some(Rejection::Fills));
    let passes: Vec<_> = (0..2).map(|_| protection.admit(Demand::Pass, &pool)).collect();
    assert!(passes.iter().all(Result::is_ok));
    assert_eq!(protection.admit(Demand::Pass, &pool).err(), Some(Rejection::Requests));
    drop(passes);
    drop(fill);
    let view = protection.view(Instant::now());
    assert_eq!((view.requests, view.fills, view.pending), (0, 0, 0));
}

#[tokio::test]
async fn those_who_wait_go_in_the_order_they_came() {
    let pool = pool(|limits| limits.requests = 1);
    let protection = protection();
    let held = protection.admit(Demand::Pass, &pool).ok();
    let (mut first, mut second) =
        (pin!(protection.wait(Demand::Pass, &pool, None)), pin!(protection.wait(Demand::Pass, &pool, None)));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert_eq!(protection.view(Instant::now()).pending, 2);
    drop(held);
    assert_eq!(protection.admit(Demand::Pass, &pool).err(), Some(Rejection::Requests), "nobody overtakes");
    assert!(poll(second.as_mut()).is_pending());
    let permit = first.await.unwrap_or_else(|_| panic!("its turn has come"));
    assert!(poll(second.as_mut()).is_pending());
    drop(permit);
    assert!(second.await.is_ok());
    assert_eq!(protection.view(Instant::now()).requests, 0);
}

#[tokio::test]
async fn whoever_could_go_is_not_held_up_by_others() {
    let pool = pool(|limits| (limits.requests, limits.fills) = (2, 1));
    let protection = protection();
    let _fill = protection.admit(Demand::Fill, &pool).ok();
    let mut waiting = pin!(protection.wait(Demand::Fill, &pool, None));
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(protection.admit(Demand::Pass, &pool).is_ok(), "a fill that waits for a fill's place bars no other");
}

#[tokio::test]
async fn one_that_leaves_gives_its_turn_to_the_next() {
    let pool = pool(|limits| limits.requests = 1);
    let protection = protection();
    let held = protection.admit(Demand::Pass, &pool).ok();
    let mut first = Box::pin(protection.wait(Demand::Pass, &pool, None));
    let mut second = Box::pin(protection.wait(Demand::Pass, &pool, None));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    drop(held); // wakes the first, which has left before it looks
    drop(first);
    let permit = second.await.unwrap_or_else(|_| panic!("its turn has come"));
    assert_eq!(protection.view(Instant::now()).requests, 1);
    drop(permit);
    let view = protection.view(Instant::now());
    assert_eq!((view.requests, view.pending), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn queue_is_bounded_in_number_and_time() {
    let pool = pool(|limits| {
        (limits.requests, limits.pending, limits.pending_timeout) = (1, 1, Duration::from_millis(50));
    });
    let protection = protection();
    let _held = protection.admit(Demand::Pass, &pool).ok();
    let mut waiting = Box::pin(protection.wait(Demand::Pass, &pool, None));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(protection.wait(Demand::Pass, &pool, None).await.err(), Some(Rejection::PendingFull));
    drop(waiting);
    assert_eq!(protection.wait(Demand::Pass, &pool, None).await.err(), Some(Rejection::PendingTimeout));
    let soon = Some(Instant::now());
    assert_eq!(protection.wait(Demand::Pass, &pool, soon).await.err(), Some(Rejection::PendingTimeout));
    assert_eq!(protection.view(Instant::now()).pending, 0);
}

#[tokio::test]
async fn rate_is_kept_and_who_waits_for_it_goes_on_time() {
    let pool = pool(|limits| limits.rate = Some(50));
    let protection = protection();
    let admitted = (0..20).filter(|_| protection.admit(Demand::Pass, &pool).is_ok()).count();
    assert!((5..=7).contains(&admitted), "a tenth of a second's worth at once: {admitted}");
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(protection.wait(Demand::Pass, &pool, None).await.is_ok());
    }
    assert!(begun.elapsed() >= Duration::from_millis(60), "they went faster than the rate");
}

#[test]
fn open_circuit_admits_nobody_and_one_trial_later() {
    let pool = pool(|limits| (limits.failures_floor, limits.open) = (1, Duration::ZERO));
    let protection = protection();
    let mut permit = protection.admit(Demand::Pass, &pool).unwrap_or_else(|_| panic!("there is room"));
    permit.failed(Instant::now());
    assert_eq!(protection.view(Instant::now()).circuit, CircuitState::Open);
    drop(permit);
    let trial = protection.admit(Demand::Pass, &pool).unwrap_or_else(|_| panic!("one trial may go"));
    assert_eq!(protection.admit(Demand::Pass, &pool).err(), Some(Rejection::Circuit));
    drop(trial);
    let mut trial = protection.admit(Demand::Pass, &pool).unwrap_or_else(|_| panic!("the trial was abandoned"));
    trial.succeeded(Instant::now());
    assert_eq!(protection.view(Instant::now()).circuit, CircuitState::Closed);
    assert!(protection.admit(Demand::Pass, &pool).is_ok());
}

#[tokio::test]
async fn circuit_that_opens_sends_away_who_waits() {
    let pool = pool(|limits| (limits.requests, limits.failures_floor, limits.open) = (1, 1, Duration::from_secs(60)));
    let protection = protection();
    let mut held = protection.admit(Demand::Pass, &pool).unwrap_or_else(|_| panic!("there is room"));
    let mut waiting = pin!(protection.wait(Demand::Pass, &pool, None));
    assert!(poll(waiting.as_mut()).is_pending());
    held.failed(Instant::now());
    assert_eq!(waiting.await.err(), Some(Rejection::Circuit));
}
