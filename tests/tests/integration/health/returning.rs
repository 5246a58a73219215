//! Origins that come back: slowly, and not at all for a while when they come and go.

use std::net::SocketAddr;

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, OriginProcess, Script};

use super::{BY_HTTP, PROBED, between, get_new, origin, requests, scripts, until, until_state};

/// Requests over which a share is told from all and from nothing.
const REQUESTS: usize = 100;

#[tokio::test]
async fn return_of_an_origin_brings_traffic_back_little_by_little() {
    let (mut near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let slowly = BY_HTTP.replace("slow_start: 0s", "slow_start: 10m");
    let edge = Edge::start(&between(&near.url(), &far.url(), &slowly)).await;
    let client = edge.client(Protocol::Http2).await;
    let seen = until_state(&edge, "near", "healthy").await;
    assert_eq!(seen["effective_weight_ratio"], 1.0, "whoever starts serves at full share: {seen}");
    near.kill();
    until_state(&edge, "near", "down").await;
    assert_eq!(edge.metric("tidegate_origin_effective_weight_ratio", &["origin=\"near\""]).await, 0.0);
    let _near = OriginProcess::start_at(near.address(), &scripts());
    let seen = until_state(&edge, "near", "healthy").await;
    assert_eq!(seen["reason"], "slow_start", "{seen}");
    let ratio = edge.metric("tidegate_origin_effective_weight_ratio", &["origin=\"near\""]).await;
    assert!((0.1..0.2).contains(&ratio), "{ratio}");
    let before = requests(&edge, "near").await.0;
    for number in 0..REQUESTS {
        get_new(&client, number).await;
    }
    let got = requests(&edge, "near").await.0 - before;
    // A tenth; none at all in three of a hundred thousand runs.
    assert!((1.0..30.0).contains(&got), "{got} of {REQUESTS} requests went to the origin that has just come back");
}

#[tokio::test]
async fn origin_that_comes_and_goes_is_held_out() {
    let far = Origin::start().await;
    far.on(PROBED, Script::status(200));
    far.on("/a", Script::cacheable(1_000));
    let address = tidegate_tests::address::loopback();
    let address = SocketAddr::new(address, tidegate_tests::address::free_port(address));
    let listen = async || {
        let near = Origin::listen(address.ip(), address.port()).await;
        near.on(PROBED, Script::status(200));
        near.on("/a", Script::cacheable(1_000));
        near
    };
    let health = BY_HTTP.replace("rise: 2", "rise: 1").replace("500ms", "250ms").replace("400ms", "240ms");
    let mut near = listen().await;
    let edge = Edge::start(&between(&near.url(), &far.url(), &health)).await;
    until_state(&edge, "near", "healthy").await;
    for fall in 1..=4 {
        drop(near);
        until(&edge, "near", "fallen", |seen| seen["last_probe"]["outcome"] == "refused").await;
        near = listen().await;
        let seen = until(&edge, "near", "answering", |seen| seen["last_probe"]["outcome"] == "passed").await;
        let penalty = seen["flap_penalty"].as_f64().unwrap();
        assert!((900.0..=1000.0).contains(&(penalty / f64::from(fall))), "{penalty} after fall {fall}");
    }
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["state"], &seen["reason"]), (&"down".into(), &"flaps".into()), "{seen}");
    assert!(seen["until"].is_string(), "{seen}");
    get_new(&edge.client(Protocol::Http2).await, 0).await;
    assert_eq!((near.requests("/a").len(), far.requests("/a").len()), (0, 1));
}
