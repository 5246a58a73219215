//! The accept loop of one TCP listener.
//!
//! Owns accepting, refusing and the life of connection tasks up to the end of the listener. What a connection then
//! speaks is for `tls`, `http1` and `http2`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ipnet::IpNet;
use tidegate_config::model::{Limits, PlaintextMode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client_stream::{ClientStream, StreamIdentity};
use super::connection::Ending;
use super::gathering::Gathering;
use super::proxy_protocol::{ProxyProtocolError, Told, receive};
use super::ready_response::Application;
use super::response_date::ResponseDate;
use super::socket::{BACKLOG, fit_send_buffer};
use super::stalling_socket::StallingSocket;
use super::{
    CONNECTION, ConnectionGuard, ConnectionInfo, ConnectionLimit, ConnectionObserver, Protocol, SharedListenerState,
    Signals, http1, tls,
};

/// First and longest pause after a failed accept. EMFILE and ENOBUFS stay until a connection ends, so that trying
/// again at once would spin; a second is short against what clients wait for.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What one TCP listener does.
#[derive(Debug, Clone)]
pub struct TcpListenerSettings {
    /// What plaintext HTTP does here; absent where TLS is terminated.
    pub plaintext: Option<PlaintextMode>,
    /// Networks whose connections must begin with a PROXY protocol header, all others being closed. Absent where nobody
    /// may send one.
    pub proxy_protocol: Option<Arc<[IpNet]>>,
}

/// What every connection of one listener shares.
pub(super) struct ListenerContext<A> {
    pub(super) app: Arc<A>,
    pub(super) state: SharedListenerState,
    pub(super) observer: Arc<dyn ConnectionObserver>,
    pub(super) plaintext: Option<PlaintextMode>,
    pub(super) proxy_protocol: Option<Arc<[IpNet]>>,
}

/// One accepted connection on its way to a protocol.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    /// The client, as far as the connection tells.
    pub(super) peer: SocketAddr,
    /// The proxy that told so.
    pub(super) via: Option<SocketAddr>,
    pub(super) local: SocketAddr,
    /// Bounds in force when it was accepted; they hold for its whole life.
    pub(super) limits: Limits,
    /// True while connections are to end: a drain or a stop.
    pub(super) closing: watch::Receiver<bool>,
}

