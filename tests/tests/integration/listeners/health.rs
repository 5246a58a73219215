//! Readiness and liveness for DNS health checkers: for any Host, with and without SNI, over every protocol.

use tidegate_tests::client::{Client, End, Protocol, Request, ServerIdentity, Target, Trust};
use tidegate_tests::edge::Edge;
use tidegate_tests::within;

use super::edge_and_origin;

const PATHS: [&str; 2] = ["/.well-known/tidegate/ready", "/.well-known/tidegate/live"];
/// What Amazon's Route 53 reads of a body when it looks for a text in it.
const READ_BY_CHECKERS: usize = 5_120;

async fn check(edge: &Edge, protocol: Protocol, identity: &ServerIdentity, authority: &str) {
    let target = Target { identity: identity.clone(), trust: Trust::Anything, ..edge.target(protocol) };
    let client = within("a connection", Client::connect(protocol, target)).await.unwrap();
    for path in PATHS {
        let what = format!("{protocol:?} {identity:?} {authority:?} {path}");
        let response = within(&what, client.request(Request::get(path).authority(authority))).await.unwrap();
        assert_eq!((response.status, &response.end), (200, &End::Clean), "{what}");
        let seen = &response.body[..response.body.len().min(READ_BY_CHECKERS)];
        let verdict: serde_json::Value = serde_json::from_slice(seen).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(verdict.is_object(), "{what}: {verdict}");
        assert_eq!(response.field("cache-control"), Some("no-store"), "{what}");
        let head = within(&what, client.request(Request::new("HEAD", path).authority(authority))).await.unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {what}");
    }
}

#[tokio::test]
async fn health_is_answered_for_any_host_with_and_without_server_name() {
    let (edge, _origin) = edge_and_origin().await;
    let identities = [
        ServerIdentity::Name("media.tidegate.test".to_owned()),
        ServerIdentity::Name("unknown.test".to_owned()),
        ServerIdentity::Address(edge.place().address),
    ];
    let address = edge.place().address.to_string();
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        for identity in &identities {
            for authority in ["media.tidegate.test", "unknown.test", address.as_str(), "unknown.test:8443"] {
                check(&edge, protocol, identity, authority).await;
            }
        }
    }
}

#[tokio::test]
async fn health_is_answered_over_http1_0_without_a_host() {
    let (edge, _origin) = edge_and_origin().await;
    let mut raw = edge.raw(Protocol::PlainHttp1).await;
    raw.send(b"GET /.well-known/tidegate/ready HTTP/1.0\r\n\r\n").await.unwrap();
    let all = within("the end of the connection", raw.closed()).await.unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.") && text[8..].starts_with(" 200 "), "{text}");
}

#[tokio::test]
async fn health_answers_get_and_head_only() {
    let (edge, origin) = edge_and_origin().await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let response = within("an answer", client.request(Request::new("DELETE", PATHS[0]))).await.unwrap();
        assert_eq!((response.status, response.field("allow")), (405, Some("GET, HEAD")), "{protocol:?}");
    }
    assert!(origin.requests(PATHS[0]).is_empty());
}
