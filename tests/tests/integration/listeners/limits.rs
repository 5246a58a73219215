//! The bounds of the node document, one by one.

use std::time::{Duration, Instant};

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::HOST;
use tidegate_tests::within;

use super::edge_with;

/// The answer has this status, or the connection or stream breaks, which HTTP/2 and HTTP/3 prefer in places.
async fn refused(protocol: Protocol, limit: &str, request: Request, status: u16) {
    let limits = vec![limit.to_owned()];
    let (edge, origin) = edge_with(|config| config.limits = limits).await;
    let client = edge.client(protocol).await;
    match within(limit, client.request(request)).await {
        Ok(response) => assert_eq!(response.status, status, "{protocol:?} {limit}"),
        Err(_) if protocol != Protocol::Http1 => {}
        Err(error) => panic!("{protocol:?} {limit}: {error:#}"),
    }
    assert_eq!(origin.requests("/a").len(), 0, "{protocol:?} {limit}");
    let fresh = edge.client(protocol).await;
    assert_eq!(within("a later request", fresh.get("/a")).await.unwrap().status, 200, "{protocol:?} {limit}");
}

#[tokio::test]
async fn long_target_is_refused() {
    for protocol in Protocol::SECURE {
        let request = Request::get(&format!("/a?{}", "x".repeat(2000)));
        refused(protocol, "target_bytes: 1KiB", request, 414).await;
    }
}

#[tokio::test]
async fn large_header_section_is_refused() {
    for protocol in Protocol::SECURE {
        let request = Request::get("/a").field("x-large", &"x".repeat(6000));
        refused(protocol, "header_bytes: 4KiB", request, 431).await;
    }
}

#[tokio::test]
async fn many_fields_are_refused() {
    for protocol in Protocol::SECURE {
        let many = (0..40).fold(Request::get("/a"), |request, number| request.field(&format!("x-{number}"), "1"));
        refused(protocol, "header_count: 20", many, 431).await;
    }
}

#[tokio::test]
async fn long_body_is_refused_by_its_length() {
    for protocol in Protocol::SECURE {
        let request = Request::new("POST", "/a").body(vec![0; 3000]);
        refused(protocol, "body_bytes: 1KiB", request, 413).await;
    }
}

#[tokio::test]
async fn long_chunked_body_is_refused_as_it_comes() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["body_bytes: 1KiB".to_owned()]).await;
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    let head = format!("POST /a HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
    raw.send(head.as_bytes()).await.unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for _ in 0..4 {
        // The edge may have closed by now, which is as good.
        if raw.send(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    match within("an answer", raw.response("POST")).await {
        Ok(response) => assert_eq!(response.status, 413, "{}", response.text()),
        Err(_closed) => {}
    }
}

#[tokio::test]
async fn slow_header_section_is_cut_off() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["header_timeout: 500ms".to_owned()]).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        let mut raw = edge.raw(protocol).await;
        let started = Instant::now();
        raw.send(format!("GET /a HTTP/1.1\r\nhost: {HOST}\r\n").as_bytes()).await.unwrap();
        match within("the end", raw.response("GET")).await {
            Ok(response) => assert_eq!(response.status, 408, "{protocol:?}"),
            Err(_closed) => {}
        }
        assert!(started.elapsed() >= Duration::from_millis(400), "{protocol:?}: not at once");
    }
}

#[tokio::test]
async fn slow_body_is_cut_off() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["body_timeout: 500ms".to_owned()]).await;
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    raw.send(format!("POST /a HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 100\r\n\r\nxyz").as_bytes()).await.unwrap();
    match within("the end", raw.response("POST")).await {
        Ok(response) => assert!(matches!(response.status, 408 | 400 | 502), "{}", response.status),
        Err(_closed) => {}
    }
}

#[tokio::test]
async fn silent_client_is_closed_during_the_handshake() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["handshake_timeout: 500ms".to_owned()]).await;
    let address = edge.target(Protocol::Http1).address;
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut buffer = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut silent, &mut buffer);
    // A reset is an end as well.
    assert_eq!(within("the end", read).await.unwrap_or(0), 0);
    let counted = async {
        // The figure follows the end of the connection by a moment.
        while edge.metric("tidegate_handshakes_total", &["outcome=\"timed_out\""]).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the handshake to be counted", counted).await;
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["idle_timeout: 500ms".to_owned()]).await;
    let mut raw = edge.raw(Protocol::Http1).await;
    let request = Request::get("/a").authority(HOST);
    assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 200);
    within("the end of the connection", raw.closed()).await.unwrap();
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
        within(&format!("the end of an idle connection over {protocol:?}"), client.closed()).await;
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_of_an_address_are_refused() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["connections_per_address: 3".to_owned()]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        let request = Request::get("/a").authority(HOST);
        assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 200);
        held.push(raw);
    }
    let refused = within("a refusal", Client::connect(Protocol::Http2, edge.target(Protocol::Http2))).await;
    assert!(refused.is_err(), "a fourth connection was served");
    drop(held);
    let again = async {
        // The edge notices the departures a moment later.
        while Client::connect(Protocol::Http2, edge.target(Protocol::Http2)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("room for a new connection", again).await;
}

#[tokio::test]
async fn connection_ends_after_its_last_permitted_request() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["requests_per_connection: 3".to_owned()]).await;
    let mut raw = edge.raw(Protocol::Http1).await;
    let request = Request::get("/a").authority(HOST);
    for _ in 0..3 {
        assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 200);
    }
    within("the end of the connection", raw.closed()).await.unwrap();
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for _ in 0..3 {
            assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
        }
        within(&format!("the end of the connection over {protocol:?}"), client.closed()).await;
    }
}

#[tokio::test]
async fn connection_ends_after_its_lifetime() {
    let (edge, _origin) = edge_with(|config| config.limits = vec!["connection_lifetime: 1s".to_owned()]).await;
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
        within(&format!("the end of the connection over {protocol:?}"), client.closed()).await;
    }
}
