//! What devices hold at the moment of a scrape.

use std::collections::HashMap;
use std::sync::OnceLock;

use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGaugeVec};
use tidegate_store::DeviceState;

use crate::telemetry::metrics::family::Families;

/// What a device holds at this moment.
#[derive(Debug, Clone)]
pub struct DiskUsage {
    /// Its directory.
    pub device: String,
    /// What can be done with it.
    pub state: DeviceState,
    /// Bytes that it may take.
    pub capacity: u64,
    /// Of these, the ones that its file system has no room for.
    pub roomless: u64,
    /// Bytes of what is stored.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Bytes of memory that its index takes.
    pub index_bytes: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// Reads that wait.
    pub queued_reads: u64,
    /// Bytes written to files since it was opened.
    pub written_bytes: u64,
}

type Source = Box<dyn Fn() -> Vec<DiskUsage> + Send + Sync>;

/// Figures that are read from the store when somebody asks for them.
pub(super) struct UsageFigures {
    source: OnceLock<Source>,
    states: IntGaugeVec,
    capacity: IntGaugeVec,
    roomless: IntGaugeVec,
    bytes: IntGaugeVec,
    records: IntGaugeVec,
    index: IntGaugeVec,
    queued_bytes: IntGaugeVec,
    queued_reads: IntGaugeVec,
    file_bytes: IntCounterVec,
    /// What each device had written to files when it was looked at last.
    counted: Mutex<HashMap<String, u64>>,
}

impl UsageFigures {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let gauges = |name: &str, help: &str| families.gauges(name, help, &["device"]);
        Self {
            source: OnceLock::new(),
            states: families.gauges(
                "tidegate_disk_device_state",
                "1 for the state that a device of the disk tier is in, 0 for all others.",
                &["device", "state"],
            ),
            capacity: gauges("tidegate_disk_capacity_bytes", "Bytes that a device of the disk tier may take."),
            roomless: gauges(
                "tidegate_disk_roomless_bytes",
                "Bytes of a device's capacity that its file system has no room for.",
            ),
            bytes: gauges("tidegate_disk_bytes", "Bytes of records on a device that can be served."),
            records: gauges("tidegate_disk_records", "Records on a device that can be served."),
            index: gauges("tidegate_disk_index_memory_bytes", "Bytes of memory that the index of a device takes."),
            queued_bytes: gauges("tidegate_disk_queued_write_bytes", "Bytes that wait to be written to a device."),
            queued_reads: gauges("tidegate_disk_queued_reads", "Reads that wait for a device."),
            file_bytes: families.counters(
                "tidegate_disk_file_written_bytes_total",
                "Bytes written to files of a device, of whatever kind.",
                &["device"],
            ),
            counted: Mutex::default(),
        }
    }

    /// Names where usage is read from at each scrape. The first call counts.
    pub(super) fn read_from(&self, source: Source) {
        if self.source.set(source).is_err() {
            log::warn!("the disk tier's usage has a source already");
        }
    }

    pub(super) fn refresh(&self) {
        for usage in self.source.get().map(|source| source()).unwrap_or_default() {
            self.show(&usage);
        }
    }

    fn show(&self, usage: &DiskUsage) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let device = usage.device.as_str();
        for state in DeviceState::ALL {
            self.states.with_label_values(&[device, state.as_str()]).set(i64::from(state == usage.state));
        }
        let figures = [
            (&self.capacity, usage.capacity),
            (&self.roomless, usage.roomless),
            (&self.bytes, usage.bytes),
            (&self.records, usage.records),
            (&self.index, usage.index_bytes),
            (&self.queued_bytes, usage.queued_bytes),
            (&self.queued_reads, usage.queued_reads),
        ];
        figures.into_iter().for_each(|(family, value)| family.with_label_values(&[device]).set(gauge(value)));
        let mut counted = self.counted.lock();
        let before = counted.insert(device.to_owned(), usage.written_bytes).unwrap_or(0);
        // One that was opened again begins anew.
        let more = usage.written_bytes.checked_sub(before).unwrap_or(usage.written_bytes);
        self.file_bytes.with_label_values(&[device]).inc_by(more);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn bytes_in_files_grow_also_when_a_device_is_opened_again() {
        let figures = UsageFigures::register(&Families::new(&Registry::new()));
        for (written_bytes, expected) in [(5, 5), (9, 9), (3, 12), (3, 12)] {
            figures.show(&DiskUsage {
                device: "/a".to_owned(),
                state: DeviceState::Working,
                capacity: 0,
                roomless: 0,
                bytes: 0,
                records: 0,
                index_bytes: 0,
                queued_bytes: 0,
                queued_reads: 0,
                written_bytes,
            });
            assert_eq!(figures.file_bytes.with_label_values(&["/a"]).get(), expected);
        }
    }
}
