//! Figures of the cache and of fills.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use prometheus::{IntCounter, IntGauge};

use super::family::Families;
use super::labels::{EvictionCause, FillOutcome, MissReason, ResumeOutcome};

/// What the cache holds at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Bytes of all stored objects.
    pub bytes: u64,
    /// Stored objects.
    pub entries: u64,
    /// Bytes it may hold.
    pub capacity: u64,
}

type UsageSource = Box<dyn Fn() -> CacheUsage + Send + Sync>;

/// The figures of the cache.
pub struct CacheMetrics {
    source: OnceLock<UsageSource>,
    bytes: IntGauge,
    entries: IntGauge,
    capacity: IntGauge,
    evictions: [IntCounter; EvictionCause::COUNT],
    misses: [IntCounter; MissReason::COUNT],
}

impl CacheMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let evictions =
            families.counters("tidegate_cache_evictions_total", "Objects that left the cache, by cause.", &["cause"]);
        let misses = families.counters(
            "tidegate_cache_misses_total",
            "Requests that were not answered from store, by reason.",
            &["reason"],
        );
        Self {
            source: OnceLock::new(),
            bytes: families.gauge("tidegate_cache_bytes", "Bytes of stored objects."),
            entries: families.gauge("tidegate_cache_entries", "Stored objects."),
            capacity: families.gauge("tidegate_cache_capacity_bytes", "Bytes that stored objects may take."),
            misses: MissReason::ALL.map(|reason| misses.with_label_values(&[reason.label()])),
            evictions: EvictionCause::ALL.map(|cause| evictions.with_label_values(&[cause.label()])),
        }
    }

    /// Names where usage is read from at each scrape. The first call counts; later ones change nothing.
    pub fn read_usage_from(&self, source: impl Fn() -> CacheUsage + Send + Sync + 'static) {
        if self.source.set(Box::new(source)).is_err() {
            log::warn!("the cache's usage has a source already");
        }
    }

    /// Objects that left the cache, by cause.
    #[must_use]
    pub fn evictions(&self) -> BTreeMap<&'static str, u64> {
        EvictionCause::ALL.into_iter().map(|cause| (cause.label(), self.evictions[cause as usize].get())).collect()
    }

    /// Records a request that was not answered from store.
    pub fn missed(&self, reason: MissReason) {
        self.misses[reason as usize].inc();
    }

    /// Records an object that left.
    pub fn evicted(&self, cause: EvictionCause) {
        self.evictions[cause as usize].inc();
    }

    /// What the cache holds at this moment; nothing before a source is named.
    #[must_use]
    pub fn usage(&self) -> CacheUsage {
        self.source.get().map(|source| source()).unwrap_or_default()
    }

    pub(super) fn refresh(&self) {
        let usage = self.usage();
        let as_gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.bytes.set(as_gauge(usage.bytes));
        self.entries.set(as_gauge(usage.entries));
        self.capacity.set(as_gauge(usage.capacity));
    }
}

/// The figures of fills.
pub struct FillMetrics {
    started: IntCounter,
    finished: [IntCounter; FillOutcome::COUNT],
    in_flight: IntGauge,
    bytes: IntCounter,
    refused: IntCounter,
    resumes: [IntCounter; ResumeOutcome::COUNT],
    collapsed: IntCounter,
    waiting: IntGauge,
}

impl FillMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let finished =
            families.counters("tidegate_fills_finished_total", "Fills that ended, by outcome.", &["outcome"]);
        let resumes = families.counters(
            "tidegate_fill_resumes_total",
            "Requests for the rest of a body that broke off, by what came of them.",
            &["outcome"],
        );
        Self {
            started: families.counter("tidegate_fills_started_total", "Fills begun."),
            finished: FillOutcome::ALL.map(|outcome| finished.with_label_values(&[outcome.label()])),
            in_flight: families.gauge("tidegate_fills_in_flight", "Fills under way."),
            bytes: families.counter("tidegate_fill_bytes_total", "Body bytes that fills fetched from origins."),
            refused: families.counter("tidegate_fills_refused_total", "Fills not begun as too many were under way."),
            resumes: ResumeOutcome::ALL.map(|outcome| resumes.with_label_values(&[outcome.label()])),
            collapsed: families.counter(
                "tidegate_collapsed_requests_total",
                "Requests answered by a fill that another request had started.",
            ),
            waiting: families.gauge("tidegate_fill_waiters", "Requests that wait for the head of a fill's response."),
        }
    }

    /// Records the begin of a fill. The fill keeps what this returns and ends it with its outcome.
    #[must_use]
    pub fn start(&self) -> FillInFlight {
        self.started.inc();
        self.in_flight.inc();
        FillInFlight {
            finished: self.finished.clone(),
            in_flight: self.in_flight.clone(),
            outcome: FillOutcome::Failed,
        }
    }

    /// Records body bytes fetched from an origin.
    pub fn fetched(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }

    /// Records a fill that was not begun because too many were under way.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// Records what came of asking for the rest of a body that broke off.
    pub fn resumed(&self, outcome: ResumeOutcome) {
        self.resumes[outcome as usize].inc();
    }

    /// Records a request that was answered by a fill of another one.
    pub fn joined(&self) {
        self.collapsed.inc();
    }

    /// Counts a request as waiting until what this returns is dropped.
    #[must_use]
    pub fn wait(&self) -> WaiterGuard {
        self.waiting.inc();
        WaiterGuard(self.waiting.clone())
    }

    /// Fills under way.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }
}

/// A fill under way. Dropped without an outcome, as when its task panics, it counts as failed.
pub struct FillInFlight {
    finished: [IntCounter; FillOutcome::COUNT],
    in_flight: IntGauge,
    outcome: FillOutcome,
}

impl FillInFlight {
    /// Ends it.
    pub fn finish(mut self, outcome: FillOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for FillInFlight {
    fn drop(&mut self) {
        self.in_flight.dec();
        self.finished[self.outcome as usize].inc();
    }
}

/// A request that waits for a fill.
pub struct WaiterGuard(IntGauge);

impl Drop for WaiterGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
