//! TLS versions, Alt-Svc, redirects from plaintext, and hosts that no site has.

use tidegate_tests::client::{Client, Protocol, RawConnection, Request, Target, TlsVersions};
use tidegate_tests::edge::{HOST, Plaintext};
use tidegate_tests::within;

use super::{edge_and_origin, edge_with};

#[tokio::test]
async fn every_https_response_names_http3() {
    let (edge, _origin) = edge_and_origin().await;
    let requests = [
        Request::get("/a"),
        Request::get("/a"),
        Request::new("HEAD", "/a"),
        Request::new("POST", "/a").body("x"),
        Request::get("/a").field("range", "bytes=0-1"),
        Request::get("/missing"),
        Request::get("/a").authority("nobody.test"),
        Request::get("/.well-known/tidegate/ready"),
        Request::get("/.well-known/tidegate/live"),
    ];
    let expected = format!("h3=\":{}\"", edge.place().https);
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        for request in &requests {
            let response = within("an answer", client.request(request.clone())).await.unwrap();
            let named = response.field("alt-svc").unwrap_or("none");
            assert!(named.contains(&expected), "{protocol:?} {request:?}: {} alt-svc {named}", response.status);
        }
    }
    let plain = within("an answer", edge.client(Protocol::PlainHttp1).await.get("/a")).await.unwrap();
    assert_eq!(plain.field("alt-svc"), None, "plaintext does not promise HTTP/3");
}

#[tokio::test]
async fn plaintext_redirects_to_https_keeping_path_query_and_method() {
    let (edge, origin) = edge_with(|config| config.plaintext = Plaintext::Redirect).await;
    let client = edge.client(Protocol::PlainHttp1).await;
    let port = edge.place().https;
    for method in ["GET", "HEAD", "POST"] {
        let response = within("a redirect", client.request(Request::new(method, "/a%20b/c?d=1&e"))).await.unwrap();
        assert_eq!(response.status, 308, "{method}");
        assert_eq!(response.field("location"), Some(format!("https://{HOST}:{port}/a%20b/c?d=1&e").as_str()));
    }
    let unknown = within("an answer", client.request(Request::get("/a").authority("nobody.test"))).await.unwrap();
    assert_eq!(unknown.status, 421, "no redirect to a host that is not ours");
    assert_eq!(within("health", client.get("/.well-known/tidegate/ready")).await.unwrap().status, 200);
    assert_eq!(origin.requests("/a%20b/c").len(), 0);
}

#[tokio::test]
async fn host_of_no_site_is_misdirected() {
    let (edge, origin) = edge_and_origin().await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for host in ["nobody.test", "tidegate.test", "media.tidegate.test.evil.test", "127.0.0.1"] {
            let response = within("an answer", client.request(Request::get("/a").authority(host))).await.unwrap();
            assert_eq!(response.status, 421, "{protocol:?} {host}");
        }
        let below = Request::get("/a").authority(&format!("one.{HOST}"));
        assert_eq!(within("an answer", client.request(below)).await.unwrap().status, 200, "{protocol:?}");
    }
    assert!(origin.requests("/a").iter().all(|request| request.host().ends_with(HOST)));
}

#[tokio::test]
async fn tls_1_2_is_served_with_http1_and_http2() {
    let (edge, _origin) = edge_and_origin().await;
    let old = |protocol| Target { versions: TlsVersions::Only12, ..edge.target(protocol) };
    let mut raw = within("a handshake", RawConnection::open(&old(Protocol::Http1), true)).await.unwrap();
    assert_eq!(raw.tls_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    let request = Request::get("/a").authority(HOST);
    assert_eq!(within("an answer", raw.request(&request)).await.unwrap().status, 200);
    let client = within("a handshake", Client::connect(Protocol::Http2, old(Protocol::Http2))).await.unwrap();
    assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
}

#[tokio::test]
async fn tls_1_3_is_chosen_when_offered() {
    let (edge, _origin) = edge_and_origin().await;
    let raw = edge.raw(Protocol::Http1).await;
    assert_eq!(raw.tls_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn post_quantum_key_exchange_is_negotiated() {
    let (edge, _origin) = edge_and_origin().await;
    let raw = edge.raw(Protocol::Http1).await;
    assert_eq!(raw.key_exchange(), Some(rustls::NamedGroup::X25519MLKEM768));
}
