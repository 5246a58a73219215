//! The life of one request stream: from its field section to the delivery of its response.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::{Method, Request};
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{Digest, SocketDigest};
use pingora_core::server::ShutdownWatch;

use super::bounds::Bounds;
use super::carrier::Http3Carrier;
use super::endpoint::canonical;
use super::frame::bare_response;
use super::pseudo_headers;
use super::quic_adapter::{BidiStream, BodyError, Connection, StreamHalves, variable_integer};
use crate::listener::priority::Signal;
use crate::listener::request_head::{RequestHead, request_head};
use crate::listener::session::{Patience, StreamSession};
use crate::listener::{CONNECTION, ConnectionInfo, ConnectionObserver, Protocol};

/// How long a GET or HEAD may take to show that it has no body. The end of the stream mostly comes in the packet of
/// the field section; where it follows, it does within a packet or two. Without this, such a request would go to
/// the origin as `transfer-encoding: chunked`.
const BODY_GRACE: Duration = Duration::from_millis(10);

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
    let head = match request_head(request, context.bounds.head()) {
        Ok(head) => head,
        Err(malformed) => {
            log::debug!(peer:% = context.info.peer, malformed:%; "request refused");
            return refuse(context, halves, malformed.status()).await;
        }
    };
    if let Some(signal) = Signal::of(&head.header.headers) {
        halves.send.lock().ask(signal);
    }
    let info = context.info_now();
    let session = session(context, head, stream, halves.clone()).await;
    let session = ServerSession::new_custom(Box::new(session));
    // Nothing comes back: an HTTP/3 stream carries one request.
    let served = context.app.process_new_http(session, &context.shutdown);
    CONNECTION.scope(info, served).await;
    RequestOutcome::Served
}

/// A session for a request, once it is known whether it has a body.
async fn session<A>(
    context: &RequestContext<A>,
    head: RequestHead,
    fields: RequestStream<BidiStream, Bytes>,
    halves: StreamHalves,
) -> StreamSession<Http3Carrier> {
    let bounds = &context.bounds;
    let short = matches!(head.header.method, Method::GET | Method::HEAD);
    let patience =
        Patience { read: Some(bounds.body_timeout), write: bounds.write_timeout, drain: bounds.body_timeout };
    let digest = Digest { socket_digest: Some(Arc::clone(&context.socket)), ..Digest::default() };
    let carrier = Http3Carrier::new(fields, halves, context.connection.clone());
    let mut session = StreamSession::new(head, carrier, digest, patience);
    if !session.knows_body() && short {
        // An error means that the grace is over: then there is a body, as far as anyone can know.
        tokio::time::timeout(BODY_GRACE, session.look_ahead()).await.ok();
    }
    session
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
