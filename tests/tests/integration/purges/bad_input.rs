//! Orders that are wrong, and more of everything than anybody means.

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};

use super::{get, order, purge, url};

async fn edge() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let page = Script::status(200).text("old").field("cache-control", "max-age=600").field("surrogate-key", "t");
    origin.on("/a", page);
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    get(&edge, Protocol::Http2, "/a").await;
    edge.until_fills_end().await;
    (edge, origin)
}

#[tokio::test]
async fn wrong_order_purges_nothing_and_is_told_why() {
    let (edge, origin) = edge().await;
    origin.on("/a", Script::status(200).text("new").field("cache-control", "max-age=600"));
    let check = async |what: Value, code: &str| {
        let (status, answer) = order(&edge, &what).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{what}: {answer}");
    };
    check(json!({ "url": "/a" }), "invalid_purge").await;
    check(json!({ "url": "ftp://media.test/a" }), "invalid_purge").await;
    check(json!({ "url": [url("/a"), "https://nowhere.test/a"] }), "unknown_host").await;
    check(json!({ "host": "nowhere.test" }), "unknown_host").await;
    check(json!({ "host": "" }), "invalid_purge").await;
    check(json!({ "host": "a b" }), "invalid_purge").await;
    check(json!({ "prefix": HOST }), "invalid_purge").await;
    check(json!({ "prefix": url("/a?v=") }), "invalid_purge").await;
    check(json!({ "prefix": "https://nowhere.test/" }), "unknown_host").await;
    check(json!({ "tag": ["t", ""] }), "invalid_purge").await;
    check(json!({ "everything": false }), "invalid_purge").await;
    check(json!({ "url": url("/a"), "tag": "t" }), "invalid_purge").await;
    check(json!({ "url": url("/a"), "sofd": true }), "invalid_purge").await;
    check(json!([]), "invalid_purge").await;
    check(json!({ "tag": vec!["t"; 5000] }), "invalid_purge").await;
    let told = async |what: Value, expected: &str| {
        let (_, answer) = order(&edge, &what).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(expected), "{what}: {message}");
    };
    told(json!({ "prefix": "" }), "prefix[0] is empty").await;
    told(json!({ "prefix": [url("/"), "/"] }), "prefix[1]: \"\" has no host").await;
    told(json!({ "url": [url("/a"), url("/a"), "/a"] }), "url[2]: \"/a\" is not a URL").await;
    told(json!({ "host": ["nowhere.test"] }), "host[0]: no site").await;
    told(json!({ "tag": { "name": "t" } }), "tag[0] is no text").await;
    told(json!({ "tag": "t", "soft": "no" }), "soft is neither true nor false").await;
    for (body, status) in [("{", 400), ("", 400), (&*format!("{{\"tag\": \"{}\"}}", "x".repeat(70_000)), 413)] {
        let response = edge.admin_request(Request::new("POST", "/cache/purge").body(body.to_owned())).await;
        assert_eq!(response.status, status, "{}", response.text());
    }
    let from_a_page = Request::new("POST", "/cache/purge").field("origin", "https://evil.test");
    let refused = edge.admin_request(from_a_page.body(json!({ "everything": true }).to_string())).await;
    assert_eq!(refused.status, 403);
    assert_eq!(edge.admin("GET", "/cache/purge").await.status, 405);
    assert_eq!(get(&edge, Protocol::Http2, "/a").await.text(), "old");
}

#[tokio::test]
async fn response_with_more_tags_than_are_told_apart_goes_with_any_of_them() {
    let (edge, origin) = edge().await;
    let many: Vec<String> = (0..3000).map(|number| format!("k{number}")).collect();
    let long = "x".repeat(2000);
    for (path, tags) in [("/many", many.join(" ")), ("/long", long.clone())] {
        let page = |text: &str| Script::status(200).text(text).field("cache-control", "max-age=600");
        origin.on(path, page("old").field("surrogate-key", &tags));
        assert_eq!(get(&edge, Protocol::Http2, path).await.text(), "old", "{path}");
        edge.until_fills_end().await;
        origin.on(path, page("new"));
        assert_eq!(get(&edge, Protocol::Http2, path).await.text(), "old", "{path}: it is stored");
        purge(&edge, json!({ "tag": "quite-another" })).await;
        assert_eq!(get(&edge, Protocol::Http2, path).await.text(), "new", "{path}");
        edge.until_fills_end().await;
    }
    assert_eq!(edge.metric("tidegate_overtagged_responses_total", &[]).await, 2.0);
    assert_eq!(edge.metric("tidegate_purged_objects_total", &["because=\"all_tags\""]).await, 2.0);
    // As long as an order may be: whatever has a tag that is too long goes with it.
    origin.on(
        "/longer",
        Script::status(200).text("old").field("cache-control", "max-age=600").field("surrogate-key", &long),
    );
    get(&edge, Protocol::Http2, "/longer").await;
    edge.until_fills_end().await;
    origin.on("/longer", Script::status(200).text("newer"));
    purge(&edge, json!({ "tag": "y".repeat(65_000) })).await;
    assert_eq!(get(&edge, Protocol::Http2, "/longer").await.text(), "newer");
    assert_eq!(get(&edge, Protocol::Http2, "/a").await.text(), "old", "one with few tags stays");
    for (path, tags) in [("/endless", "k ".repeat(100_000)), ("/huge", "x".repeat(64 << 10))] {
        origin.on(
            path,
            Script::status(200).text("old").field("cache-control", "max-age=600").field("surrogate-key", &tags),
        );
        let status = get(&edge, Protocol::Http2, path).await.status;
        assert!(matches!(status, 200 | 502), "{path}: {status}");
    }
    assert_eq!(get(&edge, Protocol::Http2, "/a").await.status, 200);
}

#[tokio::test]
async fn many_purges_are_bounded_in_memory_and_hits_go_on() {
    let (edge, _origin) = edge().await;
    get(&edge, Protocol::Http2, "/b").await;
    let before = edge.rss();
    for round in 0..20_u32 {
        let urls: Vec<String> = (0..1000).map(|number| url(&format!("/p/{round}/{number}"))).collect();
        purge(&edge, json!({ "url": urls })).await;
        let prefixes: Vec<String> = (0..200).map(|number| url(&format!("/q/{round}/{}", "x".repeat(number)))).collect();
        purge(&edge, json!({ "prefix": prefixes, "soft": true })).await;
        let response = get(&edge, Protocol::Http2, "/a").await;
        assert_eq!(response.text(), "old", "round {round}");
        assert!(response.field("cache-status").unwrap().contains("hit"), "{round}");
    }
    // More names than are told apart; what is asked for all the time is not folded with those.
    for round in 0..70_u32 {
        let tags: Vec<String> = (0..4096).map(|number| format!("{round}-{number}")).collect();
        purge(&edge, json!({ "tag": tags })).await;
        let response = get(&edge, Protocol::Http2, "/a").await;
        assert!(response.field("cache-status").unwrap().contains("hit"), "{round}");
    }
    assert!(edge.metric("tidegate_purge_names", &[]).await <= f64::from(1 << 18));
    assert!(edge.rss() < before + (96 << 20), "{} after {before}", edge.rss());
    purge(&edge, json!({ "prefix": url("/") })).await;
    assert!(!get(&edge, Protocol::Http2, "/a").await.field("cache-status").unwrap().contains("hit"));
}
