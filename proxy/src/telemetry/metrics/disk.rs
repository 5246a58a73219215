//! Figures of the disk tier, by device: what happened there, and ([`usage`]) what is there.

mod usage;

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};
use serde::Serialize;
use tidegate_store::{DiscardReason, NotWritten, ReadOutcome, Refused};

use super::counted::by_label;
use super::family::Families;
pub use usage::DiskUsage;
use usage::UsageFigures;

/// Why records were not written that waited for a device when it went away.
pub const DEVICE_AWAY: &str = "device_away";

/// Why records left a device where room was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskEvictionCause {
    /// Others wanted their room.
    Capacity,
    /// Their time was over.
    Expired,
    /// They were purged.
    Purged,
}

impl DiskEvictionCause {
    const ALL: [Self; 3] = [Self::Capacity, Self::Expired, Self::Purged];

    fn as_str(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::Expired => "expired",
            Self::Purged => "purged",
        }
    }
}

/// Seconds: from the page cache to a disk that is about to fail.
const LATENCIES: [f64; 12] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0];

/// Seconds: an hour, a day, a week, …
const AGES: [f64; 7] = [60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// The figures of the disk tier. Devices are as many as are configured.
pub struct DiskMetrics {
    usage: UsageFigures,
    reads: HistogramVec,
    read_bytes: IntCounterVec,
    writes: HistogramVec,
    written_bytes: IntCounterVec,
    not_written: IntCounterVec,
    evictions: IntCounterVec,
    ages: HistogramVec,
    carried: IntCounterVec,
    recovered: IntCounterVec,
    discarded: IntCounterVec,
    corrupt: IntCounterVec,
    refused: IntCounterVec,
    warmed: IntCounterVec,
}

/// What was counted of a device since the node was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// Reads, by how they ended.
    pub reads: BTreeMap<String, u64>,
    /// Records written.
    pub written: u64,
    /// Records that were to be written and were not, by why.
    pub not_written: BTreeMap<String, u64>,
    /// Records that left where room was made, by cause.
    pub evicted: BTreeMap<String, u64>,
    /// Records that were there when it was opened.
    pub recovered: u64,
    /// What was found then and is not used, by why.
    pub discarded: BTreeMap<String, u64>,
    /// Records found damaged when they were read.
    pub corrupt: u64,
}

