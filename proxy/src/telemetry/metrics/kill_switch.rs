//! Which kill switches are on.

use std::collections::BTreeSet;

use prometheus::IntGaugeVec;

use super::family::Families;
use super::{MAX_SITES, OTHER};

/// Kill switches that are on, by site and action.
#[derive(Debug, Clone)]
pub struct KillSwitchMetrics {
    active: IntGaugeVec,
}

impl KillSwitchMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let help = "Kill switches that are on, by site and action.";
        Self { active: families.gauges("tidegate_kill_switches_active", help, &["site", "action"]) }
    }

    /// Sets how many are on. Those not told of are off.
    pub fn set<'c>(&self, counts: impl Iterator<Item = ((&'c str, &'static str), i64)>) {
        self.active.reset();
        let mut sites = BTreeSet::new();
        for ((site, action), count) in counts {
            let has_own = sites.contains(site) || sites.len() < MAX_SITES;
            let label = if has_own { site } else { OTHER };
            sites.insert(label);
            self.active.with_label_values(&[label, action]).add(count);
        }
    }
}
