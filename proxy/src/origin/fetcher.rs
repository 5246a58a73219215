//! Fetching for the cache: a subrequest through the proxy's own pipeline, without a client.
//!
//! Owns the translation between the engine's seam and Pingora's subrequests. The parent session that Pingora asks
//! for is made from bytes, so a fetch needs no client and outlives every one. Where a pool hedges, two of them race for
//! the head of the response.

mod race;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use pingora_core::protocols::http::subrequest::server::SubrequestHandle;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_error::ErrorType;
use pingora_proxy::subrequest::{BodyMode, Ctx};
use pingora_proxy::{Subrequest, SubrequestSpawner};
use tidegate_config::ids::OriginName;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use self::race::first_head;
use super::attempts::AttemptJournal;
use super::error_words::plainly;
use super::hedging::{Chance, Delay};
use super::pool::{CompiledOrigin, CompiledPool};
use crate::cache::engine::{FetchError, FetchEvent, FetchRequest, FetchStream, Fetcher, Hold, InterimListener};
use crate::routing::{PoolChoice, RouteEntry, SiteEntry};
use crate::runtime_snapshot::RuntimeSnapshot;
use crate::telemetry::{RequestId, RetryReason, TraceContext};

/// What a fill carries into the pipeline.
#[derive(Clone)]
pub struct FillContext {
    /// Configuration of the request that started it, kept until the fill ends.
    pub snapshot: Arc<RuntimeSnapshot>,
    /// Its site.
    pub site: Arc<SiteEntry>,
    /// Its route.
    pub route: Arc<RouteEntry>,
    /// Which of the route's pools the request goes to.
    pub pool: PoolChoice,
    /// Id of the request that started it.
    pub request_id: RequestId,
    /// Trace of the request that started it.
    pub trace: Option<TraceContext>,
    /// Whether that request came over TLS.
    pub over_tls: bool,
    /// Facts about the response that its fields do not tell, per fetch.
    pub notes: Arc<FetchNotes>,
    /// What was tried for it.
    pub journal: Arc<AttemptJournal>,
    /// Whether its origin may hold it back.
    pub hold: Option<Hold>,
    /// Who hears its interim responses.
    pub listener: Option<Arc<dyn InterimListener>>,
}

/// What the pipeline learnt of a response beside its fields.
#[derive(Default)]
pub struct FetchNotes {
    /// Only the end of the connection ends the body.
    pub close_delimited: AtomicBool,
    /// The origin that answered.
    pub origin: Mutex<Option<OriginName>>,
    /// The origin that another fetch for the same response asks already: this one is a hedge and asks another.
    pub hedged: Option<OriginName>,
    /// What it goes on with, where it asks for the rest of a response.
    pub resumes: Option<BrokenOff>,
    /// Whether another origin could still be asked.
    further: AtomicBool,
    /// When the first origin was asked.
    first_attempt: OnceLock<Instant>,
    chance: watch::Sender<Chance>,
}

/// A response that broke off and whose rest is asked for.
#[derive(Debug, Clone)]
pub struct BrokenOff {
    /// The origin that broke off, which is asked last.
    pub origin: Option<OriginName>,
}

impl FetchNotes {
    /// An origin of this pool is asked, as this attempt. Only the first one of a first fetch can be hedged.
    pub fn asks(&self, pool: &Arc<CompiledPool>, origin: &Arc<CompiledOrigin>, attempt: usize, others: usize) {
        let now = Instant::now();
        self.first_attempt.get_or_init(|| now);
        let further = others > 0 && attempt < usize::from(pool.pool.attempts) && self.hedged.is_none();
        self.further.store(further, Ordering::Relaxed);
        // Readers wait for the rest already, and it is paid for as a further attempt.
        let may_hedge = others > 0 && attempt == 1 && self.hedged.is_none() && self.resumes.is_none();
        let delay = if may_hedge { Delay::new(pool, origin, now) } else { None };
        self.chance.send_replace(delay.map_or(Chance::Never, Chance::After));
    }
}

