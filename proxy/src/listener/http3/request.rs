//! The life of one request stream: from its field section to the delivery of its response.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::Request;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::SocketDigest;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use super::bounds::Bounds;
use super::endpoint::canonical;
use super::frame::bare_response;
use super::priority::Signal;
use super::pseudo_headers;
use super::quic_adapter::{BidiStream, BodyError, Connection, StreamHalves, variable_integer};
use super::request_head::request_head;
use super::session::Http3Session;
use crate::listener::{CONNECTION, ConnectionInfo, ConnectionObserver, Protocol};

/// What a connection's requests share.
pub(super) struct RequestContext<A> {
    pub(super) app: Arc<A>,
    pub(super) shutdown: ShutdownWatch,
    pub(super) bounds: Arc<Bounds>,
    pub(super) connection: quinn::Connection,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) socket: Arc<SocketDigest>,
    pub(super) observer: Arc<dyn ConnectionObserver>,
}

impl<A> RequestContext<A> {
    /// What a request that begins now is told of its connection: the client may have moved to another address since the
    /// handshake (RFC 9000 section 9). Connections stay counted for the address they began with.
    fn info_now(&self) -> Arc<ConnectionInfo> {
        let peer = canonical(self.connection.remote_address());
        if peer == self.info.peer {
            return Arc::clone(&self.info);
        }
        Arc::new(ConnectionInfo { peer, ..ConnectionInfo::clone(&self.info) })
    }
}

/// How a request stream went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    /// The pipeline took it.
    Served,
    /// The pipeline took it, and the client did not wait for the end of its answer.
    Cancelled,
    /// It never became a request.
    Refused,
}

/// Serves one request stream; returns when the client has all of the response, or will not.
pub(super) async fn serve_request<A>(
    context: Arc<RequestContext<A>>,
    resolver: RequestResolver<Connection, Bytes>,
    halves: StreamHalves,
) -> RequestOutcome
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let bounds = &context.bounds;
    let outcome = match tokio::time::timeout(bounds.header_timeout, resolver.resolve_request()).await {
        Ok(Ok((request, stream))) => serve_resolved(&context, request, stream, &halves).await,
        Ok(Err(error)) => refuse_unresolved(&context, &error, &halves).await,
        Err(_) => refuse(&context, &halves, 408).await,
    };
    let delivered = deliver(&context, &halves).await;
    match outcome {
        RequestOutcome::Served if !delivered => RequestOutcome::Cancelled,
        outcome => outcome,
    }
}

async fn serve_resolved<A>(
    context: &RequestContext<A>,
    request: Request<()>,
    stream: RequestStream<BidiStream, Bytes>,
    halves: &StreamHalves,
) -> RequestOutcome
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let section = halves.receive.lock().take_section();
    if !pseudo_headers::are_well_placed(&section) {
        log::debug!(peer:% = context.info.peer; "pseudo-headers of a request are misplaced");
        halves.send.lock().reset(Code::H3_MESSAGE_ERROR);
        return RequestOutcome::Refused;
    }
    let head = match request_head(request, &context.bounds) {
        Ok(head) => head,
        Err(malformed) => {
            log::debug!(peer:% = context.info.peer, malformed:%; "request refused");
            return refuse(context, halves, malformed.status()).await;
        }
    };
    if let Some(signal) = Signal::of(&head.header.headers) {
        halves.send.lock().ask(signal);
    }
    let (connection, socket) = (context.connection.clone(), Arc::clone(&context.socket));
    let info = context.info_now();
    let session = Http3Session::new(head, stream, halves.clone(), connection, socket, &context.bounds).await;
    let session = ServerSession::new_custom(Box::new(session));
    // Nothing comes back: an HTTP/3 stream carries one request.
    let served = context.app.process_new_http(session, &context.shutdown);
    CONNECTION.scope(info, served).await;
    RequestOutcome::Served
}

/// A field section that h3 did not take: it reset the stream, queued a 431, or was shown an error by the adapter.
async fn refuse_unresolved<A>(
    context: &RequestContext<A>,
    error: &StreamError,
    halves: &StreamHalves,
) -> RequestOutcome {
    log::debug!(peer:% = context.info.peer, error:%; "request stream refused");
    let refusal = halves.receive.lock().take_refusal();
    match refusal {
        Some(BodyError::FieldSectionTooLarge) => refuse(context, halves, 431).await,
        Some(error) => {
            if error.closes_connection() {
                context.connection.close(variable_integer(error.code().value()), b"");
            }
            halves.send.lock().reset(error.code());
            RequestOutcome::Refused
        }
        None => {
            if matches!(error, StreamError::HeaderTooBig { .. }) {
                context.observer.rejected(Protocol::Http3, 431);
                finish(context, halves).await;
            }
            RequestOutcome::Refused
        }
    }
}

/// Answers with a bare status.
async fn refuse<A>(context: &RequestContext<A>, halves: &StreamHalves, status: u16) -> RequestOutcome {
    context.observer.rejected(Protocol::Http3, status);
    halves.send.lock().push(bare_response(status));
    finish(context, halves).await;
    RequestOutcome::Refused
}

/// Sends what is queued and ends the stream; a client that does not take it within the time-out is left alone.
async fn finish<A>(context: &RequestContext<A>, halves: &StreamHalves) {
    let flush = poll_fn(|cx| halves.send.lock().poll_flush(cx));
    if let Ok(Ok(())) = tokio::time::timeout(context.bounds.write_timeout, flush).await {
        halves.send.lock().finish();
    }
}

/// Waits until the client has acknowledged the response: a connection closed earlier would take it along. `false` when
/// there is no whole response.
async fn deliver<A>(context: &RequestContext<A>, halves: &StreamHalves) -> bool {
    halves.receive.lock().stop(Code::H3_NO_ERROR);
    let delivered = {
        let mut half = halves.send.lock();
        // Not finished by now means that it broke off; this holder would otherwise keep it open.
        half.reset(Code::H3_INTERNAL_ERROR);
        half.is_finished().then(|| half.stopped())
    };
    let Some(mut delivered) = delivered else { return false };
    // A slow client is waited for as long as it acknowledges something; one that is gone loses the response anyway.
    loop {
        let acknowledged = context.connection.stats().frame_rx.acks;
        let waited = tokio::time::timeout(context.bounds.write_timeout, &mut delivered).await;
        if waited.is_ok() || context.connection.stats().frame_rx.acks == acknowledged {
            return true;
        }
    }
}
