//! What counts against an origin, and what is its clients' or nobody's fault.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Script, Step};
use tidegate_tests::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{config_to, edge_to, figure, nobody, pair};

/// What is known of the first origin.
async fn first_origin(edge: &Edge) -> serde_json::Value {
    let answer = within("the overview", edge.admin("GET", "/origins")).await;
    let overview: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    overview["pools"][0]["origins"][0].clone()
}

/// An origin that answers each request with these bytes and closes.
async fn bytes_origin(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 16 << 10];
            drop(connection.read(&mut request).await);
            drop(connection.write_all(answer).await);
        }
    });
    (url, serving)
}

#[tokio::test]
async fn client_that_stalls_its_upload_is_told_and_nobody_blamed() {
    let (first, _second) = pair().await;
    first.on("/a", Script::status(200).body(Body::Echo));
    let mut config: EdgeConfig = config_to(&[&first.url()], "limits: {failures: 1%, failures_floor: 1, open: 60s}");
    config.timeouts = vec!["read: 300ms".to_owned()];
    let edge = Edge::start(&config).await;
    for _ in 0..2 {
        for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
            let mut raw = edge.raw(protocol).await;
            let head = format!("POST /a HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 9\r\n\r\nab");
            raw.send(head.as_bytes()).await.unwrap();
            assert_eq!(within("an answer", raw.head("POST")).await.unwrap().status, 408, "{protocol:?}");
        }
    }
    let answer = edge.client(Protocol::Http2).await.request(Request::new("POST", "/a").body("whole")).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "whole"), "the circuit is closed");
    assert_eq!(figure(&edge, "tidegate_origin_circuit_state", &["origin=\"first\""]).await, 0.0);
}

#[tokio::test]
async fn hints_that_have_gone_out_keep_no_request_from_the_next_origin() {
    let (url, serving) = bytes_origin(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    let (_first, second) = pair().await;
    second.on("/a", Script::status(200).text("second"));
    let edge = edge_to(&[&url, &second.url()], "limits: {failures: 0%}\nretry: {budget_floor: 1000}").await;
    for method in ["GET", "DELETE"] {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        raw.send(format!("{method} /a HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
        let mut status = within("a head", raw.interim()).await.unwrap();
        if status == 103 {
            status = within("a final head", raw.head(method)).await.unwrap().status;
        }
        assert_eq!(status, 200, "{method}");
        for protocol in Protocol::SECURE {
            let request = Request::new(method, &format!("/a?{}", protocol.label()));
            second.on("/a", Script::status(200).text("second"));
            let answer = within("an answer", edge.client(protocol).await.request(request)).await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "second"), "{method} {protocol:?}");
        }
    }
    serving.abort();
}

#[tokio::test]
async fn origin_that_breaks_every_body_is_one_that_fails() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(200).pattern(0, 100_000).then(Step::Send(60_000)).then(Step::Reset));
    second.on("/a", Script::status(200).text("second"));
    for pool in [
        // Half of what happens would be successes, if heads were.
        "limits: {failures: 80%, failures_floor: 4, open: 60s}",
        "limits: {failures: 0%}\noutlier: {consecutive_failures: 4, max_ejected: 100%}",
    ] {
        let config = EdgeConfig { pool: Vec::new(), ..config_to(&[&first.url(), &second.url()], "") }
            .pool_yaml("order: written\nhealth: {probe: off}")
            .pool_yaml(pool);
        let edge = Edge::start(&config).await;
        let before = first.requests("/a").len();
        let client = edge.client(Protocol::Http1).await;
        for _ in 0..4 {
            drop(within("an answer", client.request(Request::new("DELETE", "/a"))).await);
        }
        assert_eq!(first.requests("/a").len() - before, 4, "{pool}");
        let answer =
            within("an answer", edge.client(Protocol::Http2).await.request(Request::new("DELETE", "/a"))).await;
        assert_eq!(answer.unwrap().text(), "second", "{pool}");
    }
}

#[tokio::test]
async fn failure_that_is_passed_on_counts_once() {
    let (first, _second) = pair().await;
    first.on("/a", Script::status(503).text("down"));
    let config = EdgeConfig { pool: Vec::new(), ..config_to(&[&first.url()], "") }.pool_yaml(
        "order: written\nhealth: {probe: off}\nlimits: {failures: 0%}\noutlier: {consecutive_failures: 100}",
    );
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http2).await;
    for _ in 0..4 {
        assert_eq!(
            within("an answer", client.request(Request::new("POST", "/a").body("x"))).await.unwrap().status,
            503
        );
    }
    let origin = first_origin(&edge).await;
    assert!(origin.to_string().contains("\"consecutive_failures\":4"), "{origin}");
    let counted = figure(&edge, "tidegate_origin_requests_total", &["origin=\"first\"", "outcome=\"5xx\""]).await;
    assert_eq!(counted, 4.0);
}

