//! Connections: limits, draining, stopping, and configuration that changes under them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clients::{Client, connect_quic, receive, request};
use super::harness::{identity, limits, listen, within};
use crate::listener::{HandshakeOutcome, ListenerState, Refusal};

/// Asks until the client has seen GOAWAY; what is served before that must be served well.
async fn ask_until_goaway(client: &Client) {
    within("GOAWAY", async {
        while let Ok(answer) = client.get("/").await {
            assert_eq!(answer.body, b"hello");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_goaway_while_requests_in_flight_finish() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut gated = client.send(request("GET", "/gate"), &[]).await.unwrap();
    listening.application.wait_for_entered(1).await;
    listening.drain.send_replace(true);
    ask_until_goaway(&client).await;
    listening.application.gate.add_permits(1);
    assert_eq!(within("the answer", receive(&mut gated)).await.unwrap().body, b"late");
    let end = within("the end of the connection", client.driver).await.unwrap();
    assert!(end.is_h3_no_error(), "{end:?}");
}

#[tokio::test]
async fn new_connections_are_served_during_a_drain() {
    let listening = listen("");
    listening.drain.send_replace(true);
    for _ in 0..2 {
        let client = Client::connect(&listening).await;
        assert_eq!(client.get("/").await.unwrap().body, b"hello");
        within("the end of the connection", client.driver).await.unwrap();
    }
    listening.drain.send_replace(false);
    let client = Client::connect(&listening).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.unwrap().body, b"hello");
    }
}

#[tokio::test]
async fn a_stop_waits_for_requests_in_flight() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut gated = client.send(request("GET", "/gate"), &[]).await.unwrap();
    listening.application.wait_for_entered(1).await;
    listening.stop.send_replace(true);
    ask_until_goaway(&client).await;
    connect_quic(&listening, &listening.certificate).await.unwrap_err();
    assert!(!listening.serving.is_finished());
    listening.application.gate.add_permits(1);
    assert_eq!(within("the answer", receive(&mut gated)).await.unwrap().body, b"late");
    within("the end of the listener", listening.serving).await.unwrap().unwrap();
    assert_eq!(listening.observed.opened.load(Ordering::SeqCst), 1);
    assert_eq!(listening.observed.closed.load(Ordering::SeqCst), 1);
    assert_eq!(*listening.observed.handshakes.lock(), [HandshakeOutcome::Completed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_response_in_flight_survives_a_stop() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut large = client.send(request("GET", "/large"), &[]).await.unwrap();
    within("the head", large.recv_response()).await.unwrap();
    listening.stop.send_replace(true);
    let mut received = 0;
    let all = async {
        while let Some(piece) = large.recv_data().await.unwrap() {
            received += bytes::Buf::remaining(&piece);
        }
    };
    within("the response", all).await;
    assert_eq!(received, super::application::PIECE * super::application::PIECES);
    within("the end of the listener", listening.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_ends_after_its_number_of_requests() {
    let listening = listen("requests_per_connection: 2");
    let client = Client::connect(&listening).await;
    assert_eq!(client.get("/").await.unwrap().body, b"hello");
    assert_eq!(client.get("/").await.unwrap().body, b"hello");
    let end = within("the end of the connection", client.driver).await.unwrap();
    assert!(end.is_h3_no_error(), "{end:?}");
}

#[tokio::test]
async fn idle_and_old_connections_end() {
    for changes in ["idle_timeout: 1s", "connection_lifetime: 1s"] {
        let listening = listen(changes);
        let client = Client::connect(&listening).await;
        assert_eq!(client.get("/").await.unwrap().body, b"hello");
        within(changes, client.driver).await.unwrap();
    }
}

#[tokio::test]
async fn connections_beyond_the_limits_are_refused() {
    for (changes, refusal) in [
        ("connections: 1, connections_per_address: null", Refusal::Connections),
        ("connections_per_address: 1", Refusal::ConnectionsPerAddress),
    ] {
        let listening = listen(changes);
        let first = Client::connect(&listening).await;
        connect_quic(&listening, &listening.certificate).await.unwrap_err();
        assert_eq!(*listening.observed.refused.lock(), [refusal], "{changes}");
        assert_eq!(first.get("/").await.unwrap().body, b"hello");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections() {
    let listening = listen("");
    let old = Client::connect(&listening).await;
    let (certificate, tls) = identity();
    listening.state.store(Arc::new(ListenerState { limits: limits(""), tls: None, quic_tls: Some(tls) }));
    connect_quic(&listening, &listening.certificate).await.unwrap_err();
    connect_quic(&listening, &certificate).await.unwrap();
    assert_eq!(old.get("/").await.unwrap().body, b"hello");
}
