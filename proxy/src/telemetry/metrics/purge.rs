//! Figures of purges.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::family::Families;

/// Purges, and what came of them.
#[derive(Clone)]
pub struct PurgeMetrics {
    generation: IntGauge,
    names: IntGauge,
    purges: IntCounterVec,
    outdated: IntCounterVec,
    with_all_tags: IntCounter,
}

impl PurgeMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        Self {
            generation: families.gauge("tidegate_purge_generation", "Number of the latest purge."),
            names: families.gauge("tidegate_purge_names", "Names whose purges are told apart."),
            purges: families.counters(
                "tidegate_purges_total",
                "Purges, by what they were about and whether they were hard or soft.",
                &["scope", "mode"],
            ),
            outdated: families.counters(
                "tidegate_purged_objects_total",
                "Stored objects that were asked for and found purged, or taken out as such, by mode and by why: the purge \
                 was about them (exact), they count as having all tags (all_tags), or what was purged is not told apart from \
                 them any more (folded).",
                &["mode", "because"],
            ),
            with_all_tags: families.counter(
                "tidegate_overtagged_responses_total",
                "Stored responses with more or longer tags than are told apart, so that the purge of any tag purges them.",
            ),
        }
    }

    /// Shows where purges are.
    pub fn is_at(&self, generation: u64, names: usize) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.names.set(i64::try_from(names).unwrap_or(i64::MAX));
    }

    /// Records a purge.
    pub fn purged(&self, scope: &'static str, mode: &'static str) {
        self.purges.with_label_values(&[scope, mode]).inc();
    }

    /// Records an object that was found purged.
    pub fn found_outdated(&self, mode: &'static str, because: &'static str) {
        self.outdated.with_label_values(&[mode, because]).inc();
    }

    /// Records a response with more tags than are told apart.
    pub fn has_all_tags(&self) {
        self.with_all_tags.inc();
    }
}
