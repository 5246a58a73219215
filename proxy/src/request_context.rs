//! What one request carries through the phases, grouped by the phase that wrote each part.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use tidegate_config::ids::OriginName;

use crate::cache::key::CacheKey;
use crate::cache::rules::cache_status::Member;
use crate::listener::ConnectionInfo;
use crate::origin::{CompiledOrigin, CompiledPool, FillContext};
use crate::routing::{RouteEntry, SiteEntry};
use crate::runtime_snapshot::RuntimeSnapshot;
use crate::telemetry::{CacheOutcome, RequestId, TraceContext};

/// The context of one request.
pub struct RequestContext {
    /// The configuration this request keeps to its end.
    pub snapshot: Arc<RuntimeSnapshot>,
    /// Written when the request begins.
    pub arrival: Arrival,
    /// Written by `identify_client`; absent in fills.
    pub connection: Option<Arc<ConnectionInfo>>,
    /// Written when the request is one of the cache's own.
    pub fill: Option<Box<FillContext>>,
    /// Written by `match_route`.
    pub route: Option<MatchedRoute>,
    /// Written by `consult_cache`.
    pub cache: CacheContext,
    /// Written by `choose_origin` and `handle_origin_failure`.
    pub origin: OriginContext,
    /// Written by whoever answers.
    pub response: ResponseContext,
}

/// When and as what a request came.
pub struct Arrival {
    /// Wall clock, for the log.
    pub time: SystemTime,
    /// Monotonic clock, for durations.
    pub instant: Instant,
    /// Its id.
    pub request_id: RequestId,
    /// Its trace.
    pub trace: Option<TraceContext>,
    /// Host in canonical form.
    pub host: Option<String>,
}

/// The site and route of a request.
pub struct MatchedRoute {
    /// Site.
    pub site: Arc<SiteEntry>,
    /// Route.
    pub route: Arc<RouteEntry>,
    /// Path in canonical form.
    pub path: String,
    /// Whether the client wrote it in this very form.
    pub path_as_sent: bool,
}

/// The cache's part.
pub struct CacheContext {
    /// Key, for invalidation after unsafe methods.
    pub key: Option<CacheKey>,
    /// How the request was answered.
    pub outcome: CacheOutcome,
    /// Our member of `Cache-Status`, for what passes.
    pub passage: Option<Member>,
    /// The origin that a fill fetched the response from.
    pub filled_by: Option<OriginName>,
}

/// The origin's part.
#[derive(Default)]
pub struct OriginContext {
    /// The pool.
    pub pool: Option<Arc<CompiledPool>>,
    /// Origins in the order to try them.
    pub order: Vec<Arc<CompiledOrigin>>,
    /// How many were tried, repeats included.
    pub attempts: usize,
    /// The one tried last.
    pub current: Option<Arc<CompiledOrigin>>,
    /// Body bytes of the request so far.
    pub request_bytes: u64,
}

/// The response's part.
#[derive(Default)]
pub struct ResponseContext {
    /// When its head was written.
    pub first_byte: Option<Instant>,
    /// What went wrong.
    pub error: Option<String>,
    /// Status that `respond_error` chose.
    pub status: Option<StatusCode>,
    /// Fields to add to an error, such as `Allow`.
    pub fields: HeaderMap,
}

impl RequestContext {
    /// The context of a request that has just arrived.
    #[must_use]
    pub fn new(snapshot: Arc<RuntimeSnapshot>, request_id: RequestId) -> Self {
        Self {
            snapshot,
            arrival: Arrival { time: SystemTime::now(), instant: Instant::now(), request_id, trace: None, host: None },
            connection: None,
            fill: None,
            route: None,
            cache: CacheContext { key: None, outcome: CacheOutcome::None, passage: None, filled_by: None },
            origin: OriginContext::default(),
            response: ResponseContext::default(),
        }
    }

    /// Whether this is a fetch of the cache and no client's request.
    #[must_use]
    pub fn is_fill(&self) -> bool {
        self.fill.is_some()
    }

    /// Name of the origin asked last, by this request itself or by the fill that it reads from.
    #[must_use]
    pub fn origin_name(&self) -> Option<OriginName> {
        let asked = self.origin.current.as_ref().map(|origin| origin.origin.name.clone());
        asked.or_else(|| self.cache.filled_by.clone())
    }
}
