//! Figures of mirrored requests.

use prometheus::IntCounter;

use super::family::Families;
use super::labels::MirrorOutcome;

/// Counters of copies by what became of them.
pub(super) struct MirrorMetrics {
    requests: [IntCounter; MirrorOutcome::COUNT],
}

impl MirrorMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let requests = families.counters(
            "tidegate_mirrored_requests_total",
            "Copies of requests for another pool, by what became of them.",
            &["outcome"],
        );
        Self { requests: MirrorOutcome::ALL.map(|outcome| requests.with_label_values(&[outcome.label()])) }
    }

    pub(super) fn mirrored(&self, outcome: MirrorOutcome) {
        self.requests[outcome as usize].inc();
    }
}
