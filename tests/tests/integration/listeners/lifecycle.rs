//! Drain, undrain and stop.

use std::time::Duration;

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{edge_and_origin, edge_with};

const READY: &str = "/.well-known/tidegate/ready";
const LIVE: &str = "/.well-known/tidegate/live";
const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

async fn status(edge: &Edge, protocol: Protocol, path: &str) -> u16 {
    within("an answer", edge.client(protocol).await.get(path)).await.unwrap().status
}

#[tokio::test]
async fn drain_fails_readiness_at_once_while_new_connections_are_served() {
    let (edge, _origin) = edge_and_origin().await;
    assert_eq!(edge.admin("POST", "/drain").await.status, 200);
    for protocol in ALL {
        let response = within("an answer", edge.client(protocol).await.get(READY)).await.unwrap();
        assert_eq!(response.status, 503, "{protocol:?}");
        let verdict: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert!(verdict.to_string().contains("drain"), "the reason is told: {verdict}");
        assert_eq!(status(&edge, protocol, LIVE).await, 200, "{protocol:?}");
        assert_eq!(status(&edge, protocol, "/a").await, 200, "{protocol:?}");
    }
    assert_eq!(edge.admin("POST", "/undrain").await.status, 200);
    for protocol in ALL {
        assert_eq!(status(&edge, protocol, READY).await, 200, "{protocol:?}");
    }
}

#[tokio::test]
async fn drain_without_a_phase_keeps_connections() {
    let (edge, _origin) = edge_and_origin().await;
    let client = edge.client(Protocol::Http2).await;
    assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
    assert_eq!(edge.admin("POST", "/drain").await.status, 200);
    let response = within("an answer", edge.client(Protocol::Http1).await.get("/a")).await.unwrap();
    assert_eq!(response.field("connection").filter(|value| value.contains("close")), None);
    assert_eq!(within("an answer on the old connection", client.get("/a")).await.unwrap().status, 200);
}

/// A response in flight: its head and first half are here, the origin waits at the gate `middle`.
async fn in_flight(edge: &Edge, origin: &Origin, protocol: Protocol) -> (Client, tidegate_tests::client::Streaming) {
    let path = format!("/{protocol:?}");
    origin.on(&path, Script::cacheable(200_000).pausing_after(100_000, "middle"));
    let client = edge.client(protocol).await;
    let mut reading = within("a head", client.open(Request::get(&path))).await.unwrap();
    reading.read_at_least(100_000).await.unwrap();
    (client, reading)
}

#[tokio::test]
async fn drain_of_connections_closes_them_after_the_requests_in_flight() {
    let (edge, origin) = edge_and_origin().await;
    let mut idle = edge.raw(Protocol::Http1).await;
    let request = Request::get("/a").authority("media.tidegate.test");
    assert_eq!(within("an answer", idle.request(&request)).await.unwrap().status, 200);
    let mut running = Vec::new();
    for protocol in ALL {
        running.push(in_flight(&edge, &origin, protocol).await);
    }
    assert_eq!(edge.admin("POST", "/drain?phase=connections").await.status, 200);
    let response = within("an answer while draining", edge.client(Protocol::Http1).await.get("/a")).await.unwrap();
    assert_eq!(response.status, 200, "new connections are still served");
    assert_eq!(response.field("connection"), Some("close"));
    origin.gate("middle").open();
    for (client, reading) in running {
        let what = format!("{:?}", client.protocol());
        let response = within(&what, reading.finish()).await.unwrap();
        crate::assert_whole(&response, 200_000, &what);
        within(&format!("the end of the connection, {what}"), client.closed()).await;
    }
    within("the end of an idle connection", idle.closed()).await.unwrap();
    assert_eq!(edge.admin("POST", "/undrain").await.status, 200);
    for protocol in ALL {
        assert_eq!(status(&edge, protocol, READY).await, 200, "{protocol:?}");
        assert_eq!(status(&edge, protocol, "/a").await, 200, "{protocol:?}");
    }
}

#[tokio::test]
async fn stop_cuts_no_request_in_flight_and_accepts_none_any_more() {
    let (mut edge, origin) = edge_and_origin().await;
    let mut running = Vec::new();
    for protocol in ALL {
        running.push(in_flight(&edge, &origin, protocol).await);
    }
    edge.sigterm();
    let refusing = async {
        // The listeners close a moment after the signal; there is no event to wait for but their refusal.
        while Client::connect(Protocol::Http2, edge.target(Protocol::Http2)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("new connections to be refused", refusing).await;
    origin.gate("middle").open();
    for (client, reading) in running {
        let what = format!("{:?}", client.protocol());
        crate::assert_whole(&within(&what, reading.finish()).await.unwrap(), 200_000, &what);
    }
    let status = edge.wait_exit(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn stop_does_not_wait_beyond_the_grace() {
    let (mut edge, origin) = edge_with(|config| config.node.push("grace: 1s".to_owned())).await;
    let running = in_flight(&edge, &origin, Protocol::Http2).await;
    edge.sigterm();
    edge.wait_exit(Duration::from_secs(8)).await;
    drop(running);
}

#[tokio::test]
async fn idle_edge_stops_at_once() {
    let (mut edge, _origin) = edge_and_origin().await;
    let mut idle = Vec::new();
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        assert_eq!(within("an answer", client.get("/a")).await.unwrap().status, 200);
        idle.push(client);
    }
    edge.sigterm();
    // The default grace is 30 s, which idle connections must not use up.
    let status = edge.wait_exit(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn operators_listener_refuses_pages_and_foreign_hosts() {
    let (edge, _origin) = edge_and_origin().await;
    let address = edge.admin_address();
    let target =
        tidegate_tests::client::Target { address, authority: address.to_string(), ..edge.target(Protocol::PlainHttp1) };
    let client = Client::connect(Protocol::PlainHttp1, target).await.unwrap();
    let refused = [
        Request::new("POST", "/drain").field("origin", "http://evil.test"),
        Request::new("POST", "/drain").authority("evil.test"),
    ];
    for request in refused {
        let response = within("an answer", client.request(request.clone())).await.unwrap();
        assert_eq!(response.status, 403, "{request:?}");
    }
    assert_eq!(status(&edge, Protocol::Http1, READY).await, 200, "nothing was drained");
    assert_eq!(edge.admin("GET", "/drain").await.status, 405);
    assert_eq!(edge.admin("GET", "/nothing").await.status, 404);
}
