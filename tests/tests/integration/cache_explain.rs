//! What operators are told of the cache: on their own listener, by the command, and in a field of responses.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, tidegate_binary};
use tidegate_tests::origin::{Framing, Origin, Script};
use tidegate_tests::within;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How the edge sees this URL of its host.
async fn explain(edge: &Edge, target: &str, more: &str) -> Value {
    let url: String = format!("https://{HOST}{target}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = within("an explanation", edge.admin("GET", &format!("/cache/explain?url={url}{more}"))).await;
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

async fn get(edge: &Edge, protocol: Protocol, request: Request) -> Response {
    let client = edge.client(protocol).await;
    let response = within("an answer", client.request(request)).await.unwrap();
    edge.until_fills_end().await;
    response
}

async fn edge(policy: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000).field("etag", "\"v1\"").field("vary", "Accept-Language"));
    origin.on("/private", Script::status(200).text("own").field("cache-control", "private"));
    origin.on("/gone", Script::status(503));
    let config = EdgeConfig::to(&origin).policy_yaml(policy).file("debug.token", TOKEN);
    (Edge::start(&config.admin_yaml("debug_token_file: debug.token")).await, origin)
}

#[tokio::test]
async fn operators_are_told_what_is_stored_and_what_a_request_would_come_to() {
    let (edge, _origin) = edge("key: {query: {except: [utm]}, headers: [x-tier]}").await;
    let asked = Request::get("/a?v=1&utm=2").field("x-tier", "gold").field("accept-language", "de");
    let fields = "&field=X-Tier%3A%20gold&field=Accept-Language%3A%20de";
    let before = explain(&edge, "/a?utm=9&v=1", fields).await;
    assert_eq!((&before["stored"], &before["decision"]["action"]), (&Value::Null, &json!("fetch")));
    get(&edge, Protocol::Http2, asked).await;
    let found = explain(&edge, "/a?utm=9&v=1", fields).await;
    assert_eq!(found["key"]["resource"], format!("https://{HOST}/a?v=1"));
    assert_eq!(found["key"]["parts"], json!(["x-tier: gold"]));
    let names = ["site", "route", "origin_pool", "cache_policy", "fill_target"].map(|name| found[name].clone());
    assert_eq!(names.to_vec(), [json!("media"), json!("all"), json!("origins"), json!("tested"), json!("/a?v=1")]);
    let stored = &found["stored"];
    assert_eq!((&stored["tier"], &stored["status"], &stored["length"]), (&json!("memory"), &json!(200), &json!(1000)));
    assert_eq!(stored["freshness"], json!({ "lifetime": 60.0, "source": "max-age" }));
    assert_eq!(stored["vary"], json!([{ "field": "accept-language", "value": "de" }]));
    assert_eq!((&stored["etag"], &found["decision"]["action"]), (&json!("\"v1\""), &json!("serve")));
    let other = explain(&edge, "/a?v=1", "&field=X-Tier%3A%20gold").await;
    assert_eq!((&other["stored"], &other["decision"]["action"]), (&Value::Null, &json!("fetch")));
}

#[tokio::test]
async fn operators_are_told_why_something_was_not_stored() {
    let (edge, _origin) = edge("").await;
    for (path, why, status) in [("/private", "private", 200), ("/gone", "no-freshness", 503)] {
        assert_eq!(explain(&edge, path, "").await["not_stored"], Value::Null);
        get(&edge, Protocol::Http1, Request::get(path)).await;
        let found = explain(&edge, path, "").await;
        assert_eq!(
            (&found["not_stored"]["why"], &found["not_stored"]["status"]),
            (&json!(why), &json!(status)),
            "{path}"
        );
    }
    assert_eq!(explain(&edge, "/private", "").await["decision"]["action"], "pass");
}

#[tokio::test]
async fn head_with_what_does_not_count_changes_nothing_that_is_stored() {
    let (edge, origin) = edge("key: {query: {except: [utm]}, cookies: [group]}").await;
    let stale = Script::cacheable(1000).field("age", "100");
    origin.on("/a", stale.clone().field("etag", "\"v1\""));
    get(&edge, Protocol::Http2, Request::get("/a")).await;
    origin.on("/a", stale.field("etag", "\"v2\""));
    let poisoned = [Request::new("HEAD", "/a?utm=1"), Request::new("HEAD", "/a").field("cookie", "id=1")];
    for request in poisoned {
        assert_eq!(get(&edge, Protocol::Http2, request).await.field("etag"), Some("\"v2\""));
        assert_eq!(explain(&edge, "/a", "").await["stored"]["etag"], "\"v1\"");
    }
    get(&edge, Protocol::Http2, Request::new("HEAD", "/a")).await;
    assert_ne!(explain(&edge, "/a", "").await["stored"]["etag"], "\"v1\"", "that of its very own key does");
}

