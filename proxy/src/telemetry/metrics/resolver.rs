//! Figures of the resolver of origins' names.

use prometheus::IntCounter;

use super::family::Families;
use super::labels::LookupOutcome;

/// What became of look-ups, and how often an answer past its life was used.
#[derive(Debug, Clone)]
pub struct ResolverMetrics {
    lookups: [IntCounter; LookupOutcome::COUNT],
    /// Uses of an answer past its life, because DNS failed.
    pub stale_answers: IntCounter,
}

impl ResolverMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let lookups = families.counters(
            "tidegate_dns_lookups_total",
            "Look-ups of origins' names, by what they found.",
            &["outcome"],
        );
        Self {
            lookups: LookupOutcome::ALL.map(|outcome| lookups.with_label_values(&[outcome.label()])),
            stale_answers: families
                .counter("tidegate_dns_stale_answers_total", "Uses of an answer past its life, because DNS failed."),
        }
    }

    /// Records a look-up.
    pub fn looked_up(&self, outcome: LookupOutcome) {
        self.lookups[outcome as usize].inc();
    }
}
