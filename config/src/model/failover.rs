//! What a pool does when an origin fails a request, and how it keeps load from origins.

use std::time::Duration;

/// When a request that failed goes to the next origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Further attempts as a share of requests, in percent (default 20): no storm on a pool in trouble.
    pub budget: u8,
    /// Further attempts a second that are always allowed (default 10), so that a quiet pool fails over too.
    pub budget_floor: u32,
    /// No attempt begins later than this after the first (default 15 s).
    pub deadline: Duration,
    /// Statuses of an origin that are a failure (default 502, 503, 504), if another attempt is allowed; else they are
    /// passed on as they are.
    pub statuses: Vec<u16>,
}

/// A second request while the first still waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hedging {
    /// When it is sent.
    pub after: HedgeDelay,
    /// Hedges as a share of requests, in percent (default 5).
    pub budget: u8,
}

/// When a hedge is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeDelay {
    /// Once the origin is slower than 95 % of its latest answers.
    P95,
    /// After this time.
    Fixed(Duration),
}

/// The most that this node asks of one origin: circuit breaker and protection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginLimits {
    /// Requests at the same time, fills included (default 1,024).
    pub requests: u32,
    /// Fills at the same time (default 256).
    pub fills: u32,
    /// Requests a second; no such bound when absent (default).
    pub rate: Option<u32>,
    /// Requests that wait for their turn (default 256).
    pub pending: u32,
    /// How long each waits (default 500 ms); then another origin, what is stale, or 503 with `Retry-After`.
    pub pending_timeout: Duration,
    /// Share of failures among the last 10 s, in percent, that opens the circuit (default 50); 0 for never.
    pub failures: u8,
    /// Requests within those 10 s below which it never opens (default 20).
    pub failures_floor: u32,
    /// How long an open circuit sends nothing but one trial at a time (default 5 s).
    pub open: Duration,
}

/// What ties a request to the same origin or variant every time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickyKey {
    /// Host and canonical path: for caches in front of origins that cache.
    Path,
    /// The client's address. Requests of the cache are for everyone: there the path counts.
    ClientAddress,
    /// A field of the request; the path when it has none.
    Header(http::HeaderName),
    /// A cookie of the request; the path when it has none.
    Cookie(String),
}

/// How the origins of a pool are ordered, before weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginOrder {
    /// By the distance of their region from this node: its own, then its fail-over list, then by coordinates (default).
    Nearest,
    /// As written: the first, while it is healthy.
    Written,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { budget: 20, budget_floor: 10, deadline: Duration::from_secs(15), statuses: vec![502, 503, 504] }
    }
}

impl Default for OriginLimits {
    fn default() -> Self {
        Self {
            requests: 1_024,
            fills: 256,
            rate: None,
            pending: 256,
            pending_timeout: Duration::from_millis(500),
            failures: 50,
            failures_floor: 20,
            open: Duration::from_secs(5),
        }
    }
}
