//! Origins behind names.

use std::net::IpAddr;

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::dns::{Answer, DnsServer};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

const NAME: &str = "media.origin.test";

async fn edge_asking(dns: &DnsServer, entry: OriginEntry) -> Edge {
    let config = EdgeConfig::with_origins(vec![entry]).node_yaml(&format!("resolvers: [\"{}\"]", dns.address()));
    Edge::start(&config).await
}

/// An origin and one more loopback address where nobody listens on its port.
async fn origin_and_nobody() -> (Origin, IpAddr) {
    let origin = Origin::start().await;
    origin.on("/a", Script::status(200).text("here"));
    (origin, tidegate_tests::address::loopback())
}

async fn posted(client: &Client) -> u16 {
    within("an answer", client.request(Request::new("POST", "/a").body("x"))).await.unwrap().status
}

#[tokio::test]
async fn an_address_that_refuses_costs_no_request_while_another_answers() {
    let (origin, nobody) = origin_and_nobody().await;
    let dns = DnsServer::start().await;
    dns.say(NAME, Answer::Addresses(vec![nobody, origin.address().ip()], 60));
    let url = format!("http://{NAME}:{}", origin.address().port());
    let edge = edge_asking(&dns, OriginEntry::new("eu", &url).named("named")).await;
    let client = edge.client(Protocol::Http2).await;
    for number in 0..20 {
        assert_eq!(posted(&client).await, 200, "request {number}");
    }
    assert_eq!(origin.requests("/a").len(), 20);
}

#[tokio::test]
async fn traffic_follows_the_records_and_outlives_the_dns_server() {
    let (first, _) = origin_and_nobody().await;
    let second = Origin::listen(tidegate_tests::address::loopback(), first.address().port()).await;
    second.on("/a", Script::status(200).text("there"));
    let dns = DnsServer::start().await;
    dns.say(NAME, Answer::Addresses(vec![first.address().ip()], 1));
    let url = format!("http://{NAME}:{}", first.address().port());
    let edge = edge_asking(&dns, OriginEntry::new("eu", &url).named("named")).await;
    let client = edge.client(Protocol::Http1).await;
    assert_eq!(posted(&client).await, 200);
    assert_eq!((first.requests("/a").len(), second.requests("/a").len()), (1, 0));
    dns.say(NAME, Answer::Addresses(vec![second.address().ip()], 1));
    let moved = async {
        while second.requests("/a").is_empty() {
            assert_eq!(posted(&client).await, 200);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("requests at the new address", moved).await;

    dns.say(NAME, Answer::Error(2));
    let stale = async {
        while edge.metric("tidegate_dns_stale_answers_total", &[]).await < 1.0 {
            assert_eq!(posted(&client).await, 200, "DNS fails, the origin does not");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("a stale answer to be used", stale).await;
    dns.say(NAME, Answer::Silence);
    assert_eq!(posted(&client).await, 200, "DNS is silent, the origin is not");
    edge.stderr_with("could not be resolved").await;
}

#[tokio::test]
async fn services_say_hosts_and_ports() {
    let (origin, _) = origin_and_nobody().await;
    let dns = DnsServer::start().await;
    let port = origin.address().port();
    dns.say("_http._tcp.origin.test", Answer::Services(vec![(port, "a.origin.test".to_owned())], 60));
    dns.say("a.origin.test", Answer::Addresses(vec![origin.address().ip()], 60));
    let entry = OriginEntry::new("eu", "http://_http._tcp.origin.test").named("services").yaml("discovery: srv");
    let edge = edge_asking(&dns, entry).await;
    assert_eq!(posted(&edge.client(Protocol::Http3).await).await, 200);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_bad_gateway() {
    let dns = DnsServer::start().await;
    let edge = edge_asking(&dns, OriginEntry::new("eu", "http://nowhere.origin.test").named("nowhere")).await;
    assert_eq!(posted(&edge.client(Protocol::Http2).await).await, 502);
}
