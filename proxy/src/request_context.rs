//! What one request carries through the phases, grouped by the phase that wrote each part.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora_http::ResponseHeader;
use tidegate_config::ids::OriginName;

use crate::cache::engine::Hold;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::cache_status::Member;
use crate::cmcd::{Cmcd, Pace};
use crate::geo::{Location, NOWHERE};
use crate::listener::ConnectionInfo;
use crate::origin::{Again, AttemptJournal, AttemptNumber, CompiledOrigin, CompiledPool, FillContext, Permit, Trial};
use crate::routing::{Grant, PoolChoice, RouteEntry, SiteEntry};
use crate::runtime_snapshot::RuntimeSnapshot;
use crate::telemetry::{CacheOutcome, RequestId, TraceContext};

/// The context of one request.
pub(crate) struct RequestContext {
    /// The configuration this request keeps to its end.
    pub(crate) snapshot: Arc<RuntimeSnapshot>,
    /// Written when the request begins.
    pub(crate) arrival: Arrival,
    /// Written by `identify_client`; absent in fills.
    pub(crate) connection: Option<Arc<ConnectionInfo>>,
    /// Written by `identify_client`.
    pub(crate) client: ClientContext,
    /// Found out when first asked for, by [`Self::location`].
    location: OnceLock<Location>,
    /// Written when the request is one of the cache's own.
    pub(crate) fill: Option<Box<FillContext>>,
    /// Written by `match_route`.
    pub(crate) route: Option<MatchedRoute>,
    /// Written by `consult_cache`.
    pub(crate) cache: CacheContext,
    /// Written by `choose_origin` and `handle_origin_failure`.
    pub(crate) origin: OriginContext,
    /// Written by whoever answers.
    pub(crate) response: ResponseContext,
}

/// When and as what a request came.
pub(crate) struct Arrival {
    /// Wall clock, for the log.
    pub(crate) time: SystemTime,
    /// Monotonic clock, for durations.
    pub(crate) instant: Instant,
    /// Its id.
    pub(crate) request_id: RequestId,
    /// Its trace.
    pub(crate) trace: Option<TraceContext>,
    /// Host in canonical form.
    pub(crate) host: Option<Arc<str>>,
}

/// Who asks, as far as it can be believed.
#[derive(Clone)]
pub(crate) struct ClientContext {
    /// The client's address, whatever proxies it came through; absent in fills, which belong to nobody.
    pub(crate) address: Option<IpAddr>,
    /// Scheme of the URL that was asked for.
    pub(crate) scheme: Scheme,
    /// Trusted proxies in between, the connection's own peer last.
    pub(crate) proxies: Vec<IpAddr>,
}

/// The site and route of a request.
pub(crate) struct MatchedRoute {
    /// Site.
    pub(crate) site: Arc<SiteEntry>,
    /// Route.
    pub(crate) route: Arc<RouteEntry>,
    /// Path in canonical form.
    pub(crate) path: String,
    /// Whether the client wrote it in this very form.
    pub(crate) path_as_sent: bool,
    /// Which of the route's pools the request goes to.
    pub(crate) pool: PoolChoice,
    /// Whether it is the handshake of a WebSocket, which the route lets through.
    pub(crate) websocket: bool,
    /// Target in origin form, kept where the route changes the fields of responses.
    pub(crate) target: Option<Box<[u8]>>,
    /// With whom the response is shared, where the route says so.
    pub(crate) grant: Grant,
    /// Whether the client names a priority itself.
    pub(crate) names_priority: bool,
    /// What the client's player said of itself, where the policy has use for it; never in fills.
    pub(crate) cmcd: Option<Box<Cmcd>>,
}

/// The cache's part.
pub(crate) struct CacheContext {
    /// Key, for invalidation after unsafe methods.
    pub(crate) key: Option<CacheKey>,
    /// How the request was answered.
    pub(crate) outcome: CacheOutcome,
    /// Our member of `Cache-Status`, for what passes.
    pub(crate) passage: Option<Member>,
    /// Whether the origin may hold the request back, where it passes.
    pub(crate) hold: Option<Hold>,
    /// The origin that a fill fetched the response from.
    pub(crate) filled_by: Option<OriginName>,
    /// Whether what is served was a part at the live edge when it came.
    pub(crate) at_live_edge: bool,
    /// What the client is told of all that, where it may ask.
    pub(crate) told: Option<HeaderValue>,
}

