//! Figures of one origin of a pool.

use prometheus::{IntCounter, IntCounterVec};

use super::family::Families;
use super::labels::OriginOutcome;

/// The families that origins have series in.
pub(super) struct OriginFamilies {
    requests: IntCounterVec,
    connect_failures: IntCounterVec,
}

impl OriginFamilies {
    pub(super) fn register(families: &Families<'_>) -> Self {
        Self {
            requests: families.counters(
                "tidegate_origin_requests_total",
                "Requests sent to origins, by what came of them.",
                &["pool", "origin", "outcome"],
            ),
            connect_failures: families.counters(
                "tidegate_origin_connect_failures_total",
                "Connections to origins that could not be established, TLS included.",
                &["pool", "origin"],
            ),
        }
    }
}

/// The figures of one origin.
pub struct OriginMetrics {
    requests: [IntCounter; OriginOutcome::COUNT],
    connect_failures: IntCounter,
}

impl OriginMetrics {
    pub(super) fn new(families: &OriginFamilies, pool: &str, origin: &str) -> Self {
        let requests = |outcome: OriginOutcome| families.requests.with_label_values(&[pool, origin, outcome.label()]);
        Self {
            requests: OriginOutcome::ALL.map(requests),
            connect_failures: families.connect_failures.with_label_values(&[pool, origin]),
        }
    }

    /// Records what came of a request sent to it.
    pub fn requested(&self, outcome: OriginOutcome) {
        self.requests[outcome as usize].inc();
    }

    /// Records a connection that could not be established.
    pub fn connect_failed(&self) {
        self.connect_failures.inc();
    }
}