/// Accepts connections until `signals.stop`, then returns when the last of them has ended; how long that may take is
/// for the caller to bound. May run several times over, on runtimes of one thread each, with a listener each.
pub async fn serve_tcp<A>(
    listener: TcpListener,
    settings: TcpListenerSettings,
    app: Arc<A>,
    state: SharedListenerState,
    mut signals: Signals,
    observer: Arc<dyn ConnectionObserver>,
    limit: ConnectionLimit,
) where
    A: Application,
{
    let TcpListenerSettings { plaintext, proxy_protocol } = settings;
    let context = Arc::new(ListenerContext { app, state, observer, plaintext, proxy_protocol });
    let (closing_sender, closing) = watch::channel(is_closing(&signals));
    let mut connections = JoinSet::new();
    let mut pause = ACCEPT_PAUSE;
    while !*signals.stop.borrow() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    pause = ACCEPT_PAUSE;
                    admit(&context, &limit, &listener, (socket, peer), &closing, &mut connections);
                }
                Err(error) => pause = back_off(&error, pause).await,
            },
            // Reaps finished tasks, or the set would grow for ever.
            Some(_ended) = connections.join_next() => {}
            () = changed(&mut signals.drain) => {
                closing_sender.send_replace(is_closing(&signals));
            }
            () = changed(&mut signals.stop) => {}
        }
    }
    closing_sender.send_replace(true);
    // Clients whose connection the kernel has completed count as accepted: closing the listener would reset them.
    tokio::task::yield_now().await;
    for _ in 0..BACKLOG {
        let Some(Ok(waiting)) = listener.accept().now_or_never() else { break };
        admit(&context, &limit, &listener, waiting, &closing, &mut connections);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn is_closing(signals: &Signals) -> bool {
    *signals.drain.borrow() || *signals.stop.borrow()
}

/// Waits for a new value; for ever when there will be none.
async fn changed(signal: &mut watch::Receiver<bool>) {
    if signal.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Waits after a failed accept and returns the next pause.
async fn back_off(error: &io::Error, pause: Duration) -> Duration {
    if is_peers_fault(error) {
        return pause;
    }
    log::warn!(error:%, pause:?; "accepting failed");
    tokio::time::sleep(pause).await;
    (pause * 2).min(ACCEPT_PAUSE_MAX)
}

/// Whether only the connection that was being accepted failed, so that the next one may be fine.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Starts the task of an accepted connection, or closes it when there are too many.
fn admit<A>(
    context: &Arc<ListenerContext<A>>,
    limit: &ConnectionLimit,
    listener: &TcpListener,
    (socket, peer): (TcpStream, SocketAddr),
    closing: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) where
    A: Application,
{
    let limits = context.state.load().limits.clone();
    let admitted = match &context.proxy_protocol {
        None => limit.admit(peer.ip(), &limits),
        Some(networks) if networks.iter().any(|network| network.contains(&peer.ip().to_canonical())) => {
            // Its client is counted when it is known.
            limit.admit_unnamed(&limits)
        }
        Some(_) => return refuse(context, peer, ProxyProtocolError::Untrusted),
    };
    let guard = match admitted {
        Ok(guard) => guard,
        Err(reason) => return context.observer.refused(reason),
    };
    // The peer may be gone already; then there is nobody to serve.
    let Ok(local) = listener.local_addr().and_then(|bound| reached_address(bound, &socket)) else { return };
    let accepted = Accepted { socket, peer, via: None, local, limits, closing: closing.clone() };
    connections.spawn(serve_connection(Arc::clone(context), accepted, guard));
}

/// The address the client reached: asked of the kernel only where the listener is bound to a wildcard.
fn reached_address(bound: SocketAddr, socket: &TcpStream) -> io::Result<SocketAddr> {
    if bound.ip().is_unspecified() { socket.local_addr() } else { Ok(bound) }
}

/// Tells why a connection is closed before its first request.
fn refuse<A>(context: &ListenerContext<A>, peer: SocketAddr, error: ProxyProtocolError) {
    log::debug!(peer:%, reason = error.label(); "a connection was closed: {error}");
    context.observer.proxy_protocol_failed(error);
}

async fn serve_connection<A>(context: Arc<ListenerContext<A>>, mut accepted: Accepted, mut guard: ConnectionGuard)
where
    A: Application,
{
    if context.proxy_protocol.is_some() {
        match receive(&mut accepted.socket, accepted.limits.handshake_timeout).await {
            Ok(Told::Itself) => {}
            Ok(Told::Client(client)) => accepted.via = Some(std::mem::replace(&mut accepted.peer, client)),
            Err(error) => return refuse(&context, accepted.peer, error),
        }
        if let Err(reason) = guard.name(accepted.peer.ip(), &accepted.limits) {
            return context.observer.refused(reason);
        }
    }
    match context.plaintext {
        None => tls::serve(&context, accepted).await,
        Some(_) => serve_plaintext(&context, accepted).await,
    }
    drop(guard);
}

async fn serve_plaintext<A>(context: &ListenerContext<A>, accepted: Accepted)
where
    A: Application,
{
    let Accepted { socket, peer, via, local, limits, closing } = accepted;
    let plaintext = context.plaintext;
    let ending = Ending::default();
    let info = Arc::new(ConnectionInfo {
        peer,
        via,
        local,
        protocol: Protocol::Http1,
        tls: None,
        plaintext,
        ending: ending.clone(),
        response_date: Some(ResponseDate::default()),
        quic: None,
    });
    let identity = StreamIdentity::new(socket.as_raw_fd(), &info, None);
    // Not with TLS: its records are written in smaller pieces, for which a short buffer means more waiting.
    fit_send_buffer(&socket);
    let socket = StallingSocket::new(socket, limits.write_timeout, ending);
    let stream = Box::new(ClientStream::new(Gathering::new(socket), identity));
    let _open = OpenConnection::new(&*context.observer, Protocol::Http1);
    CONNECTION.scope(info, http1::serve(context, stream, &limits, closing)).await;
}

/// Tells the observer that a connection is open until dropped.
pub(super) struct OpenConnection<'a> {
    observer: &'a dyn ConnectionObserver,
    protocol: Protocol,
}

impl<'a> OpenConnection<'a> {
    pub(super) fn new(observer: &'a dyn ConnectionObserver, protocol: Protocol) -> Self {
        observer.opened(protocol);
        Self { observer, protocol }
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.observer.closed(self.protocol);
    }
}