/// The origin's part.
#[derive(Default)]
pub(crate) struct OriginContext {
    /// The pool.
    pub(crate) pool: Option<Arc<CompiledPool>>,
    /// Origins not tried yet, in the order to try them.
    pub(crate) order: Vec<Arc<CompiledOrigin>>,
    /// Attempts so far. One that lost a race between idle connections is none.
    pub(crate) attempts: usize,
    /// When the first one began.
    pub(crate) first_attempt: Option<Instant>,
    /// The one under way: its place in the journal, and when it began.
    pub(crate) attempt: Option<(AttemptNumber, Instant)>,
    /// What the current origin answered, until it is counted.
    pub(crate) status: Option<StatusCode>,
    /// Whether that is a success, of which the end is still to come.
    pub(crate) unfinished: bool,
    /// That of the first origin in the order, where this request is its trial, until another one is asked.
    pub(crate) trial: Option<Trial>,
    /// Leave to ask the current origin, held until its response is read.
    pub(crate) permit: Option<Permit>,
    /// Origin of the next attempt and leave to ask it, where the response before was given up for it.
    pub(crate) reserved: Option<(Arc<CompiledOrigin>, Permit)>,
    /// Whether the current origin is asked once more.
    pub(crate) again: Option<Again>,
    /// Whether that has happened: once a request is enough.
    pub(crate) raced: bool,
    /// Every attempt, for the log.
    pub(crate) journal: OnceLock<Arc<AttemptJournal>>,
    /// The one tried last.
    pub(crate) current: Option<Arc<CompiledOrigin>>,
    /// Interim responses so far.
    pub(crate) interim_responses: usize,
    /// Body bytes of the request so far.
    pub(crate) request_bytes: u64,
}

/// The response's part.
#[derive(Default)]
pub(crate) struct ResponseContext {
    /// When its head was written.
    pub(crate) first_byte: Option<Instant>,
    /// How fast the body of a response that passes may go.
    pub(crate) pace: Option<Pace>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// Status that `respond_error` chose.
    pub(crate) status: Option<StatusCode>,
    /// An error of the origin whose body is replaced by an operator's page.
    pub(crate) replaced: Option<Box<ReplacedError>>,
    /// Fields to add to an error, such as `Allow`.
    pub(crate) fields: HeaderMap,
}

/// An origin's error with another body, ready to be written.
pub(crate) struct ReplacedError {
    /// Its header section, which describes the new body.
    pub(crate) head: ResponseHeader,
    /// The new body.
    pub(crate) body: Bytes,
}

impl RequestContext {
    /// The context of a request that has just arrived.
    #[must_use]
    pub(crate) fn new(snapshot: Arc<RuntimeSnapshot>, request_id: RequestId) -> Self {
        Self::arrived(Instant::now(), snapshot, request_id)
    }

    /// The context of a request that arrived just now, when somebody has looked at the clock already.
    #[must_use]
    pub(crate) fn arrived(instant: Instant, snapshot: Arc<RuntimeSnapshot>, request_id: RequestId) -> Self {
        Self {
            snapshot,
            arrival: Arrival { time: SystemTime::now(), instant, request_id, trace: None, host: None },
            connection: None,
            client: ClientContext { address: None, scheme: Scheme::Http, proxies: Vec::new() },
            location: OnceLock::new(),
            fill: None,
            route: None,
            cache: CacheContext {
                key: None,
                outcome: CacheOutcome::None,
                passage: None,
                hold: None,
                filled_by: None,
                at_live_edge: false,
                told: None,
            },
            origin: OriginContext::default(),
            response: ResponseContext::default(),
        }
    }

    /// Where the client is, looked up at most once. Nowhere before `identify_client`, and in fills.
    #[must_use]
    pub(crate) fn location(&self) -> &Location {
        let Some(address) = self.client.address else { return &NOWHERE };
        self.location.get_or_init(|| self.snapshot.geo.locate(address))
    }

    /// Whether this is a fetch of the cache and no client's request.
    #[must_use]
    pub(crate) fn is_fill(&self) -> bool {
        self.fill.is_some()
    }

    /// Whether its origin may hold it back: its silence is then no failure.
    #[must_use]
    pub(crate) fn hold(&self) -> Option<Hold> {
        self.fill.as_ref().map_or(self.cache.hold, |fill| fill.hold)
    }

    /// The journal of its attempts, shared with the fill that it starts.
    pub(crate) fn journal(&self) -> &Arc<AttemptJournal> {
        self.origin.journal.get_or_init(Arc::default)
    }

    /// Name of the origin asked last, by this request itself or by the fill that it reads from.
    #[must_use]
    pub(crate) fn origin_name(&self) -> Option<OriginName> {
        let asked = self.origin.current.as_ref().map(|origin| origin.origin.name.clone());
        asked.or_else(|| self.cache.filled_by.clone())
    }
}
