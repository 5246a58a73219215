//! What listeners share: a connection's identity, the settings in force, the signals they obey, and whom they
//! tell what happened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegate_config::model::{Limits, PlaintextMode};
use tokio::sync::watch;

use super::proxy_protocol::ProxyProtocolError;
use super::response_date::ResponseDate;

/// Protocol between a client and this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Protocol {
    /// Its ALPN-like name: `h1`, `h2` or `h3`, as in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

/// What is known of a connection before its first request.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// The client's address, as far as the connection tells: the other end of the socket, or whom it speaks for by the
    /// PROXY protocol.
    pub peer: SocketAddr,
    /// The other end of the socket when that is a proxy that told the client's address by the PROXY protocol.
    pub via: Option<SocketAddr>,
    /// The address it reached.
    pub local: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// Present on HTTPS and HTTP/3.
    pub tls: Option<TlsInfo>,
    /// What plaintext does on the listener it came by; absent on TLS.
    pub plaintext: Option<PlaintextMode>,
    /// How it ends over TCP.
    pub ending: Ending,
    /// Who is to be told which Date a response has, on HTTP/1; other protocols take it from the head.
    pub response_date: Option<ResponseDate>,
    /// What knows its way, where that can be asked: over QUIC. Of TCP only the kernel knows, and no safe call asks it.
    pub quic: Option<quinn::Connection>,
}

/// What a connection knows of the way to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// What congestion control lets through in that time.
    pub kilobits_per_second: u64,
}

impl ConnectionInfo {
    /// What it knows of its way at this moment.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        let path = self.quic.as_ref()?.stats().path;
        let microseconds = u64::try_from(path.rtt.as_micros()).unwrap_or(u64::MAX).max(1);
        // Bits in a microsecond are thousands of kilobits in a second.
        let kilobits_per_second = path.cwnd.saturating_mul(8 * 1000) / microseconds;
        Some(Way { round_trip: path.rtt, kilobits_per_second })
    }
}

/// How a connection over TCP is to end. What is framed by the connection's end (RFC 9112 section 6.3) and broke off must not
/// end as if it were whole: neither TLS nor TCP may say a proper goodbye.
#[derive(Debug, Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Nothing is sent any more, and the connection is reset.
    pub fn break_off(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_broken_off(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The outcome of a TLS handshake.
#[derive(Debug, Clone)]
pub struct TlsInfo {
    /// Server name the client asked for, in lower case.
    pub server_name: Option<Arc<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
}

tokio::task_local! {
    /// The connection of the request that runs in this task. Set by accept loops around every
    /// `process_new_http`; absent in fills, which belong to no client.
    pub static CONNECTION: Arc<ConnectionInfo>;
}

/// What listeners read at each new connection; swapped as a whole with the configuration.
#[derive(Clone)]
pub struct ListenerState {
    /// Bounds.
    pub limits: Limits,
    /// TLS for TCP (ALPN `h2`, `http/1.1`); absent when no listener terminates TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// TLS 1.3 for QUIC (ALPN `h3`).
    pub quic_tls: Option<Arc<rustls::ServerConfig>>,
}

/// The settings in force.
pub type SharedListenerState = Arc<ArcSwap<ListenerState>>;

/// The signals every accept loop and connection obeys.
#[derive(Debug, Clone)]
pub struct Signals {
    /// While true, responses carry `Connection: close`, HTTP/2 and HTTP/3 connections get GOAWAY, requests in
    /// flight finish, and new connections are still served. Can go back to false.
    pub drain: watch::Receiver<bool>,
    /// Once true, nothing more is accepted; connections then end as in a drain.
    pub stop: watch::Receiver<bool>,
}

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// Completed.
    Completed,
    /// The peer broke off or sent something invalid.
    Failed,
    /// Took longer than the limit.
    TimedOut,
}

/// Why a connection was closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `limits.connections` reached.
    Connections,
    /// `limits.connections_per_address` reached.
    ConnectionsPerAddress,
}

/// Told of what happens to connections; implemented by telemetry.
pub trait ConnectionObserver: Send + Sync + 'static {
    /// A connection is open and speaks this.
    fn opened(&self, protocol: Protocol);
    /// It is closed.
    fn closed(&self, protocol: Protocol);
    /// A TLS (`quic` false) or QUIC handshake ended.
    fn handshake(&self, quic: bool, outcome: HandshakeOutcome);
    /// A connection was closed at once.
    fn refused(&self, reason: Refusal);
    /// The listener answered a request itself with this status (408, 414, 431), because of a limit; the proxy never
    /// saw it.
    fn rejected(&self, _protocol: Protocol, _status: u16) {}
    /// A connection to a listener with PROXY protocol was closed because of its header, or for want of one.
    fn proxy_protocol_failed(&self, _error: ProxyProtocolError) {}
}
