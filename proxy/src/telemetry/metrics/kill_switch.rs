//! Which kill switches are on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{IntGauge, IntGaugeVec};

use super::family::Families;
use super::{MAX_SITES, OTHER};

/// Kill switches that are on, by site and action.
#[derive(Debug, Clone)]
pub struct KillSwitchMetrics {
    active: IntGaugeVec,
    /// Series that there are. They stay, with 0: a graph of what comes and goes has no holes, and there are never more than
    /// sites that have series, times actions.
    known: Arc<Mutex<BTreeMap<(String, &'static str), IntGauge>>>,
}

impl KillSwitchMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let help = "Kill switches that are on, by site and action.";
        let active = families.gauges("tidegate_kill_switches_active", help, &["site", "action"]);
        Self { active, known: Arc::default() }
    }

    /// Sets how many are on. Those not told of are off.
    pub fn set<'c>(&self, counts: impl Iterator<Item = ((&'c str, &'static str), i64)>) {
        let mut known = self.known.lock();
        let mut sites: BTreeSet<String> = known.keys().map(|(site, _)| site.clone()).collect();
        let mut now: BTreeMap<(String, &'static str), i64> = BTreeMap::new();
        for ((site, action), count) in counts {
            let has_own = sites.contains(site) || sites.len() < MAX_SITES;
            let label = if has_own { site } else { OTHER };
            sites.insert(label.to_owned());
            *now.entry((label.to_owned(), action)).or_default() += count;
        }
        for (label, gauge) in known.iter() {
            gauge.set(now.remove(label).unwrap_or_default());
        }
        for ((site, action), count) in now {
            let gauge = self.active.with_label_values(&[&site, action]);
            gauge.set(count);
            known.insert((site, action), gauge);
        }
    }
}
