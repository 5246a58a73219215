//! Origins that are told the client by the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::within;

use super::connection_origin::{Asked, ConnectionOrigin, Preface};

async fn edge_to(origin: &ConnectionOrigin, version: &str) -> Edge {
    let entry = OriginEntry::new("eu", &format!("http://{}", origin.address));
    let entry = entry.yaml(&format!("proxy_protocol: {version}"));
    Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml("health: {probe: off}")).await
}

async fn pass(client: &Client, target: &str) {
    assert_eq!(within("an answer", client.request(Request::new("DELETE", target))).await.unwrap().status, 200);
}

fn of<'a>(asked: &'a [Asked], target: &str) -> &'a Asked {
    asked.iter().find(|asked| asked.target == target).unwrap()
}

#[tokio::test]
async fn version_1_tells_the_client_and_no_connection_serves_two() {
    let origin = ConnectionOrigin::start(Preface::Line, None).await;
    let edge = edge_to(&origin, "v1").await;
    let (one, other) = (edge.client(Protocol::Http2).await, edge.client(Protocol::Http2).await);
    for (client, target) in [(&one, "/one"), (&other, "/other"), (&one, "/one-again")] {
        pass(client, target).await;
    }
    assert_eq!(within("a fill", one.get("/fill")).await.unwrap().status, 200);
    let asked = origin.asked();
    assert_eq!(of(&asked, "/one").connection, of(&asked, "/one-again").connection, "kept alive for its client");
    assert_ne!(of(&asked, "/one").connection, of(&asked, "/other").connection);
    assert_ne!(of(&asked, "/one").preface, of(&asked, "/other").preface);
    let told = String::from_utf8(of(&asked, "/one").preface.clone()).unwrap();
    let parts: Vec<&str> = told.trim_end().split(' ').collect();
    let place = edge.place();
    assert_eq!(parts[..2], ["PROXY", "TCP4"], "{told}");
    assert!(parts[2].parse::<IpAddr>().unwrap().is_loopback());
    assert_eq!((parts[3], parts[5]), (place.address.to_string().as_str(), place.https.to_string().as_str()));
    assert_eq!(of(&asked, "/fill").preface, b"PROXY UNKNOWN\r\n", "the cache asks for itself");
}

#[tokio::test]
async fn version_2_tells_the_client() {
    let origin = ConnectionOrigin::start(Preface::Binary, None).await;
    let edge = edge_to(&origin, "v2").await;
    let client = edge.client(Protocol::Http3).await;
    pass(&client, "/one").await;
    assert_eq!(within("a fill", client.get("/fill")).await.unwrap().status, 200);
    let asked = origin.asked();
    let told = &of(&asked, "/one").preface;
    assert_eq!(told[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    let destination =
        SocketAddr::from(([told[20], told[21], told[22], told[23]], u16::from_be_bytes([told[26], told[27]])));
    assert_eq!(destination, SocketAddr::new(edge.place().address, edge.place().https));
    assert_eq!(of(&asked, "/fill").preface, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
}

#[tokio::test]
async fn without_it_connections_are_kept_and_shared() {
    let origin = ConnectionOrigin::start(Preface::None, None).await;
    let entry = OriginEntry::new("eu", &format!("http://{}/prefix", origin.address));
    let edge = Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml("health: {probe: off}")).await;
    for _ in 0..10 {
        pass(&edge.client(Protocol::Http2).await, "/a//b%2Fc?q=/x&y").await;
    }
    let asked = origin.asked();
    assert!(asked.iter().all(|asked| asked.target == "/prefix/a//b%2Fc?q=/x&y"), "{asked:?}");
    let last = asked.iter().map(|asked| asked.connection).max();
    assert!(asked.len() == 10 && last < Some(9), "every request had a connection of its own: {asked:?}");
}
