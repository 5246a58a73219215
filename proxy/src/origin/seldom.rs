//! What may be said once in a while, however often it happens: the log is written by whoever serves the request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two lines on the same matter. An outage is followed by its minutes, not by its requests.
const PAUSE: Duration = Duration::from_secs(10);

/// Remembers when something was said last.
#[derive(Debug)]
pub struct Seldom {
    epoch: Instant,
    /// When it may be said again, in milliseconds since the epoch.
    next: AtomicU64,
}

impl Seldom {
    /// Nothing is said yet.
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Self { epoch, next: AtomicU64::new(0) }
    }

    /// Whether it may be said at `now`. Of several who ask at once one is told yes.
    #[must_use]
    pub fn may_speak(&self, now: Instant) -> bool {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let since = now.saturating_duration_since(self.epoch);
        let next = self.next.load(Ordering::Relaxed);
        let after = milliseconds(since.saturating_add(PAUSE));
        milliseconds(since) >= next
            && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_after_each_pause() {
        let start = Instant::now();
        let seldom = Seldom::new(start);
        for (seconds, expected) in [(0, true), (0, false), (9, false), (10, true), (19, false), (60, true), (61, false)]
        {
            assert_eq!(seldom.may_speak(start + Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }
}
