//! Origins to which a connection failed a moment ago.
//!
//! A memory of observed failures, not a health check: it only moves an origin to the end of the order, so that
//! one dead origin costs one request its connect time-out and not every request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a failed connection counts. Short: the next attempt after it is the probe that brings traffic back.
const SUSPICION: Duration = Duration::from_secs(5);

/// State of one origin.
#[derive(Debug)]
pub struct Suspects {
    epoch: Instant,
    /// Milliseconds since `epoch` until which the origin is suspect; 0 when it is not.
    until: AtomicU64,
}

impl Default for Suspects {
    fn default() -> Self {
        Self { epoch: Instant::now(), until: AtomicU64::new(0) }
    }
}

impl Suspects {
    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection failed at `now`.
    pub fn failed(&self, now: Instant) {
        self.until.store(self.milliseconds(now + SUSPICION).max(1), Ordering::Relaxed);
    }

    /// A connection succeeded.
    pub fn succeeded(&self) {
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(0, Ordering::Relaxed);
        }
    }

    /// Whether a connection failed a moment before `now`.
    #[must_use]
    pub fn is_suspect(&self, now: Instant) -> bool {
        self.until.load(Ordering::Relaxed) > self.milliseconds(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_ends_by_time_or_success() {
        let suspects = Suspects::default();
        let now = Instant::now();
        assert!(!suspects.is_suspect(now));
        suspects.failed(now);
        assert!(suspects.is_suspect(now));
        assert!(!suspects.is_suspect(now + SUSPICION + Duration::from_millis(1)));
        suspects.succeeded();
        assert!(!suspects.is_suspect(now));
    }
}
