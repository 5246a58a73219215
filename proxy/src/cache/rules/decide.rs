//! What to do with a request, given what is stored (RFC 9111 section 4). One function for hits and for waiters.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use tidegate_config::model::CachePolicy;

use super::conditional::Validators;
use super::derived::Derived;
use super::directives::{MaxStale, RequestDirectives};
use super::entity_tag::EntityTag;
use super::freshness::{FreshnessSource, StoredTimes};
use super::request_facts::RequestFacts;
use super::vary::VaryRule;
use crate::media::MediaClass;

/// What is stored under a key and variant, without its body.
#[derive(Debug, Clone)]
pub struct StoredMeta {
    /// Status.
    pub status: StatusCode,
    /// Fields, after `stored_fields::prepare`.
    pub headers: HeaderMap,
    /// Times.
    pub times: StoredTimes,
    /// Vary.
    pub vary: VaryRule,
    /// Entity tag, where it has a valid one.
    pub etag: Option<EntityTag>,
    /// Last-Modified, where it has a valid one.
    pub last_modified: Option<SystemTime>,
    /// Length of the whole body, where known.
    pub body_length: Option<u64>,
    /// Its fields as HTTP/1.1 writes them, once a hit has.
    pub written: Derived<Option<Box<[u8]>>>,
    /// Its fields as HTTP/2 compresses them, once a hit has.
    pub compressed: Derived<Option<Box<[u8]>>>,
    /// Whether it may gain by compression at all, once somebody asked.
    pub compressible: Derived<bool>,
    /// Whether they have a Date.
    pub dated: Derived<bool>,
    /// What they say to players.
    pub told: Derived<ToldToPlayers>,
    /// Whether it was a part at the live edge when it came (RFC 8216bis section 4.4.4.9).
    pub at_live_edge: bool,
    /// Which media it is, and whether it is sound alone.
    pub media: Derived<(Option<MediaClass>, bool)>,
}

/// Which fields a response has beside which this node says nothing, or says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldToPlayers {
    /// Its urgency.
    pub priority: bool,
    /// What hops before know of the way.
    pub way: bool,
}

/// Fields that a response gets beside the stored ones: Age, Cache-Status and those of the node.
const ADDED_FIELDS: usize = 8;

impl StoredMeta {
    /// The meta of a response: `headers` must have gone through `stored_fields::prepare`.
    #[must_use]
    pub fn new(status: StatusCode, mut headers: HeaderMap, times: StoredTimes, body_length: Option<u64>) -> Self {
        // Every response is a copy of these with a few more: copies then need not grow their index.
        headers.reserve(ADDED_FIELDS);
        let vary = VaryRule::from_headers(&headers);
        let etag = EntityTag::from_headers(&headers);
        let last_modified = super::http_date::only(&headers, &http::header::LAST_MODIFIED);
        Self {
            status,
            headers,
            times,
            vary,
            etag,
            last_modified,
            body_length,
            written: Derived::default(),
            compressed: Derived::default(),
            compressible: Derived::default(),
            dated: Derived::default(),
            told: Derived::default(),
            at_live_edge: false,
            media: Derived::default(),
        }
    }

    /// Its validators.
    #[must_use]
    pub fn validators(&self) -> Validators<'_> {
        let date = super::http_date::first(&self.headers, &http::header::DATE);
        Validators { etag: self.etag.as_ref(), last_modified: self.last_modified, date }
    }
}

/// Why a request goes past the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PassReason {
    /// The route's policy stores nothing.
    Disabled,
    /// Neither GET nor HEAD.
    Method,
    /// It carries content.
    Content,
    /// It asks for another protocol.
    Upgrade,
    /// The client said `no-store`.
    RequestNoStore,
    /// It carries Authorization, and what is stored may not answer such a request.
    Authorization,
    /// It is about a version that is not the stored one (If-Match, If-Unmodified-Since).
    OtherVersion,
}

/// Why something stale is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhyStale {
    /// The origin, or the policy in its place, allows it while it is renewed in the background (RFC 5861 section 3).
    WhileRevalidate,
    /// The client does (`max-stale`, RFC 9111 section 5.2.1.2).
    Accepted,
    /// The origin was asked for this request and failed (RFC 5861 section 4), with this status if it answered.
    Failed(Option<StatusCode>),
    /// The origin was not asked: it has just failed, or this node has too much to do.
    Unasked,
}

/// Whether what is served is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It is.
    Fresh,
    /// It is stale, and the client said that it accepts that (`max-stale`).
    StaleAccepted,
    /// It is stale and may be served while it is revalidated, but by the request of another client: this one asked that
    /// nothing of the exchange be kept (RFC 9111 section 5.2.1.5).
    StaleMeanwhile,
}