#[tokio::test]
async fn what_cannot_be_explained_is_refused_with_a_reason() {
    let (edge, _origin) = edge("").await;
    for query in ["", "?url=", "?url=media", "?url=ftp%3A%2F%2Fa", "?url=https%3A%2F%2Fa&field=x", "?what=1"] {
        let response = within("a refusal", edge.admin("GET", &format!("/cache/explain{query}"))).await;
        assert_eq!(response.status, 400, "{query}");
        assert!(response.text().contains("invalid_query"), "{query}: {}", response.text());
    }
    let elsewhere = within("an answer", edge.admin("GET", "/cache/explain?url=https%3A%2F%2Felsewhere.test%2F")).await;
    assert_eq!(elsewhere.status, 200);
    assert!(elsewhere.text().contains("421"), "{}", elsewhere.text());
}

#[tokio::test]
async fn request_for_slices_that_are_missing_would_be_a_fetch_and_one_for_others_is_served() {
    const SLICE: u64 = 2 << 20;
    let (edge, origin) = edge("").await;
    let film = Script::cacheable(8 * SLICE).pattern(0, 8 * SLICE).field("etag", "\"v1\"");
    origin.on("/film.mp4", film.field("content-type", "video/mp4").resource());
    let first = Request::get("/film.mp4").field("range", "bytes=0-9");
    get(&edge, Protocol::Http2, first).await;
    let stored = explain(&edge, "/film.mp4", "").await["stored"]["slices"]["stored"].as_u64().unwrap();
    assert!((1..8).contains(&stored), "{stored}");
    let check = async |more: &str, action: &str, why: &str| {
        let found = explain(&edge, "/film.mp4", more).await;
        assert_eq!((&found["decision"]["action"], &found["decision"]["why"]), (&json!(action), &json!(why)), "{more}");
    };
    check("", "fetch", &format!("{} of 8 slices are missing", 8 - stored)).await;
    check("&field=Range%3A%20bytes%3D0-99", "serve", "it is fresh").await;
    check("&field=Range%3A%20bytes%3D-1", "fetch", "1 of 1 slices are missing").await;
    check("&method=HEAD", "serve", "it is fresh").await;
    check("&field=If-None-Match%3A%20%22v1%22", "serve", "it is fresh").await;
}

