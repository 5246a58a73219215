//! Trusted proxies in front, and what origins are told.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, Plaintext};
use tidegate_tests::origin::Recorded;

use super::{ALL, TRUST_LOOPBACK, ask, last, origin, request, values};

/// What a client may say of itself.
const CLAIMS: [&str; 8] = [
    "x-forwarded-for: 192.0.2.66",
    "forwarded: for=192.0.2.66;proto=gopher;host=evil.test",
    "x-forwarded-proto: gopher",
    "x-forwarded-host: evil.test",
    "x-forwarded-port: 1",
    "x-real-ip: 192.0.2.66",
    "true-client-ip: 192.0.2.66",
    "x-forwarded-server: evil.test",
];

fn scheme(protocol: Protocol) -> &'static str {
    if protocol == Protocol::PlainHttp1 { "http" } else { "https" }
}

fn nothing_of_the_claims_is_left(asked: &Recorded, what: &str) {
    let all = format!("{:?}", asked.fields);
    for claim in ["192.0.2.66", "evil.test", "gopher", "x-real-ip", "true-client-ip", "x-forwarded-port"] {
        assert!(!all.contains(claim), "{what}: {claim} in {all}");
    }
}

#[tokio::test]
async fn what_clients_claim_of_themselves_is_replaced() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in ALL {
        assert_eq!(ask(&edge, protocol, request("/passed", &CLAIMS)).await.status, 200);
        let asked = last(&origin, "/passed");
        nothing_of_the_claims_is_left(&asked, protocol.label());
        let client = values(&asked, "x-forwarded-for");
        assert!(client.starts_with("127."), "{client}");
        assert_eq!(values(&asked, "x-forwarded-proto"), scheme(protocol));
        assert_eq!(values(&asked, "x-forwarded-host"), HOST);
        assert_eq!(
            values(&asked, "forwarded"),
            format!("for={client};proto={};host={HOST}", scheme(protocol)),
            "{protocol:?}"
        );
    }
    let entries = edge.access_log(4, |entry| entry["path"] == "/passed").await;
    for entry in entries {
        assert!(entry["client"].as_str().is_some_and(|client| client.starts_with("127.")), "{entry}");
        assert!(entry["connection_peer"].is_null(), "{entry}");
    }
}

#[tokio::test]
async fn fills_name_nobody_and_depend_on_nobody() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in ALL {
        let mut asking = request(&format!("/stored?{protocol:?}"), &CLAIMS);
        for field in ["via", "x-original-url", "x-rewrite-url", "x-http-method-override"] {
            asking = asking.field(field, "1.1 evil.test");
        }
        assert_eq!(ask(&edge, protocol, asking).await.status, 200);
        let asked = last(&origin, "/stored");
        nothing_of_the_claims_is_left(&asked, protocol.label());
        assert_eq!(values(&asked, "x-forwarded-for"), "");
        assert_eq!(values(&asked, "forwarded"), format!("proto={};host={HOST}", scheme(protocol)));
        assert_eq!(values(&asked, "via"), "1.1 tidegate");
    }
}

#[tokio::test]
async fn trusted_proxies_are_believed_up_to_the_first_that_is_not() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).node_yaml(TRUST_LOOPBACK)).await;
    let cases: [(&[&str], &str, &str); 5] = [
        (&["x-forwarded-for: 192.0.2.66, 203.0.113.9"], "203.0.113.9", "for=203.0.113.9"),
        (&["x-forwarded-for: 192.0.2.66, 203.0.113.9, 127.0.0.9"], "203.0.113.9, 127.0.0.9", "for=203.0.113.9"),
        (&["forwarded: for=\"[2001:db8::9]:4711\""], "2001:db8::9", "for=\"[2001:db8::9]\""),
        (&["x-forwarded-for: 192.0.2.66, junk, 127.0.0.9"], "127.0.0.9", "for=127.0.0.9"),
        (&["forwarded: for=192.0.2.66, for=\"unclosed"], "", ""),
    ];
    for (number, (fields, chain, element)) in cases.iter().enumerate() {
        for protocol in ALL {
            let path = format!("/passed?{number}{protocol:?}");
            assert_eq!(ask(&edge, protocol, request(&path, fields)).await.status, 200, "{fields:?}");
            let asked = last(&origin, "/passed");
            let told = values(&asked, "x-forwarded-for");
            assert!(told.starts_with(chain) && told.contains("127."), "{fields:?}: {told}");
            assert!(values(&asked, "forwarded").starts_with(element), "{fields:?}: {asked:?}");
            assert!(!format!("{asked:?}").contains("192.0.2.66"), "{fields:?}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn hits_are_logged_with_the_client_that_a_trusted_proxy_tells_of() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).node_yaml(TRUST_LOOPBACK)).await;
    for protocol in ALL {
        for _ in 0..2 {
            let asking = request("/stored", &["x-forwarded-for: 203.0.113.9"]).field("user-agent", protocol.label());
            assert_eq!(ask(&edge, protocol, asking).await.status, 200);
        }
    }
    let entries = edge.access_log(8, |entry| entry["path"] == "/stored").await;
    assert!(entries.iter().filter(|entry| entry["cache"] == "hit").count() >= 6, "{entries:#?}");
    for entry in entries {
        assert_eq!(entry["client"], "203.0.113.9", "{entry}");
        assert!(entry["connection_peer"].as_str().is_some_and(|peer| peer.starts_with("127.")), "{entry}");
    }
}

#[tokio::test]
async fn scheme_that_a_trusted_proxy_was_asked_in_is_that_of_key_redirect_and_origin() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).node_yaml(TRUST_LOOPBACK);
    config.plaintext = Plaintext::Redirect;
    let edge = Edge::start(&config).await;
    let tls_in_front = ["x-forwarded-proto: https"];
    assert_eq!(ask(&edge, Protocol::PlainHttp1, Request::get("/stored")).await.status, 308);
    assert_eq!(ask(&edge, Protocol::PlainHttp1, request("/stored", &["x-forwarded-proto: http"])).await.status, 308);
    assert_eq!(ask(&edge, Protocol::PlainHttp1, request("/stored", &tls_in_front)).await.status, 200);
    assert_eq!(values(&last(&origin, "/stored"), "x-forwarded-proto"), "https");
    assert_eq!(ask(&edge, Protocol::Http2, Request::get("/stored")).await.status, 200);
    assert_eq!(origin.requests("/stored").len(), 1, "both asked for the same URL");
    ask(&edge, Protocol::Http1, request("/stored", &["x-forwarded-proto: http"])).await;
    assert_eq!(origin.requests("/stored").len(), 2, "this is another URL");
    assert_eq!(values(&last(&origin, "/stored"), "x-forwarded-proto"), "http");
}

#[tokio::test]
async fn host_for_routing_is_the_host_field_whoever_forwards() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).node_yaml(TRUST_LOOPBACK)).await;
    for protocol in ALL {
        let fields = ["x-forwarded-host: nobody.test", "forwarded: for=203.0.113.9;host=nobody.test"];
        assert_eq!(ask(&edge, protocol, request("/passed", &fields)).await.status, 200, "{protocol:?}");
        assert_eq!(values(&last(&origin, "/passed"), "x-forwarded-host"), HOST);
        let misdirected = request("/passed", &[&format!("x-forwarded-host: {HOST}")]).authority("nobody.test");
        assert_eq!(ask(&edge, protocol, misdirected).await.status, 421, "{protocol:?}");
    }
}
