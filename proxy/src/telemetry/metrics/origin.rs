//! Figures of one origin of a pool.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::Families;
use super::labels::{OriginOutcome, Rejection};

/// The families that origins have series in.
pub(super) struct OriginFamilies {
    requests: IntCounterVec,
    connect_failures: IntCounterVec,
    circuit_state: IntGaugeVec,
    in_flight: IntGaugeVec,
    pending: IntGaugeVec,
    rejected: IntCounterVec,
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
            circuit_state: families.gauges(
                "tidegate_origin_circuit_state",
                "Circuits of origins: 0 closed, 1 half-open, 2 open.",
                &["pool", "origin"],
            ),
            in_flight: families.gauges(
                "tidegate_origin_in_flight",
                "Requests to origins under way.",
                &["pool", "origin"],
            ),
            pending: families.gauges(
                "tidegate_origin_pending",
                "Requests that wait for their turn at an origin.",
                &["pool", "origin"],
            ),
            rejected: families.counters(
                "tidegate_origin_rejected_total",
                "Requests that an origin's circuit or limits kept from it; they may have gone to another one.",
                &["pool", "origin", "reason"],
            ),
        }
    }
}

/// The figures of one origin.
pub struct OriginMetrics {
    requests: [IntCounter; OriginOutcome::COUNT],
    connect_failures: IntCounter,
    circuit_state: IntGauge,
    in_flight: IntGauge,
    pending: IntGauge,
    rejected: [IntCounter; Rejection::COUNT],
}

impl OriginMetrics {
    pub(super) fn new(families: &OriginFamilies, pool: &str, origin: &str) -> Self {
        let requests = |outcome: OriginOutcome| families.requests.with_label_values(&[pool, origin, outcome.label()]);
        Self {
            requests: OriginOutcome::ALL.map(requests),
            connect_failures: families.connect_failures.with_label_values(&[pool, origin]),
            circuit_state: families.circuit_state.with_label_values(&[pool, origin]),
            in_flight: families.in_flight.with_label_values(&[pool, origin]),
            pending: families.pending.with_label_values(&[pool, origin]),
            rejected: Rejection::ALL
                .map(|reason| families.rejected.with_label_values(&[pool, origin, reason.label()])),
        }
    }

    /// Records the state of its circuit, as the metric's help names it.
    pub fn circuit(&self, state: i64) {
        self.circuit_state.set(state);
    }

    /// Records requests that begin, or end.
    pub fn in_flight(&self, change: i64) {
        self.in_flight.add(change);
    }

    /// Records requests that begin to wait, or end it.
    pub fn pending(&self, change: i64) {
        self.pending.add(change);
    }

    /// Records a request that it did not get.
    pub fn rejected(&self, reason: Rejection) {
        self.rejected[reason as usize].inc();
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