/// A request without a body for an origin.
#[derive(Clone)]
pub struct FillRequest {
    /// GET for the cache; of a copy for another pool that of the client's request.
    pub method: Method,
    /// The target as the client sent it: origins get the original bytes.
    pub target: Bytes,
    /// End-to-end fields, `Host` included, without Range and preconditions.
    pub fields: HeaderMap,
    /// Set where it asks for the rest of a response.
    pub resumes: Option<BrokenOff>,
    /// Everything else.
    pub context: FillContext,
}

impl FetchRequest for FillRequest {
    fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    fn hold(&self) -> Option<Hold> {
        self.context.hold
    }

    fn site(&self) -> &str {
        self.context.site.site.name.as_str()
    }

    fn with_fields(&self, fields: HeaderMap) -> Self {
        Self { fields, ..self.clone() }
    }

    fn heard_by(&self, listener: Arc<dyn InterimListener>) -> Self {
        Self { context: FillContext { listener: Some(listener), ..self.context.clone() }, ..self.clone() }
    }

    fn resuming(&self, fields: HeaderMap, after: Option<OriginName>) -> Self {
        Self { fields, resumes: Some(BrokenOff { origin: after }), ..self.clone() }
    }
}

impl FillRequest {
    /// The header section as an HTTP/1.1 message.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(self.method.as_str().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// Fetches by subrequests of the proxy it is given.
pub struct SubrequestFetcher {
    proxy: Arc<dyn Subrequest + Send + Sync>,
}

impl SubrequestFetcher {
    /// A fetcher whose subrequests this proxy serves.
    #[must_use]
    pub fn new(proxy: Arc<dyn Subrequest + Send + Sync>) -> Self {
        Self { proxy }
    }
}

impl Fetcher<FillRequest> for SubrequestFetcher {
    fn fetch(&self, request: FillRequest) -> Box<dyn FetchStream> {
        let spawner = SubrequestSpawner::new(Arc::clone(&self.proxy));
        Box::new(SubrequestStream { state: State::Starting(spawner, Box::new(request)) })
    }
}

enum State {
    Starting(SubrequestSpawner, Box<FillRequest>),
    Running(Running),
    Over,
}

/// A response that a subrequest delivers.
struct SubrequestStream {
    state: State,
}

struct Running {
    handle: SubrequestHandle,
    notes: Arc<FetchNotes>,
    listener: Option<Arc<dyn InterimListener>>,
    /// The last task said that nothing follows it.
    ended: bool,
    /// What was received before it was asked for.
    ahead: Option<Result<FetchEvent, FetchError>>,
    /// Ends the subrequest when the fill no longer wants it.
    task: AbortOnDrop,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FetchStream for SubrequestStream {
    fn next(&mut self) -> BoxFuture<'_, Result<FetchEvent, FetchError>> {
        Box::pin(async move {
            if let State::Starting(..) = self.state
                && let State::Starting(spawner, request) = std::mem::replace(&mut self.state, State::Over)
            {
                let (running, head) = first_head(&spawner, &request).await?;
                self.state = State::Running(running);
                return Ok(head);
            }
            match &mut self.state {
                State::Running(running) => running.next().await,
                // After a start that failed, which has been told: never a clean end.
                State::Starting(..) | State::Over => Err(internal("the fetch is over")),
            }
        })
    }
}

/// Runs the request through the pipeline in a task of its own, on the runtime of the fill that asked.
async fn start(
    spawner: &SubrequestSpawner,
    request: &FillRequest,
    hedged: Option<OriginName>,
) -> Result<Running, FetchError> {
    let bytes = request.to_bytes();
    let (mut client, server) = tokio::io::duplex(bytes.len().max(1));
    client.write_all(&bytes).await.map_err(|error| internal(&error.to_string()))?;
    let mut parent = ServerSession::new_http1(Box::new(server));
    match parent.read_request().await {
        Ok(true) => {}
        Ok(false) => return Err(internal("the fill's request was empty")),
        Err(error) => return Err(internal(&error.to_string())),
    }
    // Of two requests for the same response one is heard: both would say the same.
    let listener = request.context.listener.clone().filter(|_| hedged.is_none());
    let notes = Arc::new(FetchNotes { hedged, resumes: request.resumes.clone(), ..FetchNotes::default() });
    let context = FillContext { notes: Arc::clone(&notes), ..request.context.clone() };
    let context = Ctx::builder().body_mode(BodyMode::NoBody).user_ctx(Box::new(context)).build();
    let (prepared, handle) = spawner.create_subrequest(&parent, context);
    let task = AbortOnDrop(tokio::spawn(prepared.run()));
    Ok(Running { handle, notes, listener, ended: false, ahead: None, task })
}

impl Running {
    /// The origin that failed, if another one may be asked in its place; that is then paid for.
    fn further_attempt(&self, request: &FillRequest) -> Option<OriginName> {
        let asked = self.notes.origin.lock().clone().filter(|_| self.notes.further.load(Ordering::Relaxed))?;
        let context = &request.context;
        let pool = context.snapshot.pool(&context.route.pool(context.pool)?.name)?;
        let (retry, protection) = (&pool.pool.retry, &pool.protection);
        if self.notes.first_attempt.get().is_some_and(|first| first.elapsed() >= retry.deadline) {
            return None;
        }
        if !protection.retries.spend(Instant::now(), retry.budget, retry.budget_floor) {
            protection.metrics.retry_budget_exhausted();
            return None;
        }
        protection.metrics.retried(RetryReason::Broken);
        Some(asked)
    }

