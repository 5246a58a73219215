//! Origins that break off, stall and die in the middle of a body.

use tidegate_tests::client::{Client, End, Protocol, Request, Response, Streaming};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Framing, Origin, OriginProcess, Script, Step};
use tidegate_tests::within;

use super::{ALL, edge_and_origin};
use crate::assert_whole;

/// No clean end, unless nothing of a success was claimed in the first place.
fn assert_not_passed_off_as_whole(answer: anyhow::Result<Response>, what: &str) {
    match answer {
        Ok(response) if response.status >= 500 => {}
        Ok(response) => assert!(
            matches!(response.end, End::Broken(_)),
            "{what}: status {} ended cleanly after {} bytes",
            response.status,
            response.body.len()
        ),
        // The connection or stream broke before a head came.
        Err(_) => {}
    }
}

/// Ways in which an origin breaks off a body of 400,000 bytes half-way.
fn breaks() -> Vec<(&'static str, Script)> {
    const SIZE: u64 = 400_000;
    let half = || Script::cacheable(SIZE).then(Step::Send(SIZE / 2));
    let chunked = || half().framing(Framing::Chunked);
    vec![
        ("closed_within_length", half().then(Step::Close)),
        ("reset_within_length", half().then(Step::Reset)),
        ("closed_within_chunks", chunked().then(Step::Close)),
        ("reset_within_chunks", chunked().then(Step::Reset)),
        ("closed_after_head", Script::cacheable(SIZE).then(Step::Close)),
        ("closed_before_head", Script::cacheable(SIZE).before(Step::Close)),
        ("last_byte_missing", Script::cacheable(SIZE).then(Step::Send(SIZE - 1)).then(Step::Close)),
        (
            "last_chunk_missing",
            Script::cacheable(SIZE).framing(Framing::Chunked).then(Step::Send(SIZE)).then(Step::Close),
        ),
        ("unstored", half().field("cache-control", "no-store").then(Step::Close)),
    ]
}

async fn truncated_origin(protocol: Protocol) {
    let origin = Origin::start().await;
    // So many breaks would open the circuit.
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml("limits: {failures: 0%}")).await;
    let client = edge.client(protocol).await;
    for (name, script) in breaks() {
        let path = format!("/{name}");
        origin.on(&path, script);
        let answer = within(name, client.get(&path)).await;
        assert_not_passed_off_as_whole(answer, name);
        // Had anything been stored, this would not be the whole body.
        origin.on(&path, Script::cacheable(300_000));
        let fresh = edge.client(protocol).await;
        assert_whole(&within(name, fresh.get(&path)).await.unwrap(), 300_000, name);
    }
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_plain_http1() {
    truncated_origin(Protocol::PlainHttp1).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http1() {
    truncated_origin(Protocol::Http1).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http2() {
    truncated_origin(Protocol::Http2).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http3() {
    truncated_origin(Protocol::Http3).await;
}

#[tokio::test]
async fn joined_readers_of_a_truncated_body_are_all_told() {
    let (edge, origin) = edge_and_origin().await;
    let script = Script::cacheable(400_000).pausing_after(200_000, "middle").then(Step::Close);
    origin.on("/a", script);
    let mut readers = Vec::new();
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
        reading.read_at_least(200_000).await.unwrap();
        readers.push((client, reading));
    }
    origin.gate("middle").open();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
    assert_eq!(origin.requests("/a").len(), 1);
}

/// Opens a reader of each protocol for `/a` and waits until each has the first half.
async fn readers(edge: &Edge, half: usize) -> Vec<(Client, Streaming)> {
    let mut readers = Vec::new();
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
        reading.read_at_least(half).await.unwrap();
        readers.push((client, reading));
    }
    readers
}

fn hanging_half() -> Script {
    Script::cacheable(400_000).then(Step::Send(200_000)).then(Step::Hang)
}

#[tokio::test]
async fn killed_origin_breaks_the_body_and_not_the_edge() {
    let whole = Script::cacheable(1000);
    let mut dying = OriginProcess::start(&[("/a".to_owned(), hanging_half()), ("/b".to_owned(), whole)].into());
    let edge = Edge::start(&EdgeConfig::to_url(&format!("http://{}", dying.address()))).await;
    let client = edge.client(Protocol::Http2).await;
    assert_whole(&within("a stored body", client.get("/b")).await.unwrap(), 1000, "before");
    let readers = readers(&edge, 200_000).await;
    dying.kill();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
    assert_whole(&within("the stored body", client.get("/b")).await.unwrap(), 1000, "after");
    let refused = within("an answer without an origin", client.get("/c")).await.unwrap();
    assert!((502..=504).contains(&refused.status), "{}", refused.status);
}

#[tokio::test]
async fn stopped_origin_breaks_the_body_after_the_read_timeout() {
    let stalling = OriginProcess::start(&[("/a".to_owned(), hanging_half())].into());
    let mut config = EdgeConfig::to_url(&format!("http://{}", stalling.address()));
    config.timeouts = vec!["read: 1s".to_owned()];
    let edge = Edge::start(&config).await;
    let readers = readers(&edge, 200_000).await;
    stalling.stop();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
}

#[tokio::test]
async fn unasked_switch_of_protocols_is_refused_and_other_fills_go_on() {
    let origin = Origin::start().await;
    origin.on("/switch", Script::status(101).field("upgrade", "x").framing(Framing::Close));
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        for method in ["GET", "POST"] {
            let answer = within("the refusal", client.request(Request::new(method, "/switch"))).await.unwrap();
            assert_eq!(answer.status, 502, "{} {method}", protocol.label());
        }
        let path = format!("/next-{}", protocol.label());
        origin.on(&path, Script::cacheable(1000));
        let next = within("another fill", client.get(&path)).await.unwrap();
        assert_whole(&next, 1000, protocol.label());
    }
}

#[tokio::test]
async fn body_that_ends_with_its_connection_is_reset_where_it_breaks_off() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml("limits: {failures: 0%}")).await;
    let body = |size| Script::cacheable(size).framing(Framing::Chunked);
    origin.on("/whole", body(1_000));
    origin.on("/broken", body(1_000_000).then(Step::Send(100)).then(Step::Close));
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        for method in ["GET", "POST"] {
            for path in ["/whole", "/broken"] {
                let what = format!("{method} {path} over {protocol:?}");
                let mut raw = edge.raw(protocol).await;
                let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
                let target = format!("{path}?{}", protocol.label());
                let head = format!("{method} {target} HTTP/1.0\r\nhost: {HOST}\r\n{length}\r\n");
                raw.send(head.as_bytes()).await.unwrap();
                let answer = within(&what, raw.closed()).await;
                if path == "/broken" {
                    // It may have been found out before anything was said.
                    assert!(
                        answer.as_ref().map_or(true, |bytes| bytes.starts_with(b"HTTP/1.1 50")),
                        "{what}: {answer:?}"
                    );
                    continue;
                }
                let answer = answer.unwrap();
                let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
                let (head, body) = answer.split_at(end);
                let head = String::from_utf8_lossy(head).to_ascii_lowercase();
                assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{what}: {head}");
                assert_eq!(body.len(), 1_000, "{what}: {head}");
            }
        }
    }
}
