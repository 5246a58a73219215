//! Registration of metric families. Names, help and labels are constants of this folder, so a failure is a mistake
//! in the program that the first test meets.

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::time_histogram::{Bounds, TimeHistograms};

const CONSTANT: &str = "metric names, labels and buckets are valid constants, each registered once";

#[cfg(test)]
thread_local! {
    /// Names of all families that this thread has registered. A scrape shows those alone that have a series.
    pub(super) static REGISTERED: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Makes families and registers them.
pub(super) struct Families<'a>(&'a Registry);

impl<'a> Families<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self(registry)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect(CONSTANT))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect(CONSTANT))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect(CONSTANT))
    }

    pub(super) fn float_counter(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::new(name, help).expect(CONSTANT))
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help).expect(CONSTANT))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect(CONSTANT))
    }

    pub(super) fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), labels).expect(CONSTANT))
    }

    /// For what happens seldom; what requests observe is a time histogram.
    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(HistogramVec::new(options, labels).expect(CONSTANT))
    }

    /// By site and protocol.
    pub(super) fn time_histograms(&self, name: &str, help: &str, bounds: &Bounds) -> TimeHistograms {
        self.register(TimeHistograms::new(name, help, bounds).expect(CONSTANT))
    }

    pub(super) fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        #[cfg(test)]
        REGISTERED.with_borrow_mut(|names| names.extend(collector.desc().iter().map(|desc| desc.fq_name.clone())));
        self.0.register(Box::new(collector.clone())).expect(CONSTANT);
        collector
    }
}