fn call(edge: &Edge, arguments: &[&str]) -> Output {
    let node = format!("http://{}", edge.admin_address());
    let mut command = std::process::Command::new(tidegate_binary());
    command.args(["cache", "explain"]).args(arguments).args(["--node", &node]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn command_says_it_for_people_and_for_programs() {
    let (edge, _origin) = edge("").await;
    get(&edge, Protocol::Http1, Request::get("/a").field("accept-language", "de")).await;
    let url = format!("https://{HOST}/a");
    let arguments = [url.as_str(), "--field", "Accept-Language: de"];
    let text = call(&edge, &arguments);
    let said = String::from_utf8(text.stdout).unwrap();
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    for line in ["key            https://", "now            serve: it is fresh", "in memory: 200, 1000 bytes"] {
        assert!(said.contains(line), "{said}");
    }
    let programs = call(&edge, &[&arguments[..], &["--output", "json"]].concat());
    let value: Value = serde_json::from_slice(&programs.stdout).unwrap();
    assert_eq!(value["stored"]["freshness"]["source"], "max-age");
    let wrong = call(&edge, &["media"]);
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("400") && said.contains("\"media\" is not a URL"), "{said}");
}

#[tokio::test]
async fn clients_with_the_token_are_told_and_nobody_else() {
    let (edge, origin) = edge("").await;
    let asking = |path: &str, token: &str| Request::get(path).field("tidegate-debug", token);
    for (number, protocol) in [Protocol::Http1, Protocol::Http2, Protocol::Http3].into_iter().enumerate() {
        let path = format!("/a?{number}");
        for age in ["a miss", "a hit"] {
            let told = get(&edge, protocol, asking(&path, TOKEN)).await;
            let told = told.field("tidegate-debug").unwrap_or_else(|| panic!("{protocol:?}: {age} says nothing"));
            let key = format!("key=\"https://{HOST}{path}\", policy=\"tested\"");
            assert!(told.starts_with(&key), "{told}");
            assert!(told.contains("freshness=max-age, lifetime=60") && told.contains("tier=memory"), "{told}");
        }
        for token in ["", "x", &TOKEN[1..], &format!("{TOKEN}0"), &format!("Bearer {TOKEN}")] {
            let response = get(&edge, protocol, asking(&path, token)).await;
            assert_eq!((response.status, response.field("tidegate-debug")), (200, None), "{token:?}");
        }
        let response = get(&edge, protocol, Request::get(&path)).await;
        assert_eq!(response.field("tidegate-debug"), None);
    }
    let twice = asking("/a?0", TOKEN).field("tidegate-debug", TOKEN);
    assert_eq!(get(&edge, Protocol::Http2, twice).await.field("tidegate-debug"), None);
    for path in ["/private", "/private"] {
        let told = get(&edge, Protocol::Http2, asking(path, TOKEN)).await;
        let told = told.field("tidegate-debug").unwrap().to_owned();
        assert!(told.ends_with("not-stored=private"), "{told}");
    }
    for path in ["/a", "/private"] {
        let requests = origin.requests(path);
        assert!(!requests.is_empty() && requests.iter().all(|request| request.field("tidegate-debug").is_none()));
    }
}

/// A playlist of 200 KiB where no more than 100 KiB are stored of one.
#[tokio::test]
async fn response_that_outgrows_the_cache_is_told_to_be_too_large_and_counted_so() {
    let origin = Origin::start().await;
    let large = Script::status(200).field("cache-control", "max-age=60").pattern(0, 200 << 10);
    origin.on("/declared.m3u8", large.clone());
    origin.on("/chunked.m3u8", large.framing(Framing::Chunked));
    let mut config = EdgeConfig::to(&origin).file("debug.token", TOKEN).admin_yaml("debug_token_file: debug.token");
    config.cache = vec!["max_object: 100KiB".to_owned()];
    let edge = Edge::start(&config).await;
    let check = async |path: &str, counted: f64| {
        let asking = Request::get(path).field("tidegate-debug", TOKEN);
        let response = get(&edge, Protocol::Http2, asking).await;
        assert_eq!(response.body.len(), 200 << 10);
        let status = "tidegate; fwd=uri-miss; ttl=60; detail=too-large";
        assert_eq!(response.field("cache-status"), Some(status), "{path}");
        let told = response.field("tidegate-debug").unwrap();
        assert!(told.contains(", tier=none, ") && told.ends_with(", not-stored=too-large"), "{path}: {told}");
        assert_eq!(edge.metric("tidegate_cache_misses_total", &["reason=\"oversize\""]).await, counted, "{path}");
    };
    for count in [1.0, 2.0] {
        check("/declared.m3u8", count).await;
    }
    // What has no length is known to be too large once it was.
    get(&edge, Protocol::Http2, Request::get("/chunked.m3u8")).await;
    for count in [3.0, 4.0] {
        check("/chunked.m3u8", count).await;
    }
    origin.on("/chunked.m3u8", Script::cacheable(10));
    get(&edge, Protocol::Http2, Request::get("/chunked.m3u8")).await;
    let told = get(&edge, Protocol::Http2, Request::get("/chunked.m3u8").field("tidegate-debug", TOKEN)).await;
    assert!(told.field("cache-status").unwrap().contains("; hit"), "{told:?}");
    assert!(told.field("tidegate-debug").unwrap().contains(", tier=memory, "), "{told:?}");
}

#[tokio::test]
async fn errors_of_the_node_itself_say_so_in_cache_status() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    origin.on("/broken", Script::status(206).field("content-range", "bytes 0-0/1").text("x"));
    let check = async |request: Request, status: u16, expected: &str| {
        for protocol in Protocol::SECURE {
            let response = get(&edge, protocol, request.clone()).await;
            assert_eq!((response.status, response.field("cache-status")), (status, Some(expected)), "{protocol:?}");
        }
    };
    check(Request::get("/none").field("cache-control", "only-if-cached"), 504, "tidegate; detail=only-if-cached").await;
    check(Request::get("/broken"), 502, "tidegate; detail=fetch-failed").await;
    check(Request::get("/broken").field("cache-control", "no-store"), 502, "tidegate; fwd=request").await;
}

#[tokio::test]
async fn token_for_debugging_is_renewed_with_the_configuration_and_steers_nothing() {
    let (edge, _origin) = edge("").await;
    let asking = |token: &str| Request::get("/a").field("tidegate-debug", token);
    let other = "f".repeat(32);
    assert_eq!(get(&edge, Protocol::Http2, asking(&other)).await.field("tidegate-debug"), None);
    fs::write(edge.file("debug.token"), &other).unwrap();
    edge.sighup();
    let renewed = async {
        // Nothing else tells what SIGHUP has done.
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the reload", renewed).await;
    assert!(get(&edge, Protocol::Http2, asking(&other)).await.field("tidegate-debug").is_some());
    assert_eq!(get(&edge, Protocol::Http2, asking(TOKEN)).await.field("tidegate-debug"), None);
}