#[tokio::test]
async fn impatient_route_says_nothing_of_origins() {
    let (first, _second) = pair().await;
    first.on("/slow", Script::status(200).before(Step::Hang));
    first.on("/a", Script::status(200).text("first"));
    let config = config_to(&[&first.url()], "limits: {failures: 1%, failures_floor: 1, open: 60s}")
        .route_yaml("timeouts: {response: 300ms}");
    let edge = Edge::start(&config).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let slow = within("an answer", client.request(Request::new("DELETE", "/slow"))).await.unwrap();
        assert_eq!(slow.status, 504, "{protocol:?}");
        let other = within("an answer", client.request(Request::new("DELETE", "/a"))).await.unwrap();
        assert_eq!(other.text(), "first", "{protocol:?}: the circuit is closed");
    }
}

#[tokio::test]
async fn connections_that_fail_cost_no_budget() {
    let (_first, second) = pair().await;
    second.on("/a", Script::status(200).text("second"));
    // Speaks no TLS: a connection that fails, though somebody listens.
    let (untalkative, serving) = bytes_origin(b"no TLS").await;
    let untalkative = untalkative.replace("http:", "https:");
    for url in [nobody(), untalkative] {
        let config = config_to(&[&url, &second.url()], "retry: {budget: 0%, budget_floor: 0}");
        for request in [Request::get("/a"), Request::new("POST", "/a").body("order")] {
            let edge = Edge::start(&config).await;
            let client = edge.client(Protocol::Http2).await;
            let answer = within("an answer", client.request(request.clone())).await.unwrap();
            assert_eq!(answer.status, 200, "{url} {request:?}");
        }
    }
    let edge =
        edge_to(&[&nobody(), &nobody(), &second.url()], "attempts: 2\nretry: {budget: 0%, budget_floor: 0}").await;
    let answer = within("an answer", edge.client(Protocol::Http2).await.get("/a")).await.unwrap();
    assert_eq!(answer.status, 502, "attempts bound them all the same");
    serving.abort();
}

#[tokio::test]
async fn page_in_place_of_an_error_leaves_the_attempt_as_it_was() {
    let (first, _second) = pair().await;
    first.on("/gone", Script::status(404).text("none"));
    first.on("/down", Script::status(503).text("down"));
    let config = EdgeConfig { pool: Vec::new(), ..config_to(&[&first.url()], "") }
        .pool_yaml("health: {probe: off}\noutlier: {consecutive_failures: 100}")
        .site_yaml("error_pages: [{ statuses: [404], content: page, replace_origin: true }]");
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http1).await;
    let down = within("an answer", client.request(Request::new("DELETE", "/down"))).await.unwrap();
    assert_eq!(down.status, 503);
    assert_eq!(first_origin(&edge).await["consecutive_failures"], 1);
    let request = Request::new("DELETE", "/gone");
    let answer = within("an answer", edge.client(Protocol::Http2).await.request(request)).await.unwrap();
    assert_eq!(answer.text(), "page");
    let lines = edge.access_log(1, |line| line["path"] == "/gone").await;
    assert_eq!(lines[0]["attempts"], serde_json::json!([{"origin": "first", "status": 404}]));
    assert_eq!(first_origin(&edge).await["consecutive_failures"], 0, "it has answered");
}

#[tokio::test]
async fn body_that_is_sent_again_counts_once_against_its_bound() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(200).before(Step::Reset));
    second.on("/a", Script::status(200).body(Body::Echo));
    let config = config_to(&[&first.url(), &second.url()], "").route_yaml("body_bytes: 40KiB");
    let edge = Edge::start(&config).await;
    let request = Request::new("PUT", "/a").body(vec![b'a'; 30_000]);
    let answer = within("an answer", edge.client(Protocol::Http1).await.request(request)).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 30_000));
}

#[tokio::test]
async fn switch_of_protocols_that_nobody_asked_for_is_a_failure_and_no_success() {
    let (first, _second) = pair().await;
    first.on("/a", Script::status(101));
    let config = EdgeConfig { pool: Vec::new(), ..config_to(&[&first.url()], "") }.pool_yaml(
        "order: written\nhealth: {probe: off}\nlimits: {failures: 0%}\noutlier: {consecutive_failures: 100}",
    );
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http2).await;
    for _ in 0..4 {
        let request = Request::new("POST", "/a").body("x");
        assert_eq!(within("an answer", client.request(request)).await.unwrap().status, 502);
    }
    let origin = first_origin(&edge).await;
    assert!(origin.to_string().contains("\"consecutive_failures\":4"), "{origin}");
}
