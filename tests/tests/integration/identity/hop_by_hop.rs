//! What ends at this hop, in both directions.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Framing, Script};
use tidegate_tests::within;

use super::{ALL, ask, last, origin, request, values};

#[tokio::test]
async fn what_a_client_says_to_this_node_alone_ends_here() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let fields = "connection: keep-alive, x-hop,, TE\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: close\r\n\
                  te: trailers\r\ntrailer: x-sum\r\nproxy-authorization: Basic eDp5\r\nproxy-authenticate: Basic\r\n\
                  http2-settings: AAMAAABk\r\nx-kept: yes\r\nauthorization: Bearer token\r\n";
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        for path in ["/passed".to_owned(), format!("/stored?{protocol:?}")] {
            let mut raw = edge.raw(protocol).await;
            raw.send(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n{fields}\r\n").as_bytes()).await.unwrap();
            assert_eq!(within("an answer", raw.response("GET")).await.unwrap().status, 200);
            let asked = last(&origin, path.split('?').next().unwrap());
            let gone =
                ["x-hop", "keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization", "http2-settings"];
            for name in gone.into_iter().chain(["proxy-authenticate", "upgrade", "transfer-encoding"]) {
                assert_eq!(values(&asked, name), "", "{name} of {path}");
            }
            assert_eq!(values(&asked, "x-kept"), "yes");
            assert_eq!(values(&asked, "authorization"), "Bearer token");
        }
    }
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let asking = request("/passed", &[]).field("te", "trailers").field("proxy-authorization", "Basic eDp5");
        assert_eq!(ask(&edge, protocol, asking).await.status, 200);
        for name in ["te", "proxy-authorization", "connection"] {
            assert_eq!(values(&last(&origin, "/passed"), name), "", "{name} over {protocol:?}");
        }
    }
}

#[tokio::test]
async fn connection_that_names_what_matters_is_a_bad_request() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    ask(&edge, Protocol::PlainHttp1, Request::get("/stored")).await;
    let named =
        ["host", "Content-Length", "authorization", "cookie", "X-Forwarded-For", "forwarded", "via", "CDN-Loop"];
    let odd = [":authority", "\"host\"", "x y", "a, b, c, d, e, f, g, h, i, j"];
    for option in named.into_iter().chain(odd) {
        for path in ["/stored", "/passed"] {
            let mut raw = edge.raw(Protocol::PlainHttp1).await;
            let head = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close, {option}\r\n\r\n");
            raw.send(head.as_bytes()).await.unwrap();
            let answer = within("an answer", raw.response("GET")).await.unwrap();
            assert_eq!(answer.status, 400, "{option} {path}");
        }
    }
    assert!(origin.requests("/passed").is_empty());
}

#[tokio::test]
async fn what_an_origin_says_to_this_node_alone_ends_here() {
    let origin = origin().await;
    for (path, framing) in [("/length", Framing::Length), ("/chunked", Framing::Chunked), ("/close", Framing::Close)] {
        for (kind, cache) in [("passed", "no-store"), ("kept", "max-age=600")] {
            let script = Script::status(200)
                .text("hello")
                .field("cache-control", cache)
                .field("connection", "x-hop, cache-control, content-type")
                .field("x-hop", "1")
                .field("keep-alive", "timeout=5")
                .field("proxy-connection", "keep-alive")
                .field("proxy-authenticate", "Basic")
                .field("proxy-authentication-info", "x")
                .field("te", "trailers")
                .field("upgrade", "h2c")
                .field("x-kept", "yes");
            origin.on(&format!("{path}/{kind}"), script.framing(framing));
        }
    }
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let gone =
        ["x-hop", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info", "te", "upgrade"];
    for protocol in ALL {
        for path in
            ["/length", "/chunked", "/close"].iter().flat_map(|path| [format!("{path}/passed"), format!("{path}/kept")])
        {
            for what in ["first", "second"] {
                let answer = ask(&edge, protocol, Request::get(&path)).await;
                assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{what} {path} {protocol:?}");
                for name in gone {
                    assert_eq!(answer.field(name), None, "{what} {name} of {path} over {protocol:?}");
                }
                assert_eq!(answer.field("x-kept"), Some("yes"), "{what} {path} {protocol:?}");
                assert!(answer.field("cache-control").is_some(), "{what} {path} {protocol:?}");
                if matches!(protocol, Protocol::Http2 | Protocol::Http3) {
                    assert_eq!((answer.field("connection"), answer.field("transfer-encoding")), (None, None));
                } else {
                    assert!(!answer.field("connection").unwrap_or_default().contains("x-hop"), "{path}");
                }
            }
        }
    }
}
