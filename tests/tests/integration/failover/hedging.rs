//! Hedging: a second request to another origin for a fill whose first one is slow.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, OriginProcess, Outcome, Script, Step};
use tidegate_tests::within;

use super::{edge_to, figure, pair, until};
use crate::assert_whole;

const ALWAYS: &str = "hedging: {after: 50ms, budget: 100%}";

async fn hedged(origins: (&Origin, &Origin), pool: &str) -> Edge {
    edge_to(&[&origins.0.url(), &origins.1.url()], pool).await
}

async fn hedges(edge: &Edge, outcome: &str) -> f64 {
    figure(edge, "tidegate_hedges_total", &[&format!("outcome=\"{outcome}\"")]).await
}

fn slow(script: Script) -> Script {
    script.before(Step::Gate("slow".to_owned()))
}

#[tokio::test]
async fn slow_origin_loses_to_the_next_one() {
    let (first, second) = pair().await;
    first.on("/a", Script::cacheable(500).before(Step::Hang));
    second.on("/a", Script::cacheable(1000));
    let edge = hedged((&first, &second), ALWAYS).await;
    for protocol in Protocol::SECURE {
        let path = format!("/a?{}", protocol.label());
        let client = edge.client(protocol).await;
        assert_whole(&within("an answer", client.get(&path)).await.unwrap(), 1000, &path);
        let again = within("a hit", client.get(&path)).await.unwrap();
        assert_whole(&again, 1000, "what is stored is the winner's");
        assert!(again.field("age").is_some());
    }
    assert_eq!(hedges(&edge, "won").await, 3.0);
    let left = first.ended("/a", 3).await;
    assert!(left.iter().all(|request| request.outcome == Outcome::PeerLeft), "losers are hung up on");
    until(&edge, "tidegate_origin_in_flight", &[], 0.0).await;
}

#[tokio::test]
async fn hedge_that_is_slower_is_hung_up_on() {
    let (first, second) = pair().await;
    first.on("/a", slow(Script::cacheable(1000)));
    second.on("/a", Script::cacheable(500).before(Step::Hang));
    let edge = hedged((&first, &second), ALWAYS).await;
    let client = edge.client(Protocol::Http2).await;
    let asking = tokio::spawn(async move { client.get("/a").await.unwrap() });
    second.arrived("/a", 1).await;
    first.gate("slow").open();
    assert_whole(&within("an answer", asking).await.unwrap(), 1000, "the first origin's");
    assert_eq!(second.ended("/a", 1).await[0].outcome, Outcome::PeerLeft);
    assert_eq!(hedges(&edge, "lost").await, 1.0);
    until(&edge, "tidegate_origin_in_flight", &[], 0.0).await;
}

#[tokio::test]
async fn failure_does_not_win() {
    for failing in [Script::status(503).text("failed"), Script::status(200).before(Step::Close)] {
        let (first, second) = pair().await;
        first.on("/a", slow(Script::cacheable(1000)));
        second.on("/a", failing);
        let edge = hedged((&first, &second), ALWAYS).await;
        let client = edge.client(Protocol::Http2).await;
        let asking = tokio::spawn(async move { client.get("/a").await.unwrap() });
        second.ended("/a", 1).await;
        first.gate("slow").open();
        assert_whole(&within("an answer", asking).await.unwrap(), 1000, "the first origin's");
        // Both answers may have come by the time that the edge looks.
        assert_eq!(hedges(&edge, "failed").await + hedges(&edge, "lost").await, 1.0);
    }
}

#[tokio::test]
async fn hedge_takes_over_from_a_first_request_that_fails() {
    let (first, second) = pair().await;
    first.on("/a", slow(Script::status(200)).before(Step::Close));
    second.on("/a", Script::cacheable(1000).before(Step::Gate("second".to_owned())));
    let edge = hedged((&first, &second), &format!("{ALWAYS}\nattempts: 1")).await;
    let client = edge.client(Protocol::Http2).await;
    let asking = tokio::spawn(async move { client.get("/a").await.unwrap() });
    second.arrived("/a", 1).await;
    first.gate("slow").open();
    first.ended("/a", 1).await;
    second.gate("second").open();
    assert_whole(&within("an answer", asking).await.unwrap(), 1000, "the second origin's");
}