    async fn next(&mut self) -> Result<FetchEvent, FetchError> {
        if let Some(ahead) = self.ahead.take() {
            return ahead;
        }
        loop {
            if self.ended {
                return Ok(FetchEvent::End);
            }
            let Some(task) = self.handle.rx.recv().await else { return Err(self.broken_off()) };
            self.ended = task.is_end();
            match task {
                // Interim responses (RFC 9110 section 15.2) are no answer.
                HttpTask::Header(head, _) if head.status.is_informational() => {
                    self.ended = false;
                    if let Some(listener) = &self.listener {
                        listener.hear(head.status, head.headers.clone());
                    }
                }
                HttpTask::Header(head, end) => {
                    let parts = head.as_owned_parts();
                    let close_delimited = self.notes.close_delimited.load(Ordering::Relaxed);
                    let origin = self.notes.origin.lock().clone();
                    let (status, fields) = (parts.status, parts.headers);
                    return Ok(FetchEvent::Head { status, fields, end, close_delimited, origin });
                }
                HttpTask::Body(Some(bytes), _) if !bytes.is_empty() => return Ok(FetchEvent::Body(bytes)),
                HttpTask::Trailer(Some(fields)) => return Ok(FetchEvent::Trailers(*fields)),
                HttpTask::Failed(error) => return Err(failure(&error)),
                HttpTask::Body(..) | HttpTask::UpgradedBody(..) | HttpTask::Trailer(None) | HttpTask::Done => {}
            }
        }
    }

    /// The channel closed before an end: an error, never a clean end.
    fn broken_off(&mut self) -> FetchError {
        self.task.0.abort();
        match self.handle.subreq_proxy_error.try_recv() {
            Ok(error) => failure(&error),
            Err(_) => FetchError {
                status: StatusCode::BAD_GATEWAY,
                reason: "the origin's response ended before it was complete".to_owned(),
            },
        }
    }
}

/// What a client is told of an error towards the origin.
#[must_use]
pub fn status_of(error: &pingora_error::Error) -> StatusCode {
    match error.etype() {
        ErrorType::HTTPStatus(code) => StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_GATEWAY),
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}

fn failure(error: &pingora_error::Error) -> FetchError {
    FetchError { status: status_of(error), reason: plainly(error) }
}

fn internal(reason: &str) -> FetchError {
    FetchError { status: StatusCode::INTERNAL_SERVER_ERROR, reason: reason.to_owned() }
}
