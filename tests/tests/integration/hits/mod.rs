//! Stored objects are served on a short way; it keeps every rule of the long one.

mod both_ways;

use std::time::Duration;

use tidegate_tests::client::{End, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;

use crate::assert_whole;

/// More than sockets and flow-control windows hold between edge and client.
const LARGE: u64 = 24 * 1024 * 1024;

/// An edge that has `/a` stored for HTTPS and for plaintext.
async fn edge_with_stored(change: impl FnOnce(&mut EdgeConfig)) -> (Edge, Origin, EdgeConfig) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000).field("etag", "\"v1\""));
    origin.on("/b", Script::cacheable(2000));
    origin.on("/large", Script::cacheable(LARGE));
    let mut config = EdgeConfig::to(&origin);
    change(&mut config);
    let edge = Edge::start(&config).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        let client = edge.client(protocol).await;
        for path in ["/a", "/b"] {
            within("a first answer", client.get(path)).await.unwrap();
        }
    }
    (edge, origin, config)
}

/// Reloads an edge for the first time since its start.
async fn put_in_force(edge: &Edge, config: &EdgeConfig) {
    edge.rewrite(config);
    edge.sighup();
    let reloaded = async {
        // Nothing else tells what SIGHUP has done.
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the reload", reloaded).await;
}

#[tokio::test]
async fn body_of_a_request_for_a_stored_object_is_not_taken_for_the_next_request() {
    let (edge, origin, _config) = edge_with_stored(|_| ()).await;
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let next = format!("GET /b HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let framings = [
        format!("content-length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()),
    ];
    for framed in framings {
        for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
            let mut raw = edge.raw(protocol).await;
            raw.send(format!("GET /a HTTP/1.1\r\nhost: {HOST}\r\n{framed}{next}").as_bytes()).await.unwrap();
            assert_whole(&within("the stored object", raw.response("GET")).await.unwrap(), 1000, &framed);
            // Closing instead of going on is as good.
            if let Ok(second) = within("the next answer", raw.response("GET")).await {
                assert_whole(&second, 2000, &framed);
            }
        }
    }
    assert!(origin.requests("/smuggled").is_empty());
}

#[tokio::test]
async fn connection_close_is_obeyed_and_announced_on_hits() {
    let (edge, _origin, _config) = edge_with_stored(|_| ()).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        let mut raw = edge.raw(protocol).await;
        let request = Request::get("/a").authority(HOST);
        for _ in 0..3 {
            let kept = within("an answer", raw.request(&request)).await.unwrap();
            assert_eq!(kept.status, 200, "{protocol:?}");
            assert_ne!(kept.field("connection"), Some("close"), "{protocol:?}");
        }
        let last = within("an answer", raw.request(&request.field("connection", "close"))).await.unwrap();
        assert_whole(&last, 1000, "the last");
        within("the end of the connection", raw.closed()).await.unwrap();
    }
}

#[tokio::test]
async fn hits_on_one_connection_are_told_apart_by_the_fields_that_each_has() {
    let (edge, _origin, _config) = edge_with_stored(|_| ()).await;
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    let long = "x".repeat(3000);
    // The same fields with another target, other fields with the same target, fields that are too long to be kept, and
    // conditions that come and go.
    let asked = [
        ("/a", "one", None, 200),
        ("/b", "one", None, 200),
        ("/b", "two", None, 200),
        ("/b", &long, None, 200),
        ("/a", &long, None, 200),
        ("/a", "two", None, 200),
        ("/a", "two", Some("\"v1\""), 304),
        ("/b", "two", Some("\"v1\""), 200),
        ("/a", "two", Some("\"v1\""), 304),
        ("/a", "two", None, 200),
    ];
    for (path, agent, tag, status) in asked {
        let request = Request::get(path).authority(HOST).field("user-agent", agent);
        let request = tag.into_iter().fold(request, |request, tag| request.field("if-none-match", tag));
        let told = format!("{path} {} {tag:?}", &agent[..3]);
        let answer = within("an answer", raw.request(&request)).await.unwrap();
        assert_eq!(answer.status, status, "{told}");
        let id = answer.field("x-request-id").unwrap_or_default().to_owned();
        let lines = edge.access_log(1, |entry| entry["request_id"] == id.as_str()).await;
        assert_eq!(lines[0]["path"], path, "{told}");
        let logged = lines[0]["user_agent"].as_str().unwrap_or_default();
        assert!(!logged.is_empty() && agent.starts_with(logged), "{told}: {logged}");
    }
}

#[tokio::test]
async fn client_that_takes_nothing_of_a_stored_body_is_cut_off() {
    let (edge, _origin, _config) = edge_with_stored(|config| {
        config.limits.push("write_timeout: 500ms".to_owned());
        config.limits.push("idle_timeout: 60s".to_owned());
    })
    .await;
    let mut cut_off = 0;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for what in ["while it is fetched", "when it is stored"] {
            let mut reading = within("a head", client.open(Request::get("/large"))).await.unwrap();
            reading.read_at_least(1).await.unwrap();
            // The log tells that the edge has given up; nothing else comes to a client that does not read.
            let cut =
                |entry: &serde_json::Value| entry["path"] == "/large" && entry["bytes_sent"].as_u64() < Some(LARGE);
            cut_off += 1;
            edge.access_log(cut_off, cut).await;
            let rest = within("the end", reading.finish()).await.unwrap();
            assert!(matches!(rest.end, End::Broken(_)), "{protocol:?} {what}: {} bytes, whole", rest.body.len());
            let fresh = edge.client(protocol).await;
            assert_whole(&within("a quicker one", fresh.get("/large")).await.unwrap(), LARGE, what);
        }
    }
}

