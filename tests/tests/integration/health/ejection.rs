//! Origins that answer probes and fail requests.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{BY_HTTP, PROBED, between, get_new, origin, until, until_state};

const OUTLIERS: &str = "outlier: {consecutive_failures: 3, ejection: 1s}";

/// An origin that answers its probes, and `/a` by this script.
async fn start(script: Script) -> Origin {
    let origin = Origin::start().await;
    origin.on(PROBED, Script::status(200));
    origin.on("/a", script);
    origin
}

#[tokio::test]
async fn gateway_errors_in_a_row_eject_and_a_trial_brings_back() {
    let (near, far) = (start(Script::status(503)).await, start(Script::cacheable(1_000)).await);
    let edge = Edge::start(&between(&near.url(), &far.url(), BY_HTTP).pool_yaml(OUTLIERS)).await;
    let client = edge.client(Protocol::Http2).await;
    until_state(&edge, "near", "healthy").await;
    for number in 0..3 {
        get_new(&client, number).await;
    }
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["state"], &seen["ejections"]), (&"ejected".into(), &1.into()), "{seen}");
    assert_eq!(edge.metric("tidegate_origin_ejections_total", &["origin=\"near\""]).await, 1.0);
    let before = near.requests("/a").len();
    assert_eq!(before, 3);
    // Its time is over, and one request tries it: still ill, so it is ejected for twice as long.
    until(&edge, "near", "on trial", |seen| seen["trial"] == true).await;
    get_new(&client, 3).await;
    assert_eq!(near.requests("/a").len(), before + 1);
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["state"], &seen["ejections"]), (&"ejected".into(), &2.into()), "{seen}");
    near.on("/a", Script::cacheable(1_000));
    until(&edge, "near", "on trial again", |seen| seen["trial"] == true).await;
    get_new(&client, 4).await;
    assert_eq!(origin(&edge, "near").await["state"], "healthy");
    edge.stderr_with("the origin is up again").await;
}

#[tokio::test]
async fn last_usable_origin_is_never_ejected() {
    let only = start(Script::status(503)).await;
    let entry = OriginEntry::new("eu", &only.url()).named("only");
    let dead = OriginEntry::new("us", &super::nobody()).named("dead");
    for origins in [vec![entry.clone()], vec![entry, dead]] {
        let config = EdgeConfig::with_origins(origins.clone()).pool_yaml(BY_HTTP).pool_yaml(OUTLIERS);
        let config = config.pool_yaml("limits: {failures: 0%}");
        let edge = Edge::start(&config).await;
        for entry in &origins {
            until_state(&edge, &entry.name, if entry.name == "dead" { "down" } else { "healthy" }).await;
        }
        let client = edge.client(Protocol::Http2).await;
        let before = only.requests("/a").len();
        for number in 0..10 {
            let answer = within("an answer", client.get(&format!("/a?{number}"))).await.unwrap();
            assert!((502..=504).contains(&answer.status), "{}", answer.status);
        }
        let asked = only.requests("/a").len() - before;
        assert!(asked >= 10, "each of 10 requests went there, {asked} did");
        let seen = origin(&edge, "only").await;
        assert_eq!((&seen["state"], &seen["ejections"]), (&"healthy".into(), &0.into()), "{seen}");
    }
}

#[tokio::test]
async fn errors_that_come_now_and_then_eject_nobody() {
    let (near, far) = (start(Script::cacheable(1_000)).await, start(Script::cacheable(1_000)).await);
    near.on("/broken", Script::status(502));
    let edge = Edge::start(&between(&near.url(), &far.url(), BY_HTTP).pool_yaml(OUTLIERS)).await;
    let client = edge.client(Protocol::Http2).await;
    until_state(&edge, "near", "healthy").await;
    for number in 0..6 {
        within("an answer", client.get(&format!("/broken?{number}"))).await.unwrap();
        if number % 2 == 1 {
            get_new(&client, number).await;
        }
    }
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["state"], &seen["ejections"]), (&"healthy".into(), &0.into()), "{seen}");
}
