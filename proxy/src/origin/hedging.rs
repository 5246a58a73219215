//! When a second request goes to another origin while the first one still waits (Dean and Barroso, The Tail at Scale,
//! 2013).
//!
//! Owns the time and the budget; `fetcher` runs the race.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_config::ids::OriginName;
use tidegate_config::model::HedgeDelay;

use super::latencies::Latencies;
use super::pool::{CompiledOrigin, CompiledPool};
use crate::telemetry::HedgeOutcome;

/// Delay while too little is known of an origin's latency: slower than nearly every origin that works.
const UNKNOWN_DELAY: Duration = Duration::from_millis(500);

/// No hedge goes earlier by the measured delay: below this, waiting costs less than asking twice.
const MIN_DELAY: Duration = Duration::from_millis(10);

/// Whether a fetch may be hedged, as far as is known.
#[derive(Clone, Default)]
pub(super) enum Chance {
    /// No origin is asked yet.
    #[default]
    Unknown,
    /// Once this time is over.
    After(Delay),
    /// Not, or not any more.
    Never,
}

/// When, and in whose place.
#[derive(Clone)]
pub(super) struct Delay {
    pool: Arc<CompiledPool>,
    /// The origin that is asked already.
    origin: Arc<CompiledOrigin>,
    /// Since when.
    began: Instant,
    /// When the hedge is due.
    pub(super) due: Instant,
}

impl Delay {
    /// That of a request which this origin is asked now; none when the pool does not hedge.
    pub(super) fn new(pool: &Arc<CompiledPool>, origin: &Arc<CompiledOrigin>, now: Instant) -> Option<Self> {
        let hedging = pool.pool.hedging.as_ref()?;
        pool.protection.hedges.request(now);
        let due = now + delay(hedging.after, &origin.protection.latencies);
        Some(Self { pool: Arc::clone(pool), origin: Arc::clone(origin), began: now, due })
    }

    /// The origin that is asked already.
    pub(super) fn asked(&self) -> OriginName {
        self.origin.origin.name.clone()
    }

    /// The origin asked first is hung up on without an answer. Nobody else tells of that: its request ends without a word,
    /// and one that hangs would be asked first for ever, where nothing probes it or a probe finds its port open.
    pub(super) fn give_up(&self) {
        let silent = self.origin.protection.latencies.give_up(self.began, Instant::now(), self.due - self.began);
        if silent {
            self.origin.health.timed_out();
        }
    }

    /// Pays for the hedge, if the budget allows it.
    pub(super) fn pay(&self) -> bool {
        let percent = self.pool.pool.hedging.as_ref().map_or(0, |hedging| hedging.budget);
        let paid = self.pool.protection.hedges.spend(Instant::now(), percent, 0);
        if !paid {
            self.tell(HedgeOutcome::OverBudget);
        }
        paid
    }

    /// Records what came of it.
    pub(super) fn tell(&self, outcome: HedgeOutcome) {
        self.pool.protection.metrics.hedged(outcome);
    }

    /// Whether a response with this status is no answer.
    pub(super) fn is_failure(&self, status: u16) -> bool {
        self.pool.pool.retry.statuses.contains(&status)
    }
}

fn delay(after: HedgeDelay, latencies: &Latencies) -> Duration {
    match after {
        HedgeDelay::Fixed(delay) => delay,
        HedgeDelay::P95 => latencies.p95().map_or(UNKNOWN_DELAY, |p95| p95.max(MIN_DELAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_delay_needs_answers_and_has_a_least() {
        let milliseconds = Duration::from_millis;
        let cases = [
            // answers, how long each took, delay
            (0, 0, UNKNOWN_DELAY),
            (19, 80, UNKNOWN_DELAY),
            (20, 80, milliseconds(80)),
            (20, 1, MIN_DELAY),
        ];
        for (answers, took, expected) in cases {
            let latencies = Latencies::default();
            (0..answers).for_each(|_| latencies.record(milliseconds(took)));
            assert_eq!(delay(HedgeDelay::P95, &latencies), expected, "{answers} {took}");
            assert_eq!(delay(HedgeDelay::Fixed(milliseconds(7)), &latencies), milliseconds(7));
        }
    }
}
