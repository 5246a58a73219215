//! Figures of fetching ahead.

use prometheus::IntCounter;

use super::family::Families;
use super::labels::PrefetchOutcome;

/// Counters of fetches ahead by what became of them.
pub(super) struct PrefetchMetrics {
    fetches: [IntCounter; PrefetchOutcome::COUNT],
}

impl PrefetchMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let fetches = families.counters(
            "tidegate_prefetches_total",
            "Fetches ahead of players: begun, and later used or wasted; limited and dropped ones were not begun.",
            &["outcome"],
        );
        Self { fetches: PrefetchOutcome::ALL.map(|outcome| fetches.with_label_values(&[outcome.label()])) }
    }

    pub(super) fn prefetched(&self, outcome: PrefetchOutcome) {
        self.fetches[outcome as usize].inc();
    }
}
