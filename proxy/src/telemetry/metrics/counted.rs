//! Counters read back, for answers to operators that say the same as the metrics do.

use std::collections::BTreeMap;

use prometheus::core::Collector;

/// What a family of counters has counted, summed up by one of its labels, where its others are these. Of histograms that is
/// how often something was observed.
pub(super) fn by_label(family: &impl Collector, label: &str, others: &[(&str, &str)]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for metrics in family.collect() {
        for metric in metrics.get_metric() {
            let value =
                |name: &str| metric.get_label().iter().find(|pair| pair.name() == name).map(|pair| pair.value());
            if others.iter().any(|(name, wanted)| value(name) != Some(wanted)) {
                continue;
            }
            // Counters are whole numbers below 2^53.
            let counted = metric.get_counter().get_value() as u64 + metric.get_histogram().get_sample_count();
            *sums.entry(value(label).unwrap_or_default().to_owned()).or_default() += counted;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, Opts};

    use super::*;

    #[test]
    fn counters_are_summed_up_by_a_label() {
        let family = IntCounterVec::new(Opts::new("a", "b"), &["site", "kind", "protocol"]).unwrap();
        for (site, kind, protocol, count) in
            [("m", "hit", "1", 3), ("m", "hit", "2", 4), ("m", "miss", "1", 1), ("n", "hit", "1", 9)]
        {
            family.with_label_values(&[site, kind, protocol]).inc_by(count);
        }
        let expected = [("hit".to_owned(), 7), ("miss".to_owned(), 1)];
        assert_eq!(by_label(&family, "kind", &[("site", "m")]), BTreeMap::from(expected));
        assert_eq!(by_label(&family, "kind", &[("site", "o")]), BTreeMap::new());
    }
}
