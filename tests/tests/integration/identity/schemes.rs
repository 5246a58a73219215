//! Targets in absolute form that name another scheme than their connection's.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, Plaintext};
use tidegate_tests::within;

use super::{TRUST_LOOPBACK, origin};

const OVER_TCP: [Protocol; 2] = [Protocol::PlainHttp1, Protocol::Http1];

fn own_scheme(protocol: Protocol) -> &'static str {
    if protocol == Protocol::PlainHttp1 { "http" } else { "https" }
}

/// Asks for a target, and for a path on the same connection afterwards: a wrong scheme breaks nothing.
async fn check(edge: &Edge, protocol: Protocol, method: &str, target: &str, status: u16, then: u16) {
    let mut raw = edge.raw(protocol).await;
    for (target, status) in [(target, status), ("/stored", then)] {
        raw.send(format!("{method} {target} HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
        let answer = within("an answer", raw.response(method)).await.unwrap();
        assert_eq!(answer.status, status, "{protocol:?} {method} {target}");
    }
}

#[tokio::test]
async fn scheme_of_another_connection_is_misdirected_whatever_is_asked() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in OVER_TCP {
        for scheme in ["http", "https", "HTTP", "HTTPS"] {
            let fits = scheme.eq_ignore_ascii_case(own_scheme(protocol));
            for method in ["GET", "HEAD"] {
                for path in ["/stored", "/stored?a", "/passed", ""] {
                    let expected = match (fits, path) {
                        (false, _) => 421,
                        (true, "") => 404,
                        (true, _) => 200,
                    };
                    check(&edge, protocol, method, &format!("{scheme}://{HOST}{path}"), expected, 200).await;
                }
            }
        }
    }
    for request in origin.requests("/passed") {
        assert!(request.target == "/passed", "origins are asked in origin form: {request:?}");
    }
    let misdirected = edge.access_log(16, |entry| entry["status"] == 421).await;
    assert!(misdirected.iter().all(|entry| entry["host"] == HOST), "{misdirected:?}");
}

#[tokio::test]
async fn trusted_proxy_may_have_been_asked_in_the_other_scheme() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).node_yaml(TRUST_LOOPBACK)).await;
    for protocol in OVER_TCP {
        for scheme in ["http", "https"] {
            check(&edge, protocol, "GET", &format!("{scheme}://{HOST}/stored"), 200, 200).await;
        }
    }
}

#[tokio::test]
async fn plaintext_listener_redirects_only_what_was_asked_in_plaintext() {
    let origin = origin().await;
    let config = EdgeConfig { plaintext: Plaintext::Redirect, ..EdgeConfig::to(&origin) };
    let edge = Edge::start(&config).await;
    check(&edge, Protocol::PlainHttp1, "GET", &format!("http://{HOST}/stored"), 308, 308).await;
    check(&edge, Protocol::PlainHttp1, "GET", &format!("https://{HOST}/stored"), 421, 308).await;
    check(&edge, Protocol::PlainHttp1, "GET", "/.well-known/tidegate/live", 200, 308).await;
    check(&edge, Protocol::Http1, "GET", &format!("https://{HOST}/stored"), 200, 200).await;
    assert_eq!(origin.requests("/stored").len(), 1);
}
