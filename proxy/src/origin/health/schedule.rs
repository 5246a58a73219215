//! When the next probe of an origin begins. Chance spreads the probes of many nodes and origins over time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Part of the interval by which chance moves a probe, either way.
const JITTER: f64 = 0.1;
/// The first probes of a node begin within this part of the interval: soon, and not all at once.
const SPREAD: f64 = 0.2;
/// An origin that comes back, or that a request doubts, is probed so many times as often.
const HASTE: u32 = 5;

/// The pace of one origin's probes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) interval: Duration,
}

impl Schedule {
    /// From the start of the node to its first probe; `chance` is from 0 to 1.
    pub(super) fn first(self, chance: f64) -> Duration {
        self.interval.mul_f64(SPREAD * chance)
    }

    /// From the start of one probe to that of the next.
    pub(super) fn next(self, soon: bool, chance: f64) -> Duration {
        let pause = if soon { self.soonest() } else { self.interval };
        pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance)
    }

    /// The shortest time between two probes, whoever wants them.
    pub(super) fn soonest(self) -> Duration {
        self.interval / HASTE
    }
}

/// A number from 0 to 1. It need not be secret, only different everywhere.
pub(super) fn chance() -> f64 {
    // The standard library seeds each of these anew.
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spread_by_a_tenth_either_way() {
        let schedule = Schedule { interval: Duration::from_secs(5) };
        let milliseconds = |chance| schedule.next(false, chance).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(milliseconds), [4_500, 5_000, 5_500]);
        assert_eq!(schedule.next(true, 0.5), Duration::from_secs(1));
        assert_eq!([0.0, 1.0].map(|chance| schedule.first(chance).as_millis()), [0, 1_000]);
    }

    #[test]
    fn chance_differs_and_stays_in_range() {
        let drawn: Vec<f64> = (0..1_000).map(|_| chance()).collect();
        assert!(drawn.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = drawn.iter().sum::<f64>() / 1_000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
