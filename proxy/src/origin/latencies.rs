//! How long an origin takes to answer: its latest answers, what nearly all of them stay below, and its silence while
//! requests to it are given up for a hedge.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Answers remembered. Enough for a steady percentile, few enough to follow a change within seconds.
const ANSWERS: usize = 128;

/// Below this many, a percentile is chance.
const MIN_ANSWERS: usize = 20;

/// An origin is silent when it has answered nothing for so many times the delay of its hedges ...
const SILENT_DELAYS: u32 = 20;

/// ... and so many requests to it have been given up meanwhile: one or two may have been slow by chance.
const SILENT_REQUESTS: u32 = 3;

/// The latest answers of one origin.
#[derive(Debug)]
pub struct Latencies {
    /// Milliseconds times 16, so that a fast origin's are not all zero.
    ring: [AtomicU32; ANSWERS],
    count: AtomicUsize,
    /// Requests given up since its latest answer, and when the first of them began.
    given_up: AtomicU32,
    silent_since: Mutex<Option<Instant>>,
}

const UNITS_PER_SECOND: f64 = 16_000.0;

impl Default for Latencies {
    fn default() -> Self {
        Self {
            ring: [const { AtomicU32::new(0) }; ANSWERS],
            count: AtomicUsize::new(0),
            given_up: AtomicU32::new(0),
            silent_since: Mutex::new(None),
        }
    }
}

impl Latencies {
    /// An answer took this long to begin.
    pub fn record(&self, latency: Duration) {
        if self.given_up.load(Ordering::Relaxed) > 0 {
            self.given_up.store(0, Ordering::Relaxed);
        }
        self.keep(latency);
    }

    /// A request that began then is given up at `now`, because the hedge sent after `delay` was answered. Its answer would
    /// have taken longer than this: left out, only fast answers would be remembered. Says whether the origin is silent.
    #[must_use]
    pub fn give_up(&self, began: Instant, now: Instant, delay: Duration) -> bool {
        self.keep(now.saturating_duration_since(began));
        let mut since = self.silent_since.lock();
        let given_up = self.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        if given_up == 1 {
            *since = Some(began);
        }
        let silence = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        given_up >= SILENT_REQUESTS && silence >= delay.saturating_mul(SILENT_DELAYS)
    }

    fn keep(&self, latency: Duration) {
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

    #[test]
    fn only_an_origin_that_answers_nothing_for_long_is_silent() {
        let delay = Duration::from_millis(50);
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        // When each request is given up, 60 ms after it began, and whether the last one shows that the origin is silent.
        let cases: [(&[u64], bool); 6] = [
            (&[60], false),
            (&[60, 120, 180], false),
            (&[60, 5_000], false),
            (&[60, 120, 999], false),
            (&[60, 120, 1_000], true),
            (&[60, 120, 1_000, 1_060], true),
        ];
        let give_up = |latencies: &Latencies, now: u64| latencies.give_up(at(now - 60), at(now), delay);
        for (given_up, expected) in cases {
            let latencies = Latencies::default();
            let silent = given_up.iter().map(|now| give_up(&latencies, *now)).last();
            assert_eq!(silent, Some(expected), "{given_up:?}");
            latencies.record(Duration::from_millis(1));
            assert!((2_000..2_003).all(|now| !give_up(&latencies, now)), "{given_up:?}: an answer ends the silence");
        }
    }

    #[test]
    fn requests_given_up_count_as_slow_answers() {
        let latencies = recorded((0..ANSWERS as u64).map(|_| 8));
        let start = Instant::now();
        for _ in 0..ANSWERS / 10 {
            let _silent = latencies.give_up(start, start + Duration::from_millis(70), Duration::from_millis(50));
        }
        assert_eq!(latencies.p95(), Some(Duration::from_millis(70)));
    }
}