#[tokio::test]
async fn stored_object_is_not_served_for_a_host_that_a_reload_has_taken_away() {
    let (edge, origin, mut config) = edge_with_stored(|_| ()).await;
    let kept = edge.client(Protocol::Http2).await;
    let mut raw = edge.raw(Protocol::Http1).await;
    let request = Request::get("/a").authority(HOST);
    assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 200);
    assert_eq!(within("an answer", kept.get("/a")).await.unwrap().status, 200);
    // Whoever is still being answered keeps the configuration alive that the request came under.
    let mut reading = within("a head", edge.client(Protocol::Http1).await.open(Request::get("/large"))).await.unwrap();
    reading.read_at_least(1).await.unwrap();
    config.hosts = vec!["other.test".to_owned()];
    put_in_force(&edge, &config).await;
    assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 421, "on a connection that was open");
    assert_eq!(within("an answer", kept.get("/a")).await.unwrap().status, 421, "on a connection that was open");
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 421, "{protocol:?}");
    }
    assert_eq!(origin.requests("/a").len(), 2, "nothing more was asked");
}

#[tokio::test]
async fn stored_object_is_not_served_once_its_policy_stores_nothing() {
    let (edge, origin, mut config) = edge_with_stored(|_| ()).await;
    config.policy.push("enabled: false".to_owned());
    put_in_force(&edge, &config).await;
    for protocol in Protocol::SECURE {
        let answer = within("an answer", edge.client(protocol).await.get("/a")).await.unwrap();
        assert_whole(&answer, 1000, "passed");
        assert!(!answer.field("cache-status").unwrap_or_default().contains("; hit"), "{protocol:?}");
    }
    assert_eq!(origin.requests("/a").len(), 5);
}

#[tokio::test]
async fn stored_object_goes_stale_after_its_lifetime_and_is_revalidated() {
    let origin = Origin::start().await;
    let script = Script::status(200).pattern(0, 1000).field("cache-control", "max-age=1").field("etag", "\"v1\"");
    origin.on("/a", script.resource());
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let client = edge.client(Protocol::Http2).await;
    assert_whole(&within("an answer", client.get("/a")).await.unwrap(), 1000, "first");
    // Freshness is counted in whole seconds; two of them are over for sure.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let stale = within("an answer", client.get("/a")).await.unwrap();
    assert_whole(&stale, 1000, "revalidated");
    let asked = origin.requests("/a");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].field("if-none-match"), Some("\"v1\""), "asked by condition");
    let again = within("an answer", client.get("/a")).await.unwrap();
    assert!(again.field("cache-status").unwrap_or_default().contains("; hit"), "fresh again");
    assert_eq!(again.field("age").and_then(|age| age.parse::<u64>().ok()).filter(|age| *age > 1), None);
}

#[tokio::test]
async fn successful_change_of_an_object_ends_its_being_stored() {
    let (edge, origin, _config) = edge_with_stored(|_| ()).await;
    for (count, protocol) in Protocol::SECURE.into_iter().enumerate() {
        let client = edge.client(protocol).await;
        let before = origin.requests("/a").iter().filter(|request| request.method == "GET").count();
        let changed = within("an answer", client.request(Request::new("PUT", "/a").body("new"))).await.unwrap();
        assert_eq!(changed.status, 200);
        assert_whole(&within("an answer", client.get("/a")).await.unwrap(), 1000, "fetched again");
        let after = origin.requests("/a").iter().filter(|request| request.method == "GET").count();
        assert_eq!(after, before + 1, "{protocol:?} {count}");
    }
}

#[tokio::test]
async fn answer_of_the_node_itself_has_the_date_of_the_node() {
    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    let origin = Origin::start().await;
    let begun = Step::Raw(format!("HTTP/1.1 200 OK\r\ndate: {DATE}\r\n"));
    origin.on("/cut", Script::status(200).before(begun).before(Step::Close));
    origin.on("/passes", Script::status(200).text("as it is").field("cache-control", "no-store").field("date", DATE));
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml("attempts: 1")).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        let only_stored = Request::get("/unknown").field("cache-control", "only-if-cached");
        let asked = [(Request::get("/cut"), 502), (only_stored, 504), (Request::get("/passes"), 200)];
        // Twice, so that each comes behind the others on one connection.
        for (request, status) in asked.iter().chain(&asked) {
            let answer = within("an answer", client.request(request.clone())).await.unwrap();
            assert_eq!(answer.status, *status, "{protocol:?}");
            let date = answer.field("date").unwrap_or_else(|| panic!("{protocol:?} {status}: no date"));
            assert_eq!(date == DATE, *status == 200, "{protocol:?} {status}: {date}");
        }
    }
}

#[tokio::test]
async fn object_that_came_without_a_date_has_that_of_its_arrival() {
    let (edge, _origin, _config) = edge_with_stored(|_| ()).await;
    let client = edge.client(Protocol::Http1).await;
    let aged = async {
        // Only its age tells that the clock has gone on.
        while within("an answer", client.get("/a")).await.unwrap().field("age") == Some("0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("an age", aged).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let stored = within("an answer", edge.client(protocol).await.get("/a")).await.unwrap();
        let stored = stored.field("date").unwrap();
        for (name, value) in [("accept", "*/*"), ("if-none-match", "\"never\""), ("range", "bytes=0-9")] {
            let request = Request::get("/a").field(name, value);
            let answer = within("an answer", edge.client(protocol).await.request(request)).await.unwrap();
            assert_eq!(answer.field("date"), Some(stored), "{protocol:?} {name}");
            assert_ne!(answer.field("age"), Some("0"), "{protocol:?} {name}");
        }
    }
}