impl DiskMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let counters = |name: &str, help: &str| families.counters(name, help, &["device"]);
        Self {
            usage: UsageFigures::register(families),
            reads: families.histograms(
                "tidegate_disk_read_duration_seconds",
                "Reads from a device, waiting included, by how they ended.",
                &["device", "outcome"],
                &LATENCIES,
            ),
            read_bytes: counters("tidegate_disk_read_bytes_total", "Bytes of records read from a device."),
            writes: families.histograms(
                "tidegate_disk_write_duration_seconds",
                "Records written to a device, waiting included.",
                &["device"],
                &LATENCIES,
            ),
            written_bytes: counters("tidegate_disk_written_bytes_total", "Bytes of bodies written to a device."),
            not_written: families.counters(
                "tidegate_disk_not_written_total",
                "Records that were to be written to a device and were not, by why.",
                &["device", "reason"],
            ),
            evictions: families.counters(
                "tidegate_disk_evictions_total",
                "Records that left a device where room was made, by cause.",
                &["device", "cause"],
            ),
            ages: families.histograms(
                "tidegate_disk_reclaimed_age_seconds",
                "Age of the oldest of what was on a device where room was made.",
                &["device"],
                &AGES,
            ),
            carried: counters("tidegate_disk_carried_bytes_total", "Bytes written anew where room was made."),
            recovered: counters(
                "tidegate_disk_recovered_records_total",
                "Records that were there when a device was opened.",
            ),
            discarded: families.counters(
                "tidegate_disk_discarded_total",
                "What was found when a device was opened and is not used, by why.",
                &["device", "reason"],
            ),
            corrupt: counters(
                "tidegate_disk_corrupt_records_total",
                "Records that were found damaged when they were read.",
            ),
            refused: refused(families),
            warmed: warmed(families),
        }
    }

    /// Has all series of these devices begin with 0, so that the first of anything is seen to be one more.
    pub fn begin<'d>(&self, devices: impl Iterator<Item = &'d str>) {
        for device in devices {
            for family in [&self.read_bytes, &self.written_bytes, &self.carried, &self.recovered, &self.corrupt] {
                family.with_label_values(&[device]);
            }
            for family in [&self.writes, &self.ages] {
                family.with_label_values(&[device]);
            }
            for outcome in ReadOutcome::ALL {
                self.reads.with_label_values(&[device, outcome.as_str()]);
            }
            for reason in NotWritten::ALL.map(NotWritten::as_str).into_iter().chain([DEVICE_AWAY]) {
                self.not_written.with_label_values(&[device, reason]);
            }
            for cause in DiskEvictionCause::ALL {
                self.evictions.with_label_values(&[device, cause.as_str()]);
            }
            for reason in DiscardReason::ALL {
                self.discarded.with_label_values(&[device, reason.as_str()]);
            }
        }
        for reason in Refused::ALL {
            self.refused.with_label_values(&[reason.as_str()]);
        }
    }

    /// What was counted of a device.
    #[must_use]
    pub fn counted(&self, device: &str) -> DeviceCounts {
        let by = |family: &IntCounterVec, label| by_label(family, label, &[("device", device)]);
        let all = |family: &IntCounterVec| by(family, "device").values().sum();
        DeviceCounts {
            reads: by_label(&self.reads, "outcome", &[("device", device)]),
            written: by_label(&self.writes, "device", &[("device", device)]).values().sum(),
            not_written: by(&self.not_written, "reason"),
            evicted: by(&self.evictions, "cause"),
            recovered: all(&self.recovered),
            discarded: by(&self.discarded, "reason"),
            corrupt: all(&self.corrupt),
        }
    }

    /// Records that the disk tier did not take, by why.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, u64> {
        by_label(&self.refused, "reason", &[])
    }

    /// Records that the disk tier did not take a record.
    pub fn refuses(&self, why: &'static str) {
        self.refused.with_label_values(&[why]).inc();
    }

    /// Records what came of warming memory after the start: how many keys, by how it went.
    pub fn warmed(&self, outcomes: &[(&str, u64)]) {
        for (outcome, keys) in outcomes {
            self.warmed.with_label_values(&[outcome]).inc_by(*keys);
        }
    }

    /// Names where usage is read from at each scrape. The first call counts.
    pub fn read_usage_from(&self, source: impl Fn() -> Vec<DiskUsage> + Send + Sync + 'static) {
        self.usage.read_from(Box::new(source));
    }

    pub(super) fn refresh(&self) {
        self.usage.refresh();
    }

    /// Records a read.
    pub fn read(&self, device: &str, outcome: ReadOutcome, bytes: u64, took: Duration) {
        self.reads.with_label_values(&[device, outcome.as_str()]).observe(took.as_secs_f64());
        self.read_bytes.with_label_values(&[device]).inc_by(bytes);
    }

    /// Records a written record.
    pub fn written(&self, device: &str, bytes: u64, took: Duration) {
        self.writes.with_label_values(&[device]).observe(took.as_secs_f64());
        self.written_bytes.with_label_values(&[device]).inc_by(bytes);
    }

    /// Records what was not written.
    pub fn not_written(&self, device: &str, why: &str, records: u64) {
        self.not_written.with_label_values(&[device, why]).inc_by(records);
    }

    /// Records that room was made, and how old the oldest was that was there.
    pub fn reclaimed(&self, device: &str, age: u64, carried: u64) {
        self.ages.with_label_values(&[device]).observe(age as f64);
        self.carried.with_label_values(&[device]).inc_by(carried);
    }

    /// Records what left.
    pub fn evicted(&self, device: &str, cause: DiskEvictionCause, records: u64) {
        self.evictions.with_label_values(&[device, cause.as_str()]).inc_by(records);
    }

    /// Records what was there when a device was opened.
    pub fn recovered(&self, device: &str, records: u64) {
        self.recovered.with_label_values(&[device]).inc_by(records);
    }

    /// Records what was found and is not used.
    pub fn discarded(&self, device: &str, why: &str, count: u64) {
        self.discarded.with_label_values(&[device, why]).inc_by(count);
    }

    /// Records a damaged record.
    pub fn corrupt(&self, device: &str) {
        self.corrupt.with_label_values(&[device]).inc();
    }
}

fn refused(families: &Families<'_>) -> IntCounterVec {
    families.counters(
        "tidegate_disk_refused_total",
        "Records that the disk tier did not take, by why, such as that they were not asked for twice while room is scarce.",
        &["reason"],
    )
}

fn warmed(families: &Families<'_>) -> IntCounterVec {
    families.counters(
        "tidegate_disk_warmed_keys_total",
        "Keys that memory held before the start, by whether they were loaded from disk or not.",
        &["outcome"],
    )
}
