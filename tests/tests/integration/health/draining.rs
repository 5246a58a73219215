//! What operators take out for maintenance gets nothing, and comes back as it went.

use serde_json::json;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{get_new, origin, until};

/// Near and far, each drained or not.
fn drained(near: (&Origin, bool), far: (&Origin, bool)) -> EdgeConfig {
    let entry = |region: &str, name: &str, (origin, drain): (&Origin, bool)| {
        OriginEntry::new(region, &origin.url()).named(name).yaml(&format!("drain: {drain}"))
    };
    EdgeConfig::with_origins(vec![entry("eu", "near", near), entry("us", "far", far)])
}

async fn reload(edge: &Edge, config: &EdgeConfig, near: bool, far: bool) {
    edge.rewrite(config);
    edge.sighup();
    until(edge, "near", "reloaded", |seen| seen["drained"] == near).await;
    until(edge, "far", "reloaded", |seen| seen["drained"] == far).await;
}

async fn start() -> Origin {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1_000));
    origin.on("/passed", Script::status(200).field("cache-control", "no-store"));
    origin
}

#[tokio::test]
async fn drained_origin_gets_nothing_but_what_is_pinned_to_it_until_it_is_back() {
    let (near, far) = (start().await, start().await);
    let edge = Edge::start(&drained((&near, false), (&far, false))).await;
    let client = edge.client(Protocol::Http2).await;
    get_new(&client, 0).await;
    assert_eq!((near.requests("/a").len(), far.requests("/a").len()), (1, 0));

    reload(&edge, &drained((&near, true), (&far, false)), true, false).await;
    for number in 1..6 {
        get_new(&client, number).await;
    }
    assert_eq!((near.requests("/a").len(), far.requests("/a").len()), (1, 5), "also on connections from before");
    let seen = origin(&edge, "near").await;
    assert_eq!(seen["steering"]["reason"], "drained", "{seen}");
    assert!(seen["steering"]["rank"].is_null() && seen["healthy"] == true, "{seen}");

    let pin = json!({ "site": "media", "action": { "pin_origin": { "origin_pool": "origins", "origin": "near" } },
        "for": "1m", "reason": "a look before it is back" });
    let order = edge.admin_request(Request::new("POST", "/kill-switches").body(pin.to_string())).await;
    assert_eq!(order.status, 201, "{}", order.text());
    assert_eq!(within("an answer", client.get("/passed")).await.unwrap().status, 200);
    assert_eq!((near.requests("/passed").len(), far.requests("/passed").len()), (1, 0), "pinned");
    assert_eq!(edge.admin("DELETE", "/kill-switches/1").await.status, 200);

    reload(&edge, &drained((&near, false), (&far, false)), false, false).await;
    get_new(&client, 6).await;
    assert_eq!((near.requests("/a").len(), far.requests("/a").len()), (2, 5), "back");
}

#[tokio::test]
async fn drained_origins_are_used_where_there_are_no_others_but_not_where_others_fail() {
    let (near, far) = (start().await, start().await);
    let edge = Edge::start(&drained((&near, true), (&far, true))).await;
    let client = edge.client(Protocol::Http2).await;
    get_new(&client, 0).await;
    assert_eq!((near.requests("/a").len(), far.requests("/a").len()), (1, 0));
    let seen = origin(&edge, "near").await;
    assert_eq!((&seen["drained"], &seen["steering"]["reason"]), (&json!(true), &json!("all_drained")), "{seen}");

    far.on("/a", Script::status(503));
    reload(&edge, &drained((&near, true), (&far, false)), true, false).await;
    let answer = within("an answer", client.get("/a?1")).await.unwrap();
    assert_eq!((answer.status, near.requests("/a").len()), (503, 1), "maintenance is maintenance");
}
