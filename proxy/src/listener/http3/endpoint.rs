//! The accept loop of one QUIC listener.
//!
//! Owns admission: which connection attempts are taken, retried or refused, handshakes, and the end of the listener.
//! What a connection then does is for `connection`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use h3::error::Code;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::SocketDigest;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::server::ShutdownWatch;
use quinn::crypto::rustls::{HandshakeData, NoInitialCipherSuite};
use quinn::{Connecting, Endpoint, Incoming};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::connection::Ending;
use super::bounds::Bounds;
use super::connection::Http3Connection;
use super::quic_adapter::variable_integer;
use super::request::RequestContext;
use super::sending;
use super::transport::{bound_incoming, quic_crypto, server_crypto, transport};
use crate::listener::{
    ConnectionGuard, ConnectionInfo, ConnectionLimit, ConnectionObserver, HandshakeOutcome, ListenerState, Protocol,
    SharedListenerState, Signals, TlsInfo,
};

/// Handshakes in progress from which on a client must show that its address is its own (Retry, RFC 9000 section 8.1.2).
/// Few enough that forged addresses cannot use up the connections of one address, many more than a node's clients
/// begin within a round trip in peace.
const RETRY_HANDSHAKES: usize = 256;
/// Handshakes in progress from which on new ones get no answer. Each holds some 20 KiB and a signature to make.
const MAX_HANDSHAKES: usize = 4_096;
/// How long the last CONNECTION_CLOSE packets may take when the listener ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is done with a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// The handshake begins.
    Accept,
    /// The client must show that its address is its own.
    Retry,
    /// No answer.
    Ignore,
}

/// What to do with an attempt while so many handshakes are in progress.
fn admission(handshakes: usize, address_is_validated: bool) -> Admission {
    match handshakes {
        MAX_HANDSHAKES.. => Admission::Ignore,
        RETRY_HANDSHAKES.. if !address_is_validated => Admission::Retry,
        _ => Admission::Accept,
    }
}

/// Why a QUIC listener cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration in force has no TLS for QUIC.
    #[error("no TLS configuration for QUIC")]
    NoTls,
    /// TLS 1.3 with AES-128-GCM is missing, which QUIC's first packets use.
    #[error("TLS configuration cannot be used for QUIC")]
    Crypto(#[source] NoInitialCipherSuite),
    /// The socket cannot be driven.
    #[error("QUIC socket")]
    Socket(#[source] io::Error),
    /// The endpoint ended without being told to.
    #[error("QUIC endpoint ended")]
    Ended,
}

/// What every connection of one listener shares.
struct Listener<A> {
    app: Arc<A>,
    state: SharedListenerState,
    signals: Signals,
    observer: Arc<dyn ConnectionObserver>,
    limit: ConnectionLimit,
    shutdown: ShutdownWatch,
    local: SocketAddr,
    handshakes: AtomicUsize,
}

/// Accepts connections until `signals.stop`, then returns when the last of them has ended; how long that may take is
/// for the caller to bound. May run several times over, on runtimes of one thread each, with a socket each.
///
/// # Errors
/// The listener cannot begin, or its socket failed for good.
pub async fn serve<A>(
    socket: std::net::UdpSocket,
    app: Arc<A>,
    state: SharedListenerState,
    mut signals: Signals,
    observer: Arc<dyn ConnectionObserver>,
    limit: ConnectionLimit,
    shutdown: ShutdownWatch,
) -> Result<(), ServeError>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let local = socket.local_addr().map_err(ServeError::Socket)?;
    let mut settings = Settings::new(state.load_full())?;
    let endpoint = sending::endpoint(settings.server.as_ref().clone(), socket).map_err(ServeError::Socket)?;
    let handshakes = AtomicUsize::new(0);
    let listener =
        Arc::new(Listener { app, state, signals: signals.clone(), observer, limit, shutdown, local, handshakes });
    let mut connections = JoinSet::new();
    while !*signals.stop.borrow() {
        tokio::select! {
            incoming = endpoint.accept() => {
                let incoming = incoming.ok_or(ServeError::Ended)?;
                settings.refresh(&listener.state);
                listener.admit(incoming, &settings, &mut connections);
            }
            // Reaps finished tasks, or the set would grow for ever.
            Some(_ended) = connections.join_next() => {}
            () = changed(&mut signals.stop) => {}
        }
    }
    refuse_until_quiet(&endpoint, &mut connections).await;
    endpoint.close(variable_integer(Code::H3_NO_ERROR.value()), b"");
    // An error means that the last packets were not sent in time; clients then find out by themselves.
    tokio::time::timeout(CLOSE_TIMEOUT, endpoint.wait_idle()).await.ok();
    Ok(())
}

