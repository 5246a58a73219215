//! The operator's listener: HTTP/1.1, few connections, small requests, short waits.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_config::ids::{NodeName, PopName, RegionName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::access::{Ends, check_access};
use super::answer::{self, Answer};
use super::cache_answers::ExplainsCache;
use super::content_answers::ShowsContents;
use super::lifecycle::Lifecycle;
use super::pin_answers::PinsCache;
use super::purge_answers::PurgesCache;
use super::routes::{Call, Reply, dispatch};
use super::token::AdminToken;
use crate::geo::GeoLocator;
use crate::kill_switch::KillSwitches;
use crate::origin::OriginOverview;
use crate::telemetry::Metrics;
use crate::warm::WarmJobs;

/// Connections at a time: some scrapers, some operators, and room for a forgotten one.
const MAX_CONNECTIONS: usize = 64;
/// Request head; operators' tools need a fraction.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Request body; documents to come are small.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// From the first byte to the end of a head, and between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's whole life; scrapers connect again.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
/// For the answer under way when the listener stops or a connection is old.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// After a failed accept, as when descriptors ran out: a busy loop would not bring them back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the operator's listener shows and steers.
pub struct AdminState {
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// The node's life.
    pub lifecycle: Arc<Lifecycle>,
    /// This node.
    pub node: NodeName,
    /// Its region.
    pub region: RegionName,
    /// Its point of presence.
    pub pop: PopName,
    /// The program's version.
    pub version: &'static str,
    /// When it started.
    pub started: Instant,
    /// What clients from elsewhere must show; nobody else gets in while there is none. Swapped with the configuration.
    pub token: ArcSwapOption<AdminToken>,
    /// What operators have switched on by hand.
    pub kill_switches: Arc<KillSwitches>,
    /// What operators have fetched before anybody asks.
    pub warm: WarmJobs,
    /// How clients are located. Swapped with the configuration.
    pub geo: ArcSwapOption<GeoLocator>,
    /// Pools and origins. Swapped with the configuration.
    pub origins: ArcSwapOption<OriginOverview>,
    /// What clients show to be told how the cache came to a response. Swapped with the configuration.
    pub debug_token: Arc<ArcSwapOption<AdminToken>>,
    /// Whoever knows how the cache sees a URL; set once the node is put together.
    pub cache: OnceLock<Arc<dyn ExplainsCache>>,
    /// Whoever purges; set once the node is put together.
    pub purger: OnceLock<Arc<dyn PurgesCache>>,
    /// Whoever knows what is stored; set once the node is put together.
    pub contents: OnceLock<Arc<dyn ShowsContents>>,
    /// Whoever pins what is stored; set once the node is put together.
    pub pins: OnceLock<Arc<dyn PinsCache>>,
}

/// Serves until `stop` is true, then gives answers under way a moment.
pub async fn serve(listener: TcpListener, state: Arc<AdminState>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let (state, stop) = (Arc::clone(&state), stop.clone());
        connections.spawn(async move {
            serve_connection(stream, peer, state, stop).await;
            drop(slot);
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Each ends itself in time; what the runtime was too busy for goes with the set.
    drop(tokio::time::timeout(2 * STOP_GRACE, all_ended).await);
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops as well: nobody could any more.
    stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
}

type Slot = tokio::sync::OwnedSemaphorePermit;

/// Waits for a free slot before a connection, so that further ones queue in the kernel, which bounds them.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            log::warn!("the operator's listener could not accept a connection: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    state: Arc<AdminState>,
    mut stop: watch::Receiver<bool>,
) {
    // Gone already when it has no address.
    let Ok(local) = stream.local_addr() else { return };
    let ends = Ends { peer, local };
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, std::convert::Infallible>(respond(&state, request, ends).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection of an operator ends matters to nobody but its client.
        _ = &mut connection => return,
        () = stopped(&mut stop) => {}
        () = tokio::time::sleep(CONNECTION_LIFETIME) => {}
    }
    // Idle ones end at once, others with the answer under way.
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(STOP_GRACE, connection).await);
}

async fn respond(state: &AdminState, request: Request<Incoming>, ends: Ends) -> Answer {
    let (head, body) = request.into_parts();
    let token = state.token.load_full();
    if let Err(reason) = check_access(&head, ends, token.as_deref()) {
        log::warn!(peer:% = ends.peer, path = head.uri.path(), reason:? = reason; "refused on the operator's listener");
        return answer::denied(reason);
    }
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let call = Call { path: head.uri.path(), query: head.uri.query(), method: &head.method, body };
    let answer = match dispatch(state, &call) {
        Reply::Now(answer) => answer,
        Reply::Later(answer) => answer.await,
    };
    if head.method != Method::GET && head.method != Method::HEAD {
        log::info!(
            peer:% = ends.peer, method = head.method.as_str(), path = head.uri.path(), status = answer.status().as_u16();
            "the operator's request was handled"
        );
    }
    answer
}

async fn read_body(body: Incoming) -> Result<Bytes, Answer> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(body_too_large()); // by its Content-Length; nothing of it is waited for
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(body_too_large()),
        Ok(Err(_)) => Err(answer::error(StatusCode::BAD_REQUEST, "invalid_body", "the request body broke off")),
        Err(_) => Err(answer::error(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the request body came too slowly")),
    }
}

fn body_too_large() -> Answer {
    let message = format!("a request body has at most {MAX_BODY_BYTES} bytes");
    answer::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message)
}

#[cfg(test)]
mod tests;
