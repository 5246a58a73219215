//! Latencies in a log-linear histogram: fixed memory, one array access a value, percentiles within 0.8 %.

use std::time::Duration;

/// Every power of two is cut in this many equal buckets (as bits): 2^7 keeps the error below 1/128.
const BUCKET_BITS: u32 = 7;
const BUCKETS_AN_OCTAVE: usize = 1 << BUCKET_BITS;
/// Values from 2^40 ns (18 minutes) on share the last bucket; no request of a bounded run takes longer.
const LARGEST_BITS: u32 = 40;
const BUCKETS: usize = BUCKETS_AN_OCTAVE * (LARGEST_BITS - BUCKET_BITS + 1) as usize;

/// Counts of durations.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum: Duration,
    largest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), count: 0, sum: Duration::ZERO, largest: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.sum += duration;
        self.largest = self.largest.max(duration);
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    pub(crate) fn largest(&self) -> Duration {
        self.largest
    }

    /// The mean, exactly; zero when nothing was counted.
    pub(crate) fn mean(&self) -> Duration {
        if self.count == 0 { Duration::ZERO } else { self.sum.div_f64(self.count as f64) }
    }

    /// The value that `share` (0 to 1) of all durations do not exceed, rounded up by at most 1/128.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_bound(index)).min(self.largest);
            }
        }
        self.largest
    }
}

/// Below 2^7 every value has a bucket; above, the leading seven bits after the first one choose it.
fn bucket(value: u64) -> usize {
    let octave = value.checked_ilog2().unwrap_or(0).saturating_sub(BUCKET_BITS);
    let within = (value >> octave) as usize;
    (octave as usize * BUCKETS_AN_OCTAVE + within).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_bound(index: usize) -> u64 {
    let octave = (index / BUCKETS_AN_OCTAVE).saturating_sub(1);
    let within = (index - octave * BUCKETS_AN_OCTAVE) as u64;
    ((within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_close_to_its_upper_bound() {
        let mut value = 0_u64;
        while value < 1 << LARGEST_BITS {
            let upper = upper_bound(bucket(value));
            assert!(upper >= value, "{value}: {upper}");
            assert!(upper - value <= value / 128, "{value}: {upper}");
            value += value / 1000 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn buckets_ascend_without_gaps() {
        for index in 1..BUCKETS {
            assert_eq!(bucket(upper_bound(index)), index);
            assert_eq!(bucket(upper_bound(index - 1) + 1), index);
        }
    }

    #[test]
    fn quantiles_of_a_known_series_are_found() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|milliseconds| histogram.record(Duration::from_millis(milliseconds)));
        for (share, milliseconds) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            let (found, exact) = (histogram.quantile(share), Duration::from_millis(milliseconds));
            assert!(found >= exact && found <= exact + exact / 128, "{share}: {found:?}");
        }
        assert_eq!(histogram.largest(), Duration::from_secs(1));
        assert_eq!(histogram.mean(), Duration::from_micros(500_500));
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