/// Why something is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchReason {
    /// Nothing is stored.
    Miss,
    /// Only variants are stored that other requests select (RFC 9111 section 4.1).
    OtherVariant,
    /// What is stored is stale, or always needs validation.
    Stale,
    /// What is stored is fresh, but the client wants better (`no-cache`, `max-age`, `min-fresh`).
    Request,
    /// What is stored is fresh, but not all of what was asked for is there.
    Partial,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Send it to the origin and keep nothing.
    Pass(PassReason),
    /// 504: the client wants only what is stored (RFC 9111 section 5.2.1.7).
    GatewayTimeout,
    /// Answer from store.
    Serve(Freshness),
    /// Answer from store and revalidate in the background (RFC 5861 section 3).
    ServeAndRefresh,
    /// Fetch; with something stored, by validating it.
    Fetch(FetchReason),
}

/// How an origin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginFailure {
    /// No response: not reachable, timed out, or broke off.
    Unreachable,
    /// A response with this status.
    Status(StatusCode),
}

/// For how long a stale response bridges an origin that cannot be reached when nothing was said about it. RFC 9111
/// section 4.2.4 lets a disconnected cache do so; an hour outlasts most outages and hides no outage for a day.
const DISCONNECTED_STALENESS: Duration = Duration::from_secs(60 * 60);

/// Decides.
#[must_use]
pub fn decide(request: &RequestFacts, stored: Option<&StoredMeta>, now: SystemTime, policy: &CachePolicy) -> Decision {
    if let Some(reason) = pass_reason(request, policy) {
        return Decision::Pass(reason);
    }
    let wishes = wishes(request, policy);
    let Some(stored) = stored else {
        return from_origin(&wishes, Decision::Fetch(FetchReason::Miss));
    };
    if request.authorization && !stored.times.authorized_reuse {
        return from_origin(&wishes, Decision::Pass(PassReason::Authorization));
    }
    match reuse(&stored.times, &wishes, now) {
        Decision::Fetch(reason) => from_origin(&wishes, Decision::Fetch(reason)),
        served => served,
    }
}

/// Decides about a request that is about another version than what could be served.
#[must_use]
pub fn decide_other_version(request: &RequestFacts, policy: &CachePolicy) -> Decision {
    from_origin(&wishes(request, policy), Decision::Pass(PassReason::OtherVersion))
}

fn pass_reason(request: &RequestFacts, policy: &CachePolicy) -> Option<PassReason> {
    if !policy.enabled {
        Some(PassReason::Disabled)
    } else if !request.is_cacheable_method() {
        Some(PassReason::Method)
    } else if request.content {
        Some(PassReason::Content)
    } else if request.upgrade {
        Some(PassReason::Upgrade)
    } else {
        None
    }
}

/// What the client asks for, as far as the policy listens.
fn wishes(request: &RequestFacts, policy: &CachePolicy) -> RequestDirectives {
    if policy.honour_request_directives { request.directives } else { RequestDirectives::default() }
}

/// The origin would have to be asked: unless the client forbids it, or forbids to keep what comes.
fn from_origin(wishes: &RequestDirectives, decision: Decision) -> Decision {
    if wishes.only_if_cached {
        Decision::GatewayTimeout
    } else if wishes.no_store {
        Decision::Pass(PassReason::RequestNoStore)
    } else {
        decision
    }
}

/// Whether what is stored may be used (RFC 9111 section 4.2 for the stored side, 5.2.1 for the client's).
fn reuse(times: &StoredTimes, wishes: &RequestDirectives, now: SystemTime) -> Decision {
    if times.no_cache {
        return Decision::Fetch(FetchReason::Stale);
    }
    if times.is_fresh(now) {
        let wanted = is_young_enough(times, wishes, now) && stays_fresh_enough(times, wishes, now);
        return if wanted { Decision::Serve(Freshness::Fresh) } else { Decision::Fetch(FetchReason::Request) };
    }
    if times.must_revalidate || !is_young_enough(times, wishes, now) || wishes.min_fresh.is_some() {
        return Decision::Fetch(FetchReason::Stale);
    }
    reuse_stale(times, wishes, now)
}

/// The refresh in the background goes before the client's leniency: both may answer, but it also ends the staleness.
fn reuse_stale(times: &StoredTimes, wishes: &RequestDirectives, now: SystemTime) -> Decision {
    let staleness = times.staleness(now);
    // A client's max-age without max-stale says that it wants nothing stale (RFC 9111 section 5.2.1.1).
    let tolerant = wishes.max_age.is_none() || wishes.max_stale.is_some();
    if tolerant && staleness < times.stale_while_revalidate {
        return if wishes.no_store { Decision::Serve(Freshness::StaleMeanwhile) } else { Decision::ServeAndRefresh };
    }
    // s-maxage implies proxy-revalidate, which the client cannot lift (RFC 9111 section 5.2.2.10); the origin itself
    // can, with stale-while-revalidate next to it.
    let accepted = match wishes.max_stale {
        Some(MaxStale::Any) => true,
        Some(MaxStale::UpTo(limit)) => staleness <= limit,
        None => false,
    };
    if accepted && times.source != FreshnessSource::SMaxAge {
        return Decision::Serve(Freshness::StaleAccepted);
    }
    Decision::Fetch(FetchReason::Stale)
}

