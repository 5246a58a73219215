//! Which origin is asked, and how: regions, failures, TLS and HTTP/2, the Host field, an edge behind an edge.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tidegate_tests::client::{Protocol, Request, ServerIdentity, Target};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, OriginEntry};
use tidegate_tests::origin::{Body, Origin, Script, Step};
use tidegate_tests::within;

use crate::assert_whole;

/// A URL where nobody listens.
fn nobody() -> String {
    let address = tidegate_tests::address::loopback();
    format!("http://{}", SocketAddr::new(address, tidegate_tests::address::free_port(address)))
}

async fn edge_to(origins: Vec<OriginEntry>) -> Edge {
    let mut config = EdgeConfig::to_url("http://127.0.0.1:1");
    config.origins = origins;
    Edge::start(&config).await
}

#[tokio::test]
async fn origin_of_the_own_region_is_preferred() {
    let (near, far) = (Origin::start().await, Origin::start().await);
    for number in 0..10 {
        near.on(&format!("/{number}"), Script::cacheable(1000));
    }
    let edge = edge_to(vec![OriginEntry::new("us", &far.url()), OriginEntry::new("eu", &near.url())]).await;
    let client = edge.client(Protocol::Http2).await;
    for number in 0..10 {
        let path = format!("/{number}");
        assert_whole(&within("an answer", client.get(&path)).await.unwrap(), 1000, &path);
        assert!(far.requests(&path).is_empty());
    }
}

#[tokio::test]
async fn other_origin_takes_over_when_one_refuses_connections() {
    let other = Origin::start().await;
    other.on("/stored", Script::cacheable(1000));
    other.on("/echo", Script::status(200).body(Body::Echo));
    for region in ["eu", "us"] {
        let edge = edge_to(vec![OriginEntry::new("eu", &nobody()), OriginEntry::new(region, &other.url())]).await;
        for protocol in Protocol::SECURE {
            let client = edge.client(protocol).await;
            let target = format!("/stored?{region}{protocol:?}");
            assert_whole(&within("a stored answer", client.get(&target)).await.unwrap(), 1000, &target);
            let posted = Request::new("POST", "/echo").body("nothing was sent before");
            let answer = within("a passed answer", client.request(posted)).await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "nothing was sent before"), "{target}");
        }
    }
}

#[tokio::test]
async fn edge_without_a_living_origin_answers_502_and_recovers() {
    let address = tidegate_tests::address::loopback();
    let port = tidegate_tests::address::free_port(address);
    let edge = edge_to(vec![OriginEntry::new("eu", &format!("http://{}", SocketAddr::new(address, port)))]).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let answer = within("an answer", client.get("/a")).await.unwrap();
        assert!((502..=504).contains(&answer.status), "{protocol:?} {}", answer.status);
        assert!(answer.field("x-request-id").is_some(), "{protocol:?}");
    }
    let origin = Origin::listen(address, port).await;
    origin.on("/a", Script::cacheable(1000));
    let recovered = async {
        // Nothing tells that an origin is back but an answer.
        let client = edge.client(Protocol::Http1).await;
        while client.get("/a").await.unwrap().status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within("the origin to be asked again", recovered).await;
}

#[tokio::test]
async fn silent_origin_ends_in_504_after_the_read_timeout() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000).before(Step::Hang));
    let mut config = EdgeConfig::to(&origin);
    config.timeouts = vec!["read: 500ms".to_owned()];
    config.pool = vec!["attempts: 1".to_owned()];
    let edge = Edge::start(&config).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let fetched = within("an answer", client.get(&format!("/a?{protocol:?}"))).await.unwrap();
        assert_eq!(fetched.status, 504, "{protocol:?} through the cache");
        let posted = within("an answer", client.request(Request::new("POST", "/a").body("x"))).await.unwrap();
        assert_eq!(posted.status, 504, "{protocol:?} passed");
    }
}

#[tokio::test]
async fn request_that_may_have_had_effects_is_not_sent_twice() {
    let (first, second) = (Origin::start().await, Origin::start().await);
    first.on("/a", Script::status(200).before(Step::Close));
    second.on("/a", Script::status(200).text("again"));
    let edge = edge_to(vec![OriginEntry::new("eu", &first.url()), OriginEntry::new("us", &second.url())]).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let posted = within("an answer", client.request(Request::new("POST", "/a").body("order"))).await.unwrap();
        assert_eq!(posted.status, 502, "{protocol:?}");
    }
    assert_eq!((first.requests("/a").len(), second.requests("/a").len()), (3, 0));
}

