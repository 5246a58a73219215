//! Figures of one origin of a pool.

use std::time::Duration;

use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::Families;
use super::labels::{OriginOutcome, ProbeOutcome, Rejection};

/// A probe in the same place takes a millisecond, one over an ocean and TLS half a second; the usual time-out is 2 s.
const PROBE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The families that origins have series in.
pub(super) struct OriginFamilies {
    requests: IntCounterVec,
    connect_failures: IntCounterVec,
    circuit_state: IntGaugeVec,
    in_flight: IntGaugeVec,
    pending: IntGaugeVec,
    rejected: IntCounterVec,
    healthy: IntGaugeVec,
    effective_weight: GaugeVec,
    probes: IntCounterVec,
    probe_duration: HistogramVec,
    ejections: IntCounterVec,
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
            healthy: families.gauges(
                "tidegate_origin_healthy",
                "Whether origins are used without a second thought: 1, or 0 when down, ejected or suspect.",
                &["pool", "origin"],
            ),
            effective_weight: families.float_gauges(
                "tidegate_origin_effective_weight_ratio",
                "Part of their weight that origins get: less than 1 while they start slowly, 0 while not used.",
                &["pool", "origin"],
            ),
            probes: families.counters(
                "tidegate_origin_probes_total",
                "Probes of origins, by how they ended.",
                &["pool", "origin", "outcome"],
            ),
            probe_duration: families.histograms(
                "tidegate_origin_probe_duration_seconds",
                "Time that probes of origins took, whatever their outcome.",
                &["pool", "origin"],
                &PROBE_BUCKETS,
            ),
            ejections: families.counters(
                "tidegate_origin_ejections_total",
                "Ejections of origins for what requests met.",
                &["pool", "origin"],
            ),
        }
    }

    /// Hides gauges of origins that share one label: one verdict over all of them would mean nothing.
    pub(super) fn hide_verdicts(&self, pool: &str, origin: &str) {
        drop(self.healthy.remove_label_values(&[pool, origin]));
        drop(self.effective_weight.remove_label_values(&[pool, origin]));
    }

    /// Takes the series of an origin away that is configured no more. None of them but those that ever were.
    pub(super) fn remove(&self, pool: &str, origin: &str) {
        let labels = [pool, origin];
        for outcome in OriginOutcome::ALL {
            drop(self.requests.remove_label_values(&[pool, origin, outcome.label()]));
        }
        for outcome in ProbeOutcome::ALL {
            drop(self.probes.remove_label_values(&[pool, origin, outcome.label()]));
        }
        for reason in Rejection::ALL {
            drop(self.rejected.remove_label_values(&[pool, origin, reason.label()]));
        }
        for counters in [&self.connect_failures, &self.ejections] {
            drop(counters.remove_label_values(&labels));
        }
        for gauges in [&self.circuit_state, &self.in_flight, &self.pending, &self.healthy] {
            drop(gauges.remove_label_values(&labels));
        }
        drop(self.effective_weight.remove_label_values(&labels));
        drop(self.probe_duration.remove_label_values(&labels));
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
    healthy: IntGauge,
    effective_weight: Gauge,
    probes: [IntCounter; ProbeOutcome::COUNT],
    probe_duration: Histogram,
    ejections: IntCounter,
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
            rejected: Rejection::ALL.map(|reason| families.rejected.with_label_values(&[pool, origin, reason.label()])),
            healthy: families.healthy.with_label_values(&[pool, origin]),
            effective_weight: families.effective_weight.with_label_values(&[pool, origin]),
            probes: ProbeOutcome::ALL
                .map(|outcome| families.probes.with_label_values(&[pool, origin, outcome.label()])),
            probe_duration: families.probe_duration.with_label_values(&[pool, origin]),
            ejections: families.ejections.with_label_values(&[pool, origin]),
        }
    }

    /// Records what is thought of it at a scrape: whether it is used, and the part of its weight that it gets.
    pub fn seen(&self, healthy: bool, effective_weight: f64) {
        self.healthy.set(i64::from(healthy));
        self.effective_weight.set(effective_weight);
    }

    /// Records a probe.
    pub fn probed(&self, outcome: ProbeOutcome, duration: Duration) {
        self.probes[outcome as usize].inc();
        self.probe_duration.observe(duration.as_secs_f64());
    }

    /// Records an ejection.
    pub fn ejected(&self) {
        self.ejections.inc();
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