/// `max-age=0` is what a reload sends: it wants the origin asked even in the very moment of storing. What is immutable
/// does not change with its age, so that only `no-cache`, the forced reload, has it validated (RFC 8246 section 2).
fn is_young_enough(times: &StoredTimes, wishes: &RequestDirectives, now: SystemTime) -> bool {
    let is_constant = times.immutable && times.is_fresh(now);
    let in_age = wishes.max_age.is_none_or(|limit| !limit.is_zero() && times.current_age(now) <= limit);
    (in_age || is_constant) && !wishes.no_cache
}

fn stays_fresh_enough(times: &StoredTimes, wishes: &RequestDirectives, now: SystemTime) -> bool {
    let left = times.lifetime.saturating_sub(times.current_age(now));
    wishes.min_fresh.is_none_or(|wanted| left >= wanted)
}

/// What a request had to do with a fetch whose header section has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The fetch was started with this request: its response is this request's own.
    Starter,
    /// It waited already when the response came.
    Early,
    /// It came when the response was there and may have aged: what is stored would be no different.
    Late,
}

/// Whether a request may have the response of a fetch that it started or joined. The caller has compared the variants.
#[must_use]
pub fn may_read(
    request: &RequestFacts,
    arrived: &StoredMeta,
    part: Part,
    now: SystemTime,
    policy: &CachePolicy,
) -> bool {
    match part {
        Part::Starter => true,
        // It waited before the response came, whenever its task gets to run: a response that is fresh for a second must
        // not send the last of many waiters to the origin.
        Part::Early => may_share(request, arrived, arrived.times.response_time),
        Part::Late => {
            let decision = decide(request, Some(arrived), now, policy);
            matches!(decision, Decision::Serve(_) | Decision::ServeAndRefresh)
        }
    }
}

/// Whether a request that waited for a fetch may have its response, which arrived for another request: what reuse
/// would be allowed (RFC 9111 section 4, on collapsed requests). The client's own wishes are met by a response that
/// has just come from the origin. The caller has compared the variant keys, and asks when the header section arrives.
#[must_use]
pub fn may_share(request: &RequestFacts, arrived: &StoredMeta, now: SystemTime) -> bool {
    let times = &arrived.times;
    let authorized = !request.authorization || times.authorized_reuse;
    let bridged = !times.must_revalidate && times.staleness(now) < times.stale_while_revalidate;
    request.is_cacheable_method() && authorized && !times.no_cache && (times.is_fresh(now) || bridged)
}

/// Whether a stale response may be served because the origin failed (RFC 5861 section 4, RFC 9111 section 4.2.4).
#[must_use]
pub fn may_serve_stale_on_error(
    request: &RequestFacts,
    stored: &StoredMeta,
    failure: OriginFailure,
    now: SystemTime,
    policy: &CachePolicy,
) -> bool {
    let times = &stored.times;
    let wishes = wishes(request, policy);
    let forbidden = times.no_cache || times.must_revalidate || wishes.no_cache;
    let unauthorized = request.authorization && !times.authorized_reuse;
    if forbidden || unauthorized || !failure.is_error() {
        return false;
    }
    let allowed = allowed_on_error(stored, &wishes, failure);
    times.is_fresh(now) || !allowed.is_zero() && times.staleness(now) <= allowed
}

/// The staleness that the origin, the policy or the client allow on an error, or that being cut off allows by itself.
/// An error that was stored stands in for no other one unless the origin said so: that it was there once helps nobody.
fn allowed_on_error(stored: &StoredMeta, wishes: &RequestDirectives, failure: OriginFailure) -> Duration {
    let times = &stored.times;
    let is_error = stored.status.is_client_error() || stored.status.is_server_error();
    let strict = times.source == FreshnessSource::SMaxAge || is_error;
    let client = if strict { None } else { wishes.stale_if_error };
    let silent = match failure {
        OriginFailure::Unreachable if !strict => DISCONNECTED_STALENESS,
        OriginFailure::Unreachable | OriginFailure::Status(_) => Duration::ZERO,
    };
    times.stale_if_error.max(client).unwrap_or(silent)
}

impl OriginFailure {
    /// The status that it answered.
    #[must_use]
    pub fn status(self) -> Option<StatusCode> {
        match self {
            Self::Unreachable => None,
            Self::Status(status) => Some(status),
        }
    }

    /// Whether it counts as an error (RFC 5861 section 4: 500, 502, 503 and 504, and no answer at all).
    #[must_use]
    pub fn is_error(self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Status(status) => matches!(status.as_u16(), 500 | 502 | 503 | 504),
        }
    }
}

#[cfg(test)]
mod tests;