#[tokio::test]
async fn hedges_keep_within_their_budget() {
    let (first, second) = pair().await;
    first.on("/a", slow(Script::cacheable(1000)));
    second.on("/a", Script::cacheable(500));
    let edge = hedged((&first, &second), "hedging: {after: 20ms, budget: 1%}").await;
    let client = edge.client(Protocol::Http2).await;
    let asking = tokio::spawn(async move { client.get("/a").await.unwrap() });
    until(&edge, "tidegate_hedges_total", &["outcome=\"over_budget\""], 1.0).await;
    first.gate("slow").open();
    assert_whole(&within("an answer", asking).await.unwrap(), 1000, "the first origin's");
    assert!(second.requests("/a").is_empty());
}

#[tokio::test]
async fn what_passes_is_not_hedged() {
    let (first, second) = pair().await;
    first.on("/a", slow(Script::status(200).text("first")));
    let edge = hedged((&first, &second), "hedging: {after: 1ms, budget: 100%}").await;
    for (number, request) in [
        Request::new("POST", "/a").body("order"),
        Request::new("DELETE", "/a"),
        Request::get("/a").field("cache-control", "no-store"),
    ]
    .into_iter()
    .enumerate()
    {
        let client = edge.client(Protocol::Http2).await;
        let asking = tokio::spawn(async move { client.request(request).await.unwrap() });
        first.arrived("/a", number + 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(60)).await; // a hedge would have gone long ago
        first.gate("slow").open();
        assert_eq!(within("an answer", asking).await.unwrap().text(), "first");
    }
    assert!(second.requests("/a").is_empty());
}

#[tokio::test]
async fn only_one_origin_is_never_hedged_and_fast_ones_need_none() {
    let (first, second) = pair().await;
    first.on("/a", Script::cacheable(1000));
    let edge = hedged((&first, &second), "hedging: {after: 60s, budget: 100%}").await;
    assert_whole(&within("an answer", edge.client(Protocol::Http1).await.get("/a")).await.unwrap(), 1000, "fast");
    let edge = edge_to(&[&first.url()], "hedging: {after: 1ms, budget: 100%}").await;
    assert_whole(&within("an answer", edge.client(Protocol::Http1).await.get("/a")).await.unwrap(), 1000, "alone");
    assert!(second.requests("/a").is_empty());
}

#[tokio::test]
async fn origin_that_loses_every_hedge_by_its_silence_is_asked_last_until_it_answers() {
    let first = OriginProcess::start(&[("/a".to_owned(), Script::cacheable(500))].into());
    let second = Origin::start().await;
    second.on("/a", Script::cacheable(1000));
    // A request waits for 10 s, so that no time-out tells of the origin here.
    let edge = edge_to(&[&first.url(), &second.url()], ALWAYS).await;
    let client = edge.client(Protocol::Http2).await;
    let mut asked = 0;
    let mut ask = async || {
        asked += 1;
        within("an answer", client.get(&format!("/a?{asked}"))).await.unwrap().body.len()
    };
    assert_eq!(ask().await, 500);
    first.stop();
    let mut won = 0.0;
    let left_alone = async {
        loop {
            assert_eq!(ask().await, 1000, "the hedge's answer");
            let before = std::mem::replace(&mut won, hedges(&edge, "won").await);
            if won == before {
                return;
            }
        }
    };
    within("the origin to be asked last", left_alone).await;
    assert!((3.0..=25.0).contains(&won), "one request or two may be slow by chance: {won}");
    let overview = within("the overview", edge.admin("GET", "/origins")).await.text();
    assert!(overview.contains("\"state\":\"suspect\""), "{overview}");
    first.resume();
    within("its return", async { while ask().await != 500 {} }).await;
}
