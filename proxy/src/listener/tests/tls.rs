//! TLS on a listener.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{HOST, Server, expect_end, get, limits, root_of, send, within};

/// Connects with these versions and ALPN protocols.
pub(super) async fn connect(
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> TlsStream<TcpStream> {
    connect_over(server.connect().await, server, versions, alpn).await
}

/// Makes the handshake over this connection.
pub(super) async fn connect_over(
    stream: TcpStream,
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root_of(server.ca.as_ref().unwrap())).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config =
        builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(HOST).unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

#[tokio::test]
async fn both_versions_are_served_and_known_to_the_request() {
    let server = Server::tls(limits()).await;
    for (version, text) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        for alpn in [&["http/1.1"][..], &[]] {
            let mut client = connect(&server, &[version], alpn).await;
            for _ in 0..3 {
                assert_eq!(get(&mut client, "/").await.body, format!("h1 {text} {HOST} / 0"));
            }
            assert_eq!(get(&mut client, "/large").await.body.len(), 1 << 20);
        }
    }
    assert_eq!(server.observed.count("Completed"), 4);
}

#[tokio::test]
async fn key_exchange_is_post_quantum() {
    let server = Server::tls(limits()).await;
    let client = connect(&server, &[&TLS13], &["h2"]).await;
    let group = client.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_harms_nobody() {
    let server = Server::tls(limits()).await;
    let mut good = connect(&server, &[&TLS13], &["http/1.1"]).await;
    for garbage in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "\0\0\0\0\0\0\0\0\0\0\0\0"]
    {
        let mut bad = server.connect().await;
        send(&mut bad, garbage).await;
        let mut alert = Vec::new();
        // An alert may come first, and the reset may overtake it.
        drop(within(tokio::io::AsyncReadExt::read_to_end(&mut bad, &mut alert)).await);
        assert!(alert.len() < 16, "{alert:?}");
    }
    assert_eq!(server.observed.count("Failed"), 3);
    assert_eq!(get(&mut good, "/").await.status(), "200");
}

#[tokio::test]
async fn handshake_that_takes_too_long_is_given_up() {
    let mut limits = limits();
    limits.handshake_timeout = Duration::from_millis(100);
    let server = Server::tls(limits).await;
    let mut silent = server.connect().await;
    expect_end(&mut silent).await;
    assert_eq!(server.observed.count("TimedOut"), 1);
}
