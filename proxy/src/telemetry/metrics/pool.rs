//! Figures of one origin pool: further attempts and hedges.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::Families;
use super::labels::{HedgeOutcome, RetryReason};

/// The families that pools have series in.
pub(super) struct PoolFamilies {
    retries: IntCounterVec,
    budget_exhausted: IntCounterVec,
    hedges: IntCounterVec,
    panic: IntGaugeVec,
}

impl PoolFamilies {
    pub(super) fn register(families: &Families<'_>) -> Self {
        Self {
            retries: families.counters(
                "tidegate_origin_retries_total",
                "Further attempts for requests that an origin failed, by how it failed.",
                &["pool", "reason"],
            ),
            budget_exhausted: families.counters(
                "tidegate_origin_retry_budget_exhausted_total",
                "Further attempts not made as the retry budget was spent.",
                &["pool"],
            ),
            hedges: families.counters(
                "tidegate_hedges_total",
                "Second requests to another origin while the first one still waited, by what came of them.",
                &["pool", "outcome"],
            ),
            panic: families.gauges(
                "tidegate_pool_panic",
                "Whether so little of a pool is healthy that all of it is used: 1, else 0.",
                &["pool"],
            ),
        }
    }

    /// Takes the series of a pool away that is configured no more.
    pub(super) fn remove(&self, pool: &str) {
        for reason in RetryReason::ALL {
            drop(self.retries.remove_label_values(&[pool, reason.label()]));
        }
        for outcome in HedgeOutcome::ALL {
            drop(self.hedges.remove_label_values(&[pool, outcome.label()]));
        }
        drop(self.budget_exhausted.remove_label_values(&[pool]));
        drop(self.panic.remove_label_values(&[pool]));
    }
}

/// The figures of one pool.
pub struct PoolMetrics {
    retries: [IntCounter; RetryReason::COUNT],
    budget_exhausted: IntCounter,
    hedges: [IntCounter; HedgeOutcome::COUNT],
    panic: IntGauge,
}

impl PoolMetrics {
    pub(super) fn new(families: &PoolFamilies, pool: &str) -> Self {
        Self {
            retries: RetryReason::ALL.map(|reason| families.retries.with_label_values(&[pool, reason.label()])),
            budget_exhausted: families.budget_exhausted.with_label_values(&[pool]),
            hedges: HedgeOutcome::ALL.map(|outcome| families.hedges.with_label_values(&[pool, outcome.label()])),
            panic: families.panic.with_label_values(&[pool]),
        }
    }

    /// Records whether all of it is used at a scrape.
    pub fn panic(&self, panics: bool) {
        self.panic.set(i64::from(panics));
    }

    /// Records a further attempt.
    pub fn retried(&self, reason: RetryReason) {
        self.retries[reason as usize].inc();
    }

    /// Records a further attempt that the budget did not allow.
    pub fn retry_budget_exhausted(&self) {
        self.budget_exhausted.inc();
    }

    /// Records what came of a hedge.
    pub fn hedged(&self, outcome: HedgeOutcome) {
        self.hedges[outcome as usize].inc();
    }
}
