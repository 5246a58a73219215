//! PROXY protocol on a listener.

use std::time::Duration;

use rustls::version::TLS13;
use tidegate_config::model::{Limits, PlaintextMode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::tls::connect_over;
use super::{Server, expect_end, get, limits, receive, within};

/// A client at 203.0.113.7, port 4711, in both versions.
const VERSION_1: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x00\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

const LOOPBACK: &[&str] = &["127.0.0.0/8"];

async fn plaintext(limits: Limits) -> Server {
    Server::proxied(limits, Some(PlaintextMode::Serve), LOOPBACK).await
}

/// Waits until this was observed once: connections are judged in tasks of their own.
async fn observed(server: &Server, what: &str) {
    let seen = async {
        while server.observed.count(what) == 0 {
            tokio::task::yield_now().await;
        }
    };
    within(seen).await;
}

#[tokio::test]
async fn client_that_a_proxy_tells_of_is_the_peer() {
    let server = plaintext(limits()).await;
    let told = "203.0.113.7:4711 via 127.0.0.1";
    let unknown = b"PROXY UNKNOWN\r\n".as_slice();
    for (header, expected) in [(VERSION_1, Some(told)), (VERSION_2, Some(told)), (LOCAL, None), (unknown, None)] {
        let mut client = server.connect().await;
        let own = format!("{} via nobody", client.local_addr().unwrap());
        client.write_all(header).await.unwrap();
        for _ in 0..2 {
            assert_eq!(get(&mut client, "/peer").await.body, expected.unwrap_or(&own));
        }
    }
}

#[tokio::test]
async fn header_may_come_in_pieces_or_with_what_follows() {
    let server = plaintext(limits()).await;
    for header in [VERSION_1, VERSION_2] {
        let mut client = server.connect().await;
        client.set_nodelay(true).unwrap();
        for byte in header {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(get(&mut client, "/peer").await.body, "203.0.113.7:4711 via 127.0.0.1");
        let mut client = server.connect().await;
        let request = b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
        client.write_all(&[header, request, request].concat()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(receive(&mut client).await.unwrap().body, "203.0.113.7:4711 via 127.0.0.1");
        }
    }
}

#[tokio::test]
async fn tls_begins_behind_the_header() {
    let server = Server::proxied(limits(), None, LOOPBACK).await;
    for header in [VERSION_1, VERSION_2] {
        let mut stream = server.connect().await;
        stream.write_all(header).await.unwrap();
        let mut client = connect_over(stream, &server, &[&TLS13], &["http/1.1"]).await;
        assert_eq!(get(&mut client, "/peer").await.body, "203.0.113.7:4711 via 127.0.0.1");
    }
    assert_eq!(server.observed.count("Completed"), 2);
}

async fn is_closed(server: &Server, bytes: &[u8], reason: &str) {
    let mut client = server.connect().await;
    client.write_all(bytes).await.unwrap();
    expect_end(&mut client).await;
    observed(server, reason).await;
    assert_eq!(server.observed.count(reason), 1, "{reason}");
    assert_eq!(server.observed.count("opened h1"), 0, "nothing was served");
}

#[tokio::test]
async fn connection_without_a_good_header_is_closed_and_counted() {
    let server = plaintext(limits()).await;
    is_closed(&server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "missing").await;
    is_closed(&server, b"PROXY TCP4 203.0.113.7\r\nGET / HTTP/1.1\r\n\r\n", "malformed").await;
}

#[tokio::test]
async fn client_that_leaves_before_its_header_is_counted() {
    let server = plaintext(limits()).await;
    for begun in [b"".as_slice(), b"PROXY TCP4 "] {
        let mut client = server.connect().await;
        client.write_all(begun).await.unwrap();
        client.shutdown().await.unwrap();
        expect_end(&mut client).await;
    }
    assert_eq!(server.observed.count("closed"), 2);
}

#[tokio::test]
async fn header_that_does_not_come_in_time_ends_the_connection() {
    let mut limits = limits();
    limits.handshake_timeout = Duration::from_millis(50);
    let server = plaintext(limits).await;
    let mut client = server.connect().await;
    client.write_all(b"PROXY").await.unwrap();
    expect_end(&mut client).await;
    assert_eq!(server.observed.count("timed_out"), 1);
}

#[tokio::test]
async fn nobody_else_may_tell_of_clients() {
    let server = Server::proxied(limits(), Some(PlaintextMode::Serve), &["192.0.2.0/24"]).await;
    let mut client = server.connect().await;
    // The connection may be reset already.
    let _sent = client.write_all(VERSION_1).await;
    expect_end(&mut client).await;
    assert_eq!(server.observed.count("untrusted"), 1);
}

#[tokio::test]
async fn header_on_a_listener_without_proxy_protocol_is_never_believed() {
    let server = Server::plaintext(limits()).await;
    for header in [VERSION_1, VERSION_2] {
        let mut client = server.connect().await;
        client.write_all(&[header, b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).await.unwrap();
        let answer = receive(&mut client).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status() == "400"), "{answer:?}");
    }
}

#[tokio::test]
async fn connections_are_counted_for_the_client_that_was_told() {
    let mut limits = limits();
    limits.connections_per_address = Some(1);
    let server = plaintext(limits).await;
    let connect = async |address: &str| -> TcpStream {
        let mut client = server.connect().await;
        client.write_all(format!("PROXY TCP4 {address} 127.0.0.1 4711 80\r\n").as_bytes()).await.unwrap();
        client
    };
    let mut first = connect("203.0.113.7").await;
    assert_eq!(get(&mut first, "/").await.status(), "200");
    let mut other = connect("203.0.113.8").await;
    assert_eq!(get(&mut other, "/").await.status(), "200", "another client behind the same proxy");
    let mut second = connect("203.0.113.7").await;
    expect_end(&mut second).await;
    assert_eq!(server.observed.count("ConnectionsPerAddress"), 1);
    drop(first);
    observed(&server, "closed h1").await;
    let mut again = connect("203.0.113.7").await;
    assert_eq!(get(&mut again, "/").await.status(), "200", "the first has left");
}
