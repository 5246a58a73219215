//! HTTP/1.1 as attackers and odd clients write it: what may be read in two ways is refused (RFC 9112).

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, HOST};
use tidegate_tests::within;

use super::edge_and_origin;

/// Sends these bytes on a connection of their own; status of the answer, or nothing when there was none.
async fn status(edge: &Edge, bytes: &str) -> Option<u16> {
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    raw.send(bytes.as_bytes()).await.unwrap();
    within("an answer or the end", raw.response("GET")).await.ok().map(|response| response.status)
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_never_reach_the_origin() {
    let (edge, origin) = edge_and_origin().await;
    let cases = [
        (
            "length and chunks",
            "POST /a HTTP/1.1\r\nhost: H\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "POST /a HTTP/1.1\r\nhost: H\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef"),
        ("list of lengths", "POST /a HTTP/1.1\r\nhost: H\r\ncontent-length: 5, 6\r\n\r\nabcdef"),
        ("signed length", "POST /a HTTP/1.1\r\nhost: H\r\ncontent-length: +5\r\n\r\nabcde"),
        ("unknown coding", "POST /a HTTP/1.1\r\nhost: H\r\ntransfer-encoding: zipped\r\n\r\n0\r\n\r\n"),
        ("chunked not last", "POST /a HTTP/1.1\r\nhost: H\r\ntransfer-encoding: chunked, zipped\r\n\r\n0\r\n\r\n"),
        ("two hosts", "GET /a HTTP/1.1\r\nhost: H\r\nhost: other.test\r\n\r\n"),
        ("no host", "GET /a HTTP/1.1\r\n\r\n"),
        ("empty host", "GET /a HTTP/1.1\r\nhost:\r\n\r\n"),
        ("host with path", "GET /a HTTP/1.1\r\nhost: H/x\r\n\r\n"),
        ("host with user", "GET /a HTTP/1.1\r\nhost: user@H\r\n\r\n"),
        ("space before colon", "GET /a HTTP/1.1\r\nhost : H\r\n\r\n"),
        ("folded field", "GET /a HTTP/1.1\r\nhost: H\r\nx-a: 1\r\n 2\r\n\r\n"),
        ("field without name", "GET /a HTTP/1.1\r\nhost: H\r\n: x\r\n\r\n"),
        ("space in target", "GET /a b HTTP/1.1\r\nhost: H\r\n\r\n"),
        ("NUL in value", "GET /a HTTP/1.1\r\nhost: H\r\nx-a: a\0b\r\n\r\n"),
        ("wrong escape", "GET /a%zz HTTP/1.1\r\nhost: H\r\n\r\n"),
        ("NUL in path", "GET /a%00 HTTP/1.1\r\nhost: H\r\n\r\n"),
        ("unknown version", "GET /a HTTP/7.1\r\nhost: H\r\n\r\n"),
        ("no request", "\u{1}\u{2}\u{3}\r\n\r\n"),
    ];
    let mut accepted = Vec::new();
    for (name, text) in cases {
        let found = status(&edge, &text.replace('H', HOST).replace(&format!("{HOST}TTP"), "HTTP")).await;
        let refused = found.is_none_or(|status| (400..500).contains(&status) || matches!(status, 501 | 505));
        if !refused {
            accepted.push(format!("{name}: answered with {found:?}"));
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    assert_eq!(origin.requests("/a").len(), 0);
    assert_eq!(status(&edge, &format!("GET /a HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await, Some(200), "all is well");
}

#[tokio::test]
async fn malformed_chunks_never_become_a_whole_body() {
    let (edge, origin) = edge_and_origin().await;
    for chunks in
        ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFFFF\r\n"]
    {
        let text = format!("POST /a HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let found = status(&edge, &text).await;
        assert!(found.is_none_or(|status| (400..600).contains(&status)), "{chunks:?}: {found:?}");
    }
    let passed_on = origin.requests("/a");
    assert!(passed_on.is_empty(), "the origin got whole requests: {passed_on:?}");
}

#[tokio::test]
async fn absolute_target_counts_more_than_the_host_field() {
    let (edge, origin) = edge_and_origin().await;
    let text = format!("GET http://{HOST}/a HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    assert_eq!(status(&edge, &text).await, Some(200));
    assert_eq!(origin.requests("/a").len(), 1, "the origin gets the origin form");
    let text = format!("GET http://{HOST}/a HTTP/1.1\r\nhost: nobody.test\r\n\r\n");
    // RFC 9112 section 3.2.2: the target's authority replaces Host; refusing the contradiction is as safe.
    let found = status(&edge, &text).await;
    assert!(matches!(found, Some(200 | 400 | 421)), "{found:?}");
    let text = format!("GET http://nobody.test/a HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let found = status(&edge, &text).await;
    assert!(matches!(found, Some(400 | 421)), "served by the Host field against the target: {found:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/b", tidegate_tests::origin::Script::cacheable(2000));
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    raw.send(format!("{}{}{}", one("/a"), one("/b"), one("/a")).as_bytes()).await.unwrap();
    for size in [1000, 2000, 1000] {
        let response = within("an answer", raw.response("GET")).await.unwrap();
        crate::assert_whole(&response, size, "pipelined");
    }
}

#[tokio::test]
async fn body_is_sent_after_the_edge_said_continue() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/echo", tidegate_tests::origin::Script::status(200).body(tidegate_tests::origin::Body::Echo));
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    let head = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    raw.send(head.as_bytes()).await.unwrap();
    assert_eq!(within("100 Continue", raw.interim()).await.unwrap(), 100);
    raw.send(b"hello").await.unwrap();
    let response = within("an answer", raw.response("POST")).await.unwrap();
    assert_eq!((response.status, response.text()), (200, "hello".to_owned()));
}

#[tokio::test]
async fn http1_0_gets_a_whole_body_and_the_end_of_the_connection() {
    let (edge, origin) = edge_and_origin().await;
    let chunked = tidegate_tests::origin::Framing::Chunked;
    origin.on("/chunked", tidegate_tests::origin::Script::cacheable(1000).framing(chunked));
    for path in ["/a", "/chunked", "/chunked"] {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        raw.send(format!("GET {path} HTTP/1.0\r\nhost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
        let all = within("the end of the connection", raw.closed()).await.unwrap();
        let start = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!(all[8..].starts_with(b" 200 "), "{path}");
        assert!(!String::from_utf8_lossy(&all[..start]).to_ascii_lowercase().contains("chunked"), "{path}");
        assert_eq!(tidegate_tests::pattern::Pattern::new(0).check(0, &all[start..]), Ok(()), "{path}");
        assert_eq!(all.len() - start, 1000, "{path}");
    }
}