#[tokio::test]
async fn host_field_follows_the_pools_policy() {
    let origin = Origin::start().await;
    let own = origin.address().to_string();
    for (policy, expected) in [("client", HOST), ("origin", own.as_str()), ("{fixed: storage.test}", "storage.test")] {
        origin.on("/a", Script::cacheable(10));
        let mut config = EdgeConfig::to(&origin);
        config.pool = vec![format!("host: {policy}")];
        let edge = Edge::start(&config).await;
        let client = edge.client(Protocol::Http3).await;
        within("a fetched answer", client.get("/a")).await.unwrap();
        within("a passed answer", client.request(Request::new("POST", "/a"))).await.unwrap();
        let asked = origin.requests("/a");
        let hosts: Vec<_> = asked.iter().rev().take(2).map(|request| request.host()).collect();
        assert_eq!(hosts, [expected, expected], "{policy}");
    }
}

/// The outer edge speaks TLS to the inner one, which stands before the origin.
async fn edge_behind_edge(version: &str) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(2_000_000).field("age", "5"));
    origin.on("/cut", Script::cacheable(400_000).then(Step::Send(200_000)).then(Step::Close));
    origin.on("/echo", Script::status(200).body(Body::Echo));
    let inner = Edge::start(&EdgeConfig { name: "eu-a-2".to_owned(), ..EdgeConfig::to(&origin) }).await;
    let place = inner.place();
    let url = format!("https://{}", SocketAddr::new(place.address, place.https));
    let mut entry = OriginEntry::new("eu", &url);
    entry.lines = vec![
        format!("http_version: {version}"),
        format!("tls: {{server_name: {HOST}, ca_file: \"{}\"}}", inner.authority_file().display()),
    ];
    let outer = edge_to(vec![entry]).await;
    for protocol in Protocol::SECURE {
        let client = outer.client(protocol).await;
        let answer = within("an answer", client.get("/a")).await.unwrap();
        assert_whole(&answer, 2_000_000, "through two edges");
        let age: u64 = answer.field("age").unwrap_or_default().parse().unwrap();
        assert!(age >= 5, "the origin's age counts: {age}");
        let told: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "cache-status").collect();
        let members: usize = told.iter().map(|(_, value)| value.split(',').count()).sum();
        assert_eq!(members, 2, "one member of Cache-Status for each cache: {told:?}");
        let body = tidegate_tests::pattern::Pattern::new(3).bytes(0, 1_000_000);
        let posted = within("an echo", client.request(Request::new("POST", "/echo").body(body.clone()))).await.unwrap();
        assert!(posted.status == 200 && posted.body == body);
        if let Ok(cut) = within("a cut body", client.get("/cut")).await {
            assert!(cut.status >= 500 || cut.end != tidegate_tests::client::End::Clean, "a cut body ended cleanly");
        }
    }
    assert_eq!(origin.requests("/a").len(), 1);
    assert!(origin.requests("/a")[0].field("via").is_none_or(|via| !via.is_empty()));
}

#[tokio::test]
async fn edge_behind_an_edge_over_tls_and_http1() {
    edge_behind_edge("1").await;
}

#[tokio::test]
async fn edge_behind_an_edge_over_tls_and_http2() {
    edge_behind_edge("2").await;
}

#[tokio::test]
async fn origin_with_a_certificate_of_an_unknown_authority_is_not_believed() {
    let origin = Origin::start().await;
    let inner = Edge::start(&EdgeConfig::to(&origin)).await;
    let place = inner.place();
    let url = format!("https://{}", SocketAddr::new(place.address, place.https));
    let edge = edge_to(vec![OriginEntry::new("eu", &url)]).await;
    let answer = within("an answer", edge.client(Protocol::Http2).await.get("/a")).await.unwrap();
    assert_eq!(answer.status, 502);
    assert!(origin.requests("/a").is_empty());
}

#[tokio::test]
async fn listeners_serve_ipv6_as_well() {
    let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let port = tidegate_tests::address::free_port(address);
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000));
    let mut config = EdgeConfig::to(&origin);
    config.ipv6 = Some(port);
    let edge = Edge::start(&config).await;
    for protocol in Protocol::SECURE {
        let target = Target {
            address: SocketAddr::new(address, port),
            identity: ServerIdentity::Name(HOST.to_owned()),
            ..edge.target(protocol)
        };
        let client = within("a connection", tidegate_tests::client::Client::connect(protocol, target)).await.unwrap();
        assert_whole(&within("an answer", client.get("/a")).await.unwrap(), 1000, &format!("{protocol:?}"));
    }
}
