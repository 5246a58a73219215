//! An origin dies in one of several ways; clients do not notice.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::OriginProcess;
use tidegate_tests::within;

use super::{BY_HTTP, BY_TCP, UNPROBED, between, get_new, origin, requests, scripts, until, until_state};

/// Requests after the death of an origin: many times those that a fall would take.
const REQUESTS: usize = 30;

#[tokio::test]
async fn killed_origin_is_tried_once_more_at_most_and_no_request_fails() {
    for (health, state) in [(BY_HTTP, "down"), (BY_TCP, "down"), (UNPROBED, "ejected")] {
        let (mut near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
        let edge = Edge::start(&between(&near.url(), &far.url(), health)).await;
        let client = edge.client(Protocol::Http2).await;
        get_new(&client, 0).await;
        assert_eq!(requests(&edge, "near").await, (1.0, 0.0), "{health}");
        near.kill();
        for number in 1..=REQUESTS {
            get_new(&client, number).await;
        }
        let connects = edge.metric("tidegate_origin_connect_failures_total", &["origin=\"near\""]).await;
        assert!(connects <= 1.0, "{connects} requests found no connection, {health}");
        assert_eq!(origin(&edge, "near").await["state"], state, "{health}");
        let log = edge.stderr_with(&format!("the origin is {state}")).await;
        let line = log.lines().find(|line| line.contains("the origin is")).unwrap();
        assert!(line.contains("near") && line.contains("refused") && line.contains("seconds"), "{line}");
    }
}

#[tokio::test]
async fn stopped_origin_costs_one_time_out_and_no_request_fails() {
    let (near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let mut config = between(&near.url(), &far.url(), BY_HTTP);
    config.timeouts = vec!["read: 1s".to_owned()];
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http2).await;
    until_state(&edge, "near", "healthy").await;
    get_new(&client, 0).await;
    near.stop();
    for number in 1..=REQUESTS {
        get_new(&client, number).await;
    }
    let (_, failed) = requests(&edge, "near").await;
    assert!(failed <= 1.0, "{failed} requests waited for an origin that hangs");
    let seen = until_state(&edge, "near", "down").await;
    assert_eq!(seen["last_probe"]["outcome"], "timed_out", "{seen}");
    near.resume();
    until_state(&edge, "near", "healthy").await;
}

#[tokio::test]
async fn stopped_origin_is_avoided_although_its_kernel_still_makes_connections() {
    let (near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let mut config = between(&near.url(), &far.url(), BY_TCP);
    config.timeouts = vec!["read: 500ms".to_owned()];
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http2).await;
    until_state(&edge, "near", "healthy").await;
    near.stop();
    get_new(&client, 1).await;
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["state"], &seen["last_probe"]["outcome"]), (&"suspect".into(), &"passed".into()), "{seen}");
    for number in 2..=REQUESTS {
        get_new(&client, number).await;
    }
    assert!(requests(&edge, "near").await.1 <= 2.0, "one, and one trial");
    near.resume();
    // A suspicion of an answer ends with an answer: one request is sent there for a trial when its time is over.
    until(&edge, "near", "on trial", |seen| seen["trial"] == true).await;
    get_new(&client, REQUESTS + 1).await;
    assert_eq!(origin(&edge, "near").await["state"], "healthy");
}

#[tokio::test]
async fn last_origin_is_asked_however_dead_it_seems() {
    let mut only = OriginProcess::start(&scripts());
    let address = only.address();
    let config = tidegate_tests::edge::EdgeConfig::to_url(&only.url()).pool_yaml(UNPROBED);
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http1).await;
    get_new(&client, 0).await;
    only.kill();
    for number in 1..10 {
        let answer = within("an answer", client.get(&format!("/a?{number}"))).await.unwrap();
        assert_eq!(answer.status, 502);
    }
    let connects = edge.metric("tidegate_origin_connect_failures_total", &[]).await;
    assert!(connects >= 9.0, "each of 9 requests tried it, {connects} did");
    let _again = OriginProcess::start_at(address, &scripts());
    get_new(&client, 10).await;
}
