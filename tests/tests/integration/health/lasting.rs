//! What is known of origins outlives a configuration that has them, and goes with one that has not.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Script};

use super::{BY_HTTP, PROBED, get_new, nobody, origin, until_state};

const RELOADED: &str = "the configuration was reloaded";

async fn reload(edge: &Edge, config: &EdgeConfig) {
    edge.rewrite(config);
    edge.sighup();
    edge.stderr_with(RELOADED).await;
}

async fn healthy_origin() -> Origin {
    let origin = Origin::start().await;
    origin.on(PROBED, Script::status(200));
    origin.on("/a", Script::cacheable(1_000));
    origin
}

#[tokio::test]
async fn state_of_origins_survives_a_reload() {
    let far = healthy_origin().await;
    let near = OriginEntry::new("eu", &nobody()).named("near");
    // So seldom that the new configuration cannot have found out anew.
    let seldom = "health: {probe: {http: {path: /healthz}}, interval: 1m, timeout: 1s, rise: 1}";
    let config = EdgeConfig::with_origins(vec![near, OriginEntry::new("us", &far.url()).named("far")]);
    let edge = Edge::start(&config.clone().pool_yaml(seldom)).await;
    let client = edge.client(Protocol::Http2).await;
    get_new(&client, 0).await;
    let before = until_state(&edge, "near", "down").await;
    reload(&edge, &config.pool_yaml(seldom).pool_yaml("attempts: 3")).await;
    let after = origin(&edge, "near").await;
    assert_eq!((&after["state"], &after["since"]), (&before["state"], &before["since"]), "{after}");
    let failures = edge.metric("tidegate_origin_connect_failures_total", &[]).await;
    get_new(&client, 1).await;
    assert_eq!(edge.metric("tidegate_origin_connect_failures_total", &[]).await, failures);
}

#[tokio::test]
async fn origin_under_another_address_is_another_one_and_starts_slowly() {
    let (far, near) = (healthy_origin().await, healthy_origin().await);
    let config = |near: &str| {
        let near = OriginEntry::new("eu", near).named("near");
        let slowly = BY_HTTP.replace("slow_start: 0s", "slow_start: 10m");
        EdgeConfig::with_origins(vec![near, OriginEntry::new("us", &far.url()).named("far")]).pool_yaml(&slowly)
    };
    let edge = Edge::start(&config(&nobody())).await;
    until_state(&edge, "near", "down").await;
    until_state(&edge, "far", "healthy").await;
    reload(&edge, &config(&near.url())).await;
    let seen = until_state(&edge, "near", "healthy").await;
    assert_eq!((&seen["reason"], &seen["last_error"]), (&"slow_start".into(), &serde_json::Value::Null), "{seen}");
    assert_eq!(origin(&edge, "far").await["reason"], "works");
}

#[tokio::test]
async fn series_of_removed_origins_vanish() {
    let (one, two) = (healthy_origin().await, healthy_origin().await);
    let entry = |origin: &Origin, name: &str| OriginEntry::new("eu", &origin.url()).named(name);
    let config = |origins| EdgeConfig::with_origins(origins).pool_yaml(BY_HTTP);
    let edge = Edge::start(&config(vec![entry(&one, "one"), entry(&two, "two")])).await;
    until_state(&edge, "two", "healthy").await;
    assert!(edge.metrics().await.contains("origin=\"two\""));
    reload(&edge, &config(vec![entry(&one, "one")])).await;
    let metrics = edge.metrics().await;
    let left: Vec<_> = metrics.lines().filter(|line| line.contains("origin=\"two\"")).collect();
    assert!(left.is_empty() && metrics.contains("origin=\"one\""), "{left:#?}");
    let probes = two.requests(PROBED).len();
    one.arrived(PROBED, one.requests(PROBED).len() + 3).await;
    assert!(two.requests(PROBED).len() <= probes + 1, "a removed origin is still probed");
}

#[tokio::test]
async fn one_pool_is_shown_on_request() {
    let origin = healthy_origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for (target, status) in
        [("/origins", 200), ("/origins?pool=origins", 200), ("/origins?pool=others", 404), ("/origins?origin=one", 400)]
    {
        let answer = edge.admin("GET", target).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    assert_eq!(edge.admin("POST", "/origins").await.status, 405);
}
