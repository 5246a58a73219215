//! Kill switches from the site document and from the operator's listener, on every protocol, on hits too.

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use crate::assert_whole;

const EVERY: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

async fn ask(edge: &Edge, protocol: Protocol, target: &str) -> Response {
    let client = edge.client(protocol).await;
    within("an answer", client.get(target)).await.unwrap()
}

async fn order(edge: &Edge, order: Value) -> Response {
    edge.admin_request(Request::new("POST", "/kill-switches").body(order.to_string())).await
}

/// Switches one on for the test site and says its id.
async fn switch_on(edge: &Edge, action: Value, lasts: &str) -> String {
    let answer = order(edge, json!({ "site": "media", "action": action, "for": lasts, "reason": "a test" })).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let switch: Value = serde_json::from_str(&answer.text()).unwrap();
    switch["id"].as_str().unwrap().to_owned()
}

async fn switch_off(edge: &Edge, id: &str) {
    let answer = edge.admin("DELETE", &format!("/kill-switches/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// An edge that has `/a` stored for both schemes, with a client of each protocol that stays connected.
async fn edge_with_stored(origin: &Origin, config: &EdgeConfig) -> Edge {
    origin.on("/a", Script::cacheable(1000));
    let edge = Edge::start(config).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        assert_whole(&ask(&edge, protocol, "/a").await, 1000, "a first answer");
    }
    edge
}

#[tokio::test]
async fn a_block_is_in_force_for_the_next_request_on_open_connections_and_for_hits() {
    let origin = Origin::start().await;
    let edge = edge_with_stored(&origin, &EdgeConfig::to(&origin)).await;
    for protocol in EVERY {
        let client = edge.client(protocol).await;
        for (action, status) in [(json!({ "block": {} }), 403), (json!({ "block": { "status": 451 } }), 451)] {
            assert_whole(&within("a hit", client.get("/a")).await.unwrap(), 1000, "before");
            let id = switch_on(&edge, action, "1m").await;
            for target in ["/a", "/not-stored"] {
                let refused = within("a refusal", client.get(target)).await.unwrap();
                assert_eq!(refused.status, status, "{protocol:?} {target}");
                assert!(refused.text().contains(refused.field("x-request-id").unwrap()), "{protocol:?}");
            }
            assert!(edge.metric("tidegate_kill_switches_active", &["site=\"media\"", "action=\"block\""]).await > 0.5);
            switch_off(&edge, &id).await;
            assert_whole(&within("a hit", client.get("/a")).await.unwrap(), 1000, "after");
        }
    }
    assert_eq!((origin.requests("/a").len(), origin.requests("/not-stored").len()), (2, 0));
    let told = edge.stderr_with("a kill switch is off").await;
    assert!(told.contains("a kill switch is on") && told.contains("a test"), "{told}");
}

#[tokio::test]
async fn bypassing_the_cache_serves_nothing_from_it_and_stores_nothing_in_it() {
    let origin = Origin::start().await;
    origin.on("/b", Script::cacheable(2000));
    let edge = edge_with_stored(&origin, &EdgeConfig::to(&origin)).await;
    let id = switch_on(&edge, json!("bypass_cache"), "1m").await;
    for (number, protocol) in EVERY.into_iter().enumerate() {
        for (path, size) in [("/a", 1000), ("/b", 2000)] {
            let response = ask(&edge, protocol, path).await;
            assert_whole(&response, size, &format!("{protocol:?} {path}"));
            let status = response.field("cache-status").unwrap();
            assert!(status.contains("fwd=bypass"), "{protocol:?} {status}");
        }
        assert_eq!(origin.requests("/a").len(), 2 + number + 1, "{protocol:?}");
        assert_eq!(origin.requests("/b").len(), number + 1, "{protocol:?}");
    }
    switch_off(&edge, &id).await;
    assert_whole(&ask(&edge, Protocol::Http2, "/a").await, 1000, "what was stored before is there again");
    assert_eq!(origin.requests("/a").len(), 6);
    assert_whole(&ask(&edge, Protocol::Http2, "/b").await, 2000, "and nothing else");
    assert_eq!(origin.requests("/b").len(), 5);
}

#[tokio::test]
async fn a_fill_in_flight_keeps_its_readers_and_takes_no_new_ones_while_the_cache_is_bypassed() {
    let origin = Origin::start().await;
    origin.on("/slow", Script::cacheable(200_000).pausing_after(100_000, "half"));
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let client = edge.client(Protocol::Http2).await;
    let reading = tokio::spawn(async move { within("the whole", client.get("/slow")).await.unwrap() });
    origin.gate("half").reached().await;
    let id = switch_on(&edge, json!("bypass_cache"), "1m").await;
    let other = edge.client(Protocol::Http1).await;
    let second = tokio::spawn(async move { within("the whole", other.get("/slow")).await.unwrap() });
    within("a request of its own", origin.arrived("/slow", 2)).await;
    origin.gate("half").open();
    assert_whole(&reading.await.unwrap(), 200_000, "who read before");
    assert_whole(&second.await.unwrap(), 200_000, "who came after");
    switch_off(&edge, &id).await;
}

#[tokio::test]
async fn a_pinned_origin_gets_passed_requests_and_fetches_of_the_cache() {
    let (near, far) = (Origin::start().await, Origin::start().await);
    for origin in [&near, &far] {
        origin.on("/passed", Script::status(200).text("a").field("cache-control", "no-store"));
        for number in 0..4 {
            origin.on(&format!("/{number}"), Script::cacheable(1000));
        }
    }
    let origins = vec![
        OriginEntry::new("eu", &near.url()).named("near"),
        OriginEntry::new("us", &far.url()).named("far").yaml("weight: 0"),
    ];
    let edge = Edge::start(&EdgeConfig::with_origins(origins)).await;
    let pin = json!({ "pin_origin": { "origin_pool": "origins", "origin": "far" } });
    let id = switch_on(&edge, pin, "1m").await;
    for (number, protocol) in EVERY.into_iter().enumerate() {
        assert_eq!(ask(&edge, protocol, "/passed").await.status, 200, "{protocol:?}");
        assert_whole(&ask(&edge, protocol, &format!("/{number}")).await, 1000, "a fill");
        assert_eq!(far.requests("/passed").len(), number + 1, "{protocol:?}");
        assert_eq!((near.requests(&format!("/{number}")).len(), far.requests(&format!("/{number}")).len()), (0, 1));
    }
    assert_eq!(near.requests("/passed").len(), 0);
    switch_off(&edge, &id).await;
    ask(&edge, Protocol::Http1, "/passed").await;
    assert_eq!((near.requests("/passed").len(), far.requests("/passed").len()), (1, 4));
}

#[tokio::test]
async fn maintenance_answers_503_with_the_page_of_the_site_for_switch_and_route() {
    let origin = Origin::start().await;
    let config = EdgeConfig::to(&origin)
        .site_yaml("maintenance_page: { content: 'back soon ${request_id}' }")
        .routes_yaml("- { name: closed, path: /closed, maintenance: true }");
    let edge = edge_with_stored(&origin, &config).await;
    let id = switch_on(&edge, json!("maintenance"), "30s").await;
    for protocol in EVERY {
        for target in ["/a", "/closed"] {
            let page = ask(&edge, protocol, target).await;
            assert_eq!(page.status, 503, "{protocol:?} {target}");
            assert_eq!(page.text(), format!("back soon {}", page.field("x-request-id").unwrap()), "{protocol:?}");
            let pause: u64 = page.field("retry-after").unwrap().parse().unwrap();
            assert!((1..=30).contains(&pause), "{protocol:?} {target} {pause}");
        }
    }
    switch_off(&edge, &id).await;
    let page = ask(&edge, Protocol::Http3, "/closed").await;
    assert_eq!((page.status, page.field("retry-after")), (503, Some("300")));
    assert_whole(&ask(&edge, Protocol::Http3, "/a").await, 1000, "after");
}

#[tokio::test]
async fn a_switch_ends_by_itself_and_is_told_of() {
    let origin = Origin::start().await;
    let edge = edge_with_stored(&origin, &EdgeConfig::to(&origin)).await;
    switch_on(&edge, json!("block"), "1s").await;
    assert_eq!(ask(&edge, Protocol::Http2, "/a").await.status, 403);
    edge.stderr_with("its time is over").await;
    assert_whole(&ask(&edge, Protocol::Http2, "/a").await, 1000, "after");
    let list: Value = serde_json::from_str(&edge.admin("GET", "/kill-switches").await.text()).unwrap();
    assert_eq!(list["kill_switches"], json!([]));
    assert!(edge.metric("tidegate_kill_switches_active", &[]).await < 0.5);
}

#[tokio::test]
async fn switches_of_the_document_follow_reloads_and_those_of_operators_outlive_them() {
    let origin = Origin::start().await;
    let config = EdgeConfig::to(&origin).routes_yaml("- { name: b, path: /b, origin_pool: origins }");
    origin.on("/b", Script::cacheable(2000));
    let edge = edge_with_stored(&origin, &config).await;
    let of_operator =
        json!({ "site": "media", "action": "maintenance", "routes": ["b"], "for": "1h", "reason": "why" });
    let switch: Value = serde_json::from_str(&order(&edge, of_operator).await.text()).unwrap();
    let until = switch["until"].as_str().unwrap();
    let blocked = config.clone().site_yaml(&format!(
        "kill_switches: [{{ action: {{ block: {{ status: 410 }} }}, routes: [all], until: \"{until}\", reason: flood }}]"
    ));
    edge.rewrite(&blocked);
    edge.sighup();
    edge.stderr_with("the configuration was reloaded").await;
    for protocol in EVERY {
        assert_eq!(ask(&edge, protocol, "/a").await.status, 410, "{protocol:?}");
        assert_eq!(ask(&edge, protocol, "/b").await.status, 503, "{protocol:?}");
    }
    let list: Value = serde_json::from_str(&edge.admin("GET", "/kill-switches").await.text()).unwrap();
    let list = list["kill_switches"].as_array().unwrap();
    assert_eq!(list.len(), 2, "{list:#?}");
    assert_eq!((&list[0]["id"], &list[0]["switched_by"]), (&json!("1"), &json!("operator")));
    assert_eq!((&list[1]["id"], &list[1]["switched_by"]), (&json!("media[0]"), &json!("document")));
    assert!((3500..=3601).contains(&list[1]["remaining_seconds"].as_u64().unwrap()), "{list:#?}");
    assert_eq!(edge.admin("DELETE", "/kill-switches/media[0]").await.status, 409);
    edge.rewrite(&config);
    edge.sighup();
    edge.stderr_with("no longer in the document").await;
    assert_whole(&ask(&edge, Protocol::Http1, "/a").await, 1000, "after");
    assert_eq!(ask(&edge, Protocol::Http1, "/b").await.status, 503);
}

#[tokio::test]
async fn wrong_orders_change_nothing_and_say_what_was_expected() {
    let origin = Origin::start().await;
    let edge = edge_with_stored(&origin, &EdgeConfig::to(&origin)).await;
    for (body, expected) in [
        (json!({}), "missing field"),
        (json!({ "site": "other", "action": "maintenance", "for": "1m", "reason": "a" }), "a site: media"),
        (json!({ "site": "media", "action": "maintenance", "for": "8d", "reason": "a" }), "1s to 7d"),
    ] {
        let answer = order(&edge, body).await;
        let json: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((answer.status, &json["error"]["code"]), (400, &json!("invalid_kill_switch")));
        assert!(json["error"]["message"].as_str().unwrap().contains(expected), "{json}");
    }
    assert_eq!(edge.admin("DELETE", "/kill-switches/1").await.status, 404);
    assert_eq!(edge.admin("DELETE", "/kill-switches").await.status, 405);
    assert_whole(&ask(&edge, Protocol::Http1, "/a").await, 1000, "all the same");
}
