//! TLS on one TCP connection: the handshake, and the choice of protocol that comes out of it.
//!
//! Owns the handshake time-out and what is remembered of a handshake. Certificates, versions and ALPN protocols are in
//! the rustls configuration, which `tidegate-certs` builds.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use pingora_core::protocols::ALPN;
use pingora_core::protocols::tls::SslDigest;
use rustls::{ProtocolVersion, ServerConnection};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::client_stream::{ClientStream, StreamIdentity};
use super::connection::Ending;
use super::gathering::Gathering;
use super::ready_response::Application;
use super::response_date::ResponseDate;
use super::stalling_socket::StallingSocket;
use super::tcp::{Accepted, ListenerContext, OpenConnection};
use super::{CONNECTION, ConnectionInfo, HandshakeOutcome, Protocol, TlsInfo, http1, http2};

/// ALPN name of HTTP/2 over TLS (RFC 9113 section 3.2).
const HTTP2: &[u8] = b"h2";

pub(super) async fn serve<A>(context: &ListenerContext<A>, accepted: Accepted)
where
    A: Application,
{
    let Accepted { socket, peer, via, local, limits, closing } = accepted;
    let Some(config) = context.state.load().tls.clone() else { return };
    let descriptor = socket.as_raw_fd();
    let ending = Ending::default();
    let socket = StallingSocket::new(socket, limits.write_timeout, ending.clone());
    let handshake = TlsAcceptor::from(config).accept(socket);
    let (outcome, stream) = match timeout(limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => (HandshakeOutcome::Completed, Some(stream)),
        Ok(Err(_)) => (HandshakeOutcome::Failed, None),
        Err(_) => (HandshakeOutcome::TimedOut, None),
    };
    context.observer.handshake(false, outcome);
    let Some(stream) = stream else { return };

    let protocol = negotiated(&stream);
    let tls = Some(tls_info(stream.get_ref().1));
    let response_date = (protocol == Protocol::Http1).then(ResponseDate::default);
    let plaintext = None;
    let info =
        Arc::new(ConnectionInfo { peer, via, local, protocol, tls, plaintext, ending, response_date, quic: None });
    let identity = StreamIdentity::new(descriptor, &info, Some(digest(stream.get_ref().1, protocol)));
    let _open = OpenConnection::new(&*context.observer, protocol);
    if protocol == Protocol::Http2 {
        http2::serve(context, stream, identity.into_digest(), info, &limits, closing).await;
    } else {
        let stream = Box::new(ClientStream::new(Gathering::new(stream), identity));
        CONNECTION.scope(info, http1::serve(context, stream, &limits, closing)).await;
    }
}

/// A client without ALPN speaks HTTP/1.1 (RFC 9112 names no other way to tell).
fn negotiated<S>(stream: &TlsStream<S>) -> Protocol {
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) { Protocol::Http2 } else { Protocol::Http1 }
}

fn tls_info(connection: &ServerConnection) -> TlsInfo {
    let server_name = connection.server_name().map(|name| Arc::from(name.to_ascii_lowercase()));
    TlsInfo { server_name, version: version(connection) }
}

fn version(connection: &ServerConnection) -> &'static str {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    }
}

fn digest(connection: &ServerConnection, protocol: Protocol) -> (SslDigest, ALPN) {
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or_default();
    let alpn = if protocol == Protocol::Http2 { ALPN::H2 } else { ALPN::H1 };
    (SslDigest::new(cipher, version(connection), None, None, Vec::new()), alpn)
}
