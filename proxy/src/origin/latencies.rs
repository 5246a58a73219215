//! How long an origin takes to answer: its latest answers, and what nearly all of them stay below.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Answers remembered. Enough for a steady percentile, few enough to follow a change within seconds.
const ANSWERS: usize = 128;

/// Below this many, a percentile is chance.
const MIN_ANSWERS: usize = 20;

/// The latest answers of one origin.
#[derive(Debug)]
pub struct Latencies {
    /// Milliseconds times 16, so that a fast origin's are not all zero.
    ring: [AtomicU32; ANSWERS],
    count: AtomicUsize,
}

const UNITS_PER_SECOND: f64 = 16_000.0;

impl Default for Latencies {
    fn default() -> Self {
        Self { ring: [const { AtomicU32::new(0) }; ANSWERS], count: AtomicUsize::new(0) }
    }
}

impl Latencies {
    /// An answer took this long to begin.
    pub fn record(&self, latency: Duration) {
        let place = self.count.fetch_add(1, Ordering::Relaxed) % ANSWERS;
        if let Some(slot) = self.ring.get(place) {
            // A cast from float saturates.
            slot.store((latency.as_secs_f64() * UNITS_PER_SECOND) as u32, Ordering::Relaxed);
        }
    }

    /// What 95 % of the latest answers stayed within; nothing while there are too few to tell.
    #[must_use]
    pub fn p95(&self) -> Option<Duration> {
        let count = self.count.load(Ordering::Relaxed).min(ANSWERS);
        if count < MIN_ANSWERS {
            return None;
        }
        let mut latest: Vec<u32> = self.ring.iter().take(count).map(|slot| slot.load(Ordering::Relaxed)).collect();
        let place = (count * 95).div_ceil(100) - 1;
        let (_, p95, _) = latest.select_nth_unstable(place);
        Some(Duration::from_secs_f64(f64::from(*p95) / UNITS_PER_SECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(milliseconds: impl Iterator<Item = u64>) -> Latencies {
        let latencies = Latencies::default();
        milliseconds.for_each(|latency| latencies.record(Duration::from_millis(latency)));
        latencies
    }

    #[test]
    fn percentile_is_that_of_the_latest_answers() {
        assert_eq!(recorded(1..=19).p95(), None, "too few");
        assert_eq!(recorded(1..=100).p95(), Some(Duration::from_millis(95)));
        let changed = recorded((0..1_000).map(|_| 5_000).chain((0..ANSWERS as u64).map(|_| 8)));
        assert_eq!(changed.p95(), Some(Duration::from_millis(8)), "what is older is forgotten");
    }

    #[test]
    fn endless_latency_does_not_overflow() {
        let latencies = Latencies::default();
        (0..MIN_ANSWERS).for_each(|_| latencies.record(Duration::MAX));
        assert!(latencies.p95().unwrap() > Duration::from_secs(3_600));
    }
}