/// Refuses new connections until those that are open have ended.
async fn refuse_until_quiet(endpoint: &Endpoint, connections: &mut JoinSet<()>) {
    while !connections.is_empty() {
        tokio::select! {
            _ended = connections.join_next() => {}
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => incoming.refuse(),
                None => return,
            }
        }
    }
}

/// The configuration that new connections get.
struct Settings {
    state: Arc<ListenerState>,
    bounds: Arc<Bounds>,
    server: Arc<quinn::ServerConfig>,
}

impl Settings {
    fn new(state: Arc<ListenerState>) -> Result<Self, ServeError> {
        let tls = state.quic_tls.as_ref().ok_or(ServeError::NoTls)?;
        let mut server = server_crypto(tls).map_err(ServeError::Crypto)?;
        bound_incoming(&mut server);
        let bounds = Arc::new(Bounds::from(&state.limits));
        server.transport_config(Arc::new(transport(&bounds)));
        Ok(Self { state, bounds, server: Arc::new(server) })
    }

    /// Takes over a configuration that was swapped in. The keys of address validation tokens stay, so that Retry works
    /// across the change. A configuration that cannot be used leaves the last one in force.
    fn refresh(&mut self, shared: &SharedListenerState) {
        let state = shared.load();
        if Arc::ptr_eq(&state, &self.state) {
            return;
        }
        self.state = Arc::clone(&state);
        self.bounds = Arc::new(Bounds::from(&state.limits));
        let mut server = self.server.as_ref().clone();
        server.transport_config(Arc::new(transport(&self.bounds)));
        match state.quic_tls.as_ref().map(quic_crypto) {
            Some(Ok(crypto)) => server.crypto = crypto,
            Some(Err(error)) => log::error!(error:%; "new TLS configuration cannot be used for QUIC"),
            None => {}
        }
        self.server = Arc::new(server);
    }
}

