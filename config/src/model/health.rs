//! How the health of a pool's origins is found out, and what follows from it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Active probes of every origin of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What a probe does.
    pub probe: Probe,
    /// From the start of one probe to the start of the next (default 5 s), ± 10 % by chance.
    pub interval: Duration,
    /// A probe takes no longer (default 2 s); shorter than the interval.
    pub timeout: Duration,
    /// Failures in a row after which an origin is down (default 3); a refused connection counts as all of them.
    pub fall: u32,
    /// Successes in a row after which it is up again (default 5).
    pub rise: u32,
    /// From coming up to its full share (default 120 s); zero for at once.
    pub slow_start: Duration,
    /// Below this share of a pool's weight that is healthy, in percent, all origins are used that no operator took out
    /// (default 50).
    pub panic_threshold: u8,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Nothing is probed; only what requests meet counts.
    Off,
    /// A TCP connection (default).
    Tcp,
    /// An HTTP request, over TLS when the origin's URL says `https`.
    Http(HttpProbe),
}

/// An HTTP request and what it must be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpProbe {
    /// Target in origin form (default `/`); behind the origin's path prefix.
    pub path: String,
    /// `GET` (default) or `HEAD`.
    pub method: http::Method,
    /// Host field; by the pool's rule when absent, and the origin's own where that says the client's.
    pub host: Option<String>,
    /// Statuses that mean health (default 200 to 299).
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Text that the first 64 KiB of the body must hold.
    pub body_contains: Option<String>,
}

/// What requests meet, counted against an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutlierEjection {
    /// Gateway errors (no connection, broken exchange, time-out, 502, 503, 504) in a row that eject (default 5); 0 for
    /// never.
    pub consecutive_failures: u32,
    /// First ejection (default 30 s); the n-th lasts n times as long.
    pub ejection: Duration,
    /// Longest ejection (default 300 s).
    pub ejection_max: Duration,
    /// Share of a pool that may be ejected at once, in percent (default 10); one origin always may, the last never.
    pub max_ejected: u8,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: Probe::Tcp,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 5,
            slow_start: Duration::from_secs(120),
            panic_threshold: 50,
        }
    }
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            ejection: Duration::from_secs(30),
            ejection_max: Duration::from_secs(300),
            max_ejected: 10,
        }
    }
}
