//! Histograms of durations for the request path: an observation is two relaxed additions in a cache line that few
//! threads share. The library's own histogram took 35 ns alone and twice that between two threads, most of it the
//! floating-point sum; a cached hit has some microseconds in all.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Upper bounds of a histogram, in seconds, without the infinite one.
pub(super) type Bounds = [f64; BOUNDS];

/// Bounds of each histogram: with the infinite one and the sum they fill 112 bytes, one stripe.
const BOUNDS: usize = 12;
/// Copies that threads are spread over, by a power of two: with 8, workers of a large machine rarely meet, and a
/// histogram stays at 1 KiB.
const STRIPES: usize = 8;
const NANOSECONDS: f64 = 1e9;

/// One histogram.
pub(super) struct TimeHistogram {
    bounds: [u64; BOUNDS],
    stripes: [Stripe; STRIPES],
}

/// Its own pair of cache lines, as processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

thread_local! {
    static STRIPE: Cell<usize> = Cell::new(next_stripe());
}

fn next_stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES
}

impl TimeHistogram {
    fn new(bounds: &Bounds) -> Self {
        Self { bounds: bounds.map(|seconds| (seconds * NANOSECONDS).round() as u64), stripes: Default::default() }
    }

    /// Records a duration.
    pub(super) fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.iter().position(|bound| nanoseconds <= *bound).unwrap_or(BOUNDS);
        // A thread that is ending has no place of its own any more.
        let stripe = &self.stripes[STRIPE.try_with(Cell::get).unwrap_or_default()];
        stripe.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        stripe.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn read(&self, bounds: &Bounds) -> Histogram {
        let in_bucket = |index: usize| -> u64 {
            self.stripes.iter().map(|stripe| stripe.buckets[index].load(Ordering::Relaxed)).sum()
        };
        let mut histogram = Histogram::default();
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS);
        for (index, bound) in bounds.iter().enumerate() {
            count += in_bucket(index);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            buckets.push(bucket);
        }
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count + in_bucket(BOUNDS));
        let sums = self.stripes.iter().map(|stripe| stripe.nanoseconds.load(Ordering::Relaxed) as f64);
        histogram.set_sample_sum(sums.sum::<f64>() / NANOSECONDS);
        histogram
    }
}

/// Histograms of one name, by site and protocol.
#[derive(Clone)]
pub(super) struct TimeHistograms {
    description: Desc,
    bounds: Bounds,
    series: Arc<Mutex<Vec<Series>>>,
}

struct Series {
    labels: Vec<LabelPair>,
    histogram: Arc<TimeHistogram>,
}

impl TimeHistograms {
    /// Describes a family.
    pub(super) fn new(name: &str, help: &str, bounds: &Bounds) -> prometheus::Result<Self> {
        let labels = vec!["protocol".to_owned(), "site".to_owned()];
        let description = Desc::new(name.to_owned(), help.to_owned(), labels, Default::default())?;
        Ok(Self { description, bounds: *bounds, series: Arc::default() })
    }

    /// Adds the histogram of a site and protocol. Call it once for each.
    pub(super) fn add(&self, site: &str, protocol: &str) -> Arc<TimeHistogram> {
        let histogram = Arc::new(TimeHistogram::new(&self.bounds));
        let labels = [("protocol", protocol), ("site", site)].map(|(name, value)| label(name, value)).to_vec();
        self.series.lock().push(Series { labels, histogram: Arc::clone(&histogram) });
        histogram
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

impl Collector for TimeHistograms {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let read = |series: &Series| {
            let mut metric = Metric::from_label(series.labels.clone());
            metric.set_histogram(series.histogram.read(&self.bounds));
            metric
        };
        let mut family = MetricFamily::default();
        family.set_name(self.description.fq_name.clone());
        family.set_help(self.description.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(self.series.lock().iter().map(read).collect());
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDARIES: Bounds = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.1, 1.0];

    #[test]
    fn a_duration_counts_in_the_bucket_that_ends_with_it_and_all_after() {
        let histogram = TimeHistogram::new(&BOUNDARIES);
        let durations = [Duration::from_millis(1), Duration::from_nanos(1_000_001), Duration::from_secs(5)];
        durations.into_iter().for_each(|duration| histogram.observe(duration));
        let read = histogram.read(&BOUNDARIES);
        let counts: Vec<_> = read.get_bucket().iter().map(Bucket::cumulative_count).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(read.get_sample_count(), 3);
        assert!((read.get_sample_sum() - 5.002_000_001).abs() < 1e-9);
    }

    #[test]
    fn observations_of_all_threads_are_summed() {
        let histogram = TimeHistogram::new(&BOUNDARIES);
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1_000).for_each(|_| histogram.observe(Duration::from_millis(2))));
            }
        });
        let read = histogram.read(&BOUNDARIES);
        assert_eq!(read.get_sample_count(), 2_000 * STRIPES as u64);
        assert!((read.get_sample_sum() - 4.0 * STRIPES as f64).abs() < 1e-6);
    }
}
