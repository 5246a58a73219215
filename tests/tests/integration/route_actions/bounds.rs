//! Bounds of time and body.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Origin, Script, Step};
use tidegate_tests::within;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::{ALL, ask};
use crate::assert_whole;

#[tokio::test]
async fn client_gets_504_in_time_and_the_fill_goes_on_for_others() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).routes_yaml(
        "
        - name: quick
          path: /quick/*
          timeouts: {response: 300ms}
          origin_pool: origins
          cache_policy: tested
        ",
    ))
    .await;
    for protocol in ALL {
        let path = format!("/quick/{}", protocol.label());
        origin.on(&path, Script::cacheable(1000).before(Step::Gate(path.clone())));
        let joined = async {
            tokio::join!(ask(&edge, protocol, Request::get(&path)), ask(&edge, protocol, Request::get(&path)))
        };
        let (first, second) = within("both answers", joined).await;
        assert_eq!((first.status, second.status), (504, 504), "{protocol:?}");
        origin.gate(&path).open();
        edge.until_fills_end().await;
        assert_whole(&ask(&edge, protocol, Request::get(&path)).await, 1000, "stored meanwhile");
        assert_eq!(origin.requests(&path).len(), 1, "{protocol:?}");
        origin.on("/quick/hangs", Script::status(200).before(Step::Hang));
        let passed = ask(&edge, protocol, Request::new("POST", "/quick/hangs").body("x")).await;
        assert_eq!(passed.status, 504, "{protocol:?}");
    }
}

#[tokio::test]
async fn body_beyond_the_routes_bound_is_refused_whether_its_length_is_told_or_not() {
    let origin = Origin::start().await;
    for path in ["/small", "/all"] {
        origin.on(path, Script::status(200).body(Body::Echo));
    }
    let edge = Edge::start(&EdgeConfig::to(&origin).routes_yaml(
        "
        - name: small
          path: /small
          body_bytes: 1KiB
          origin_pool: origins
          cache_policy: tested
        ",
    ))
    .await;
    for protocol in ALL {
        for (path, size, status) in [("/small", 1024, 200), ("/small", 1025, 413), ("/all", 5000, 200)] {
            let answer = ask(&edge, protocol, Request::new("POST", path).body(vec![b'a'; size])).await;
            assert_eq!(answer.status, status, "{protocol:?} {path} {size}");
        }
    }
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        let mut raw = edge.raw(protocol).await;
        let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2000, "a".repeat(2000));
        let head = format!("POST /small HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
        raw.send(format!("{head}{chunk}").as_bytes()).await.unwrap();
        let answer = within("an answer", raw.response("POST")).await.unwrap();
        assert_eq!(answer.status, 413, "{protocol:?} in chunks");
    }
}

/// An origin that reads the head of each request and nothing of its body.
async fn origin_that_reads_no_body() -> String {
    let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 64];
            // The connection stays open; whatever the kernel holds of the body is all that is taken.
            if stream.read(&mut head).await.is_ok() {
                kept.push(stream);
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn origin_that_takes_nothing_of_a_body_is_blamed_and_not_the_client() {
    let mut config = EdgeConfig::to_url(&origin_that_reads_no_body().await);
    // Shorter than what the origin is given, so that the client would be the first to be blamed.
    config.limits = vec!["body_timeout: 500ms".to_owned(), "body_bytes: 64MiB".to_owned()];
    config.timeouts = vec!["write: 1s".to_owned(), "read: 1s".to_owned()];
    let edge = Edge::start(&config).await;
    // More than sockets and windows hold.
    let body = vec![b'a'; 32 * 1024 * 1024];
    for protocol in ALL {
        let answer = ask(&edge, protocol, Request::new("POST", "/").body(body.clone())).await;
        assert_eq!(answer.status, 504, "{protocol:?}");
    }
    assert_eq!(edge.metric("tidegate_requests_refused_total", &["status=\"408\""]).await, 0.0);
}