impl<A> Listener<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    fn admit(self: &Arc<Self>, incoming: Incoming, settings: &Settings, connections: &mut JoinSet<()>) {
        match admission(self.handshakes.load(Ordering::Relaxed), incoming.remote_address_validated()) {
            Admission::Accept => {}
            Admission::Retry => {
                // Cannot fail: an address that is not validated can always be asked to retry.
                incoming.retry().ok();
                return;
            }
            Admission::Ignore => return incoming.ignore(),
        }
        let peer = incoming.remote_address();
        let guard = match self.limit.admit(peer.ip(), &settings.state.limits) {
            Ok(guard) => guard,
            Err(refusal) => {
                self.observer.refused(refusal);
                return incoming.refuse();
            }
        };
        match incoming.accept_with(Arc::clone(&settings.server)) {
            Ok(connecting) => {
                let handshake = Handshake::begin(Arc::clone(self));
                let bounds = Arc::clone(&settings.bounds);
                connections.spawn(Arc::clone(self).connect(connecting, handshake, guard, bounds));
            }
            Err(error) => {
                log::debug!(peer:%, error:%; "QUIC connection attempt is invalid");
                self.observer.handshake(true, HandshakeOutcome::Failed);
            }
        }
    }

    /// Finishes the handshake and serves the connection to its end.
    async fn connect(
        self: Arc<Self>,
        connecting: Connecting,
        handshake: Handshake<A>,
        _guard: ConnectionGuard,
        bounds: Arc<Bounds>,
    ) {
        let connected = tokio::time::timeout(bounds.handshake_timeout, connecting).await;
        drop(handshake);
        let connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                log::debug!(error:%; "QUIC handshake failed");
                return self.observer.handshake(true, HandshakeOutcome::Failed);
            }
            Err(_) => return self.observer.handshake(true, HandshakeOutcome::TimedOut),
        };
        self.observer.handshake(true, HandshakeOutcome::Completed);
        self.observer.opened(Protocol::Http3);
        let _opened = Opened(Arc::clone(&self.observer));
        let context = Arc::new(self.request_context(connection, bounds));
        if let Some(connection) = Http3Connection::open(context).await {
            connection.serve(self.signals.clone()).await;
        }
    }

    fn request_context(&self, connection: quinn::Connection, bounds: Arc<Bounds>) -> RequestContext<A> {
        let peer = canonical(connection.remote_address());
        let local = canonical(match connection.local_ip() {
            Some(ip) => SocketAddr::new(ip, self.local.port()),
            None => self.local,
        });
        let tls = TlsInfo { server_name: server_name(&connection), version: "TLSv1.3" };
        let info = ConnectionInfo {
            peer,
            via: None,
            local,
            protocol: Protocol::Http3,
            tls: Some(tls),
            plaintext: None,
            ending: Ending::default(),
            response_date: None,
            quic: Some(connection.clone()),
        };
        RequestContext {
            app: Arc::clone(&self.app),
            shutdown: self.shutdown.clone(),
            bounds,
            connection,
            info: Arc::new(info),
            socket: Arc::new(socket_digest(peer, local)),
            observer: Arc::clone(&self.observer),
        }
    }
}

/// Counts a handshake in progress.
struct Handshake<A> {
    listener: Arc<Listener<A>>,
}

impl<A> Handshake<A> {
    fn begin(listener: Arc<Listener<A>>) -> Self {
        listener.handshakes.fetch_add(1, Ordering::Relaxed);
        Self { listener }
    }
}

impl<A> Drop for Handshake<A> {
    fn drop(&mut self) {
        self.listener.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the observer of the end, however it comes.
struct Opened(Arc<dyn ConnectionObserver>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.closed(Protocol::Http3);
    }
}

/// The name the client asked for; DNS names are compared in lower case.
fn server_name(connection: &quinn::Connection) -> Option<Arc<str>> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    data.server_name.map(|name| Arc::from(name.to_ascii_lowercase()))
}

/// An IPv4 client of a dual-stack socket as the IPv4 client it is.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Both addresses for Pingora. There is no descriptor that belongs to one QUIC connection; -1 makes every question
/// about one fail instead of answering for the socket that all share.
fn socket_digest(peer: SocketAddr, local: SocketAddr) -> SocketDigest {
    let digest = SocketDigest::from_raw_fd(-1);
    // New cells: setting them cannot fail.
    digest.peer_addr.set(Some(PingoraAddr::Inet(peer))).ok();
    digest.local_addr.set(Some(PingoraAddr::Inet(local))).ok();
    digest.original_dst.set(None).ok();
    digest
}

/// Waits for a new value; for ever when there will be none.
async fn changed(signal: &mut watch::Receiver<bool>) {
    if signal.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_handshakes_ask_for_validated_addresses_and_too_many_get_no_answer() {
        for (handshakes, validated, expected) in [
            (0, false, Admission::Accept),
            (RETRY_HANDSHAKES - 1, false, Admission::Accept),
            (RETRY_HANDSHAKES, false, Admission::Retry),
            (RETRY_HANDSHAKES, true, Admission::Accept),
            (MAX_HANDSHAKES - 1, true, Admission::Accept),
            (MAX_HANDSHAKES, true, Admission::Ignore),
            (MAX_HANDSHAKES, false, Admission::Ignore),
        ] {
            assert_eq!(admission(handshakes, validated), expected, "{handshakes} in progress, validated {validated}");
        }
    }

    #[test]
    fn ipv4_clients_of_dual_stack_sockets_are_ipv4_clients() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:443".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.1:443".parse().unwrap());
    }
}
