//! What operators hear of devices: figures, and a line where something changes that they may want to do something about.

use std::sync::Arc;

use tidegate_store::{DeviceState, Event, Origin, Reclaimed, Recovered, Watcher};

use crate::telemetry::{DEVICE_AWAY, DiskEvictionCause, DiskMetrics, Metrics};

/// Tells of devices.
pub(super) struct Reporter {
    metrics: Arc<DiskMetrics>,
}

impl Reporter {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { metrics: metrics.disk() }
    }
}

impl Watcher for Reporter {
    fn saw(&self, device: &str, event: &Event<'_>) {
        match event {
            Event::State { from, to, why } => say_state(device, *from, *to, why),
            Event::Opened(origin) => say_origin(device, origin),
            Event::Recovered(recovered) => self.recovered(device, recovered),
            Event::Cleared => log::warn!(device; "a device that was away missed removals; all it had is forgotten"),
            Event::Read { outcome, bytes, waited, took } => {
                self.metrics.read(device, *outcome, *bytes, *waited + *took);
            }
            Event::Written { bytes, waited, took } => self.metrics.written(device, *bytes, *waited + *took),
            Event::NotWritten { why } => self.metrics.not_written(device, why.as_str(), 1),
            Event::QueueDropped { records } => self.metrics.not_written(device, DEVICE_AWAY, *records),
            Event::Swept { seen, expired, dropped } => {
                log::debug!(device, seen, expired, dropped; "all that is stored was looked at");
            }
            Event::PinLost => {
                log::warn!(device; "what replaced something pinned is not pinned: that would be more than half of the device");
            }
            Event::Reclaimed(reclaimed) => self.reclaimed(device, reclaimed),
            Event::Corrupt { why } => {
                self.metrics.corrupt(device);
                log::warn!(device; "a record on disk is damaged and not used: {why}");
            }
            Event::LacksRoom { why } => log::warn!(device; "{why}"),
            Event::Refused { why } => log::debug!(device; "the device refused: {why}"),
        }
    }
}

impl Reporter {
    fn recovered(&self, device: &str, recovered: &Recovered) {
        let Recovered { records, bytes, discarded, took, .. } = recovered;
        self.metrics.recovered(device, *records);
        for part in discarded {
            self.metrics.discarded(device, part.reason.as_str(), part.count);
        }
        let told: Vec<String> =
            discarded.iter().map(|part| format!("{} {}", part.count, part.reason.as_str())).collect();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        log::info!(device, records = *records, bytes = *bytes, took_ms, discarded = told.join(", ").as_str();
            "what is stored on the device is known again");
    }

    fn reclaimed(&self, device: &str, reclaimed: &Reclaimed) {
        let Reclaimed { age, evicted, expired, dropped, carried_bytes, .. } = *reclaimed;
        self.metrics.reclaimed(device, age, carried_bytes);
        for (cause, records) in [
            (DiskEvictionCause::Capacity, evicted),
            (DiskEvictionCause::Expired, expired),
            (DiskEvictionCause::Purged, dropped),
        ] {
            self.metrics.evicted(device, cause, records);
        }
    }
}

fn say_state(device: &str, from: DeviceState, to: DeviceState, why: &str) {
    let state = to.as_str();
    match to {
        DeviceState::Opening | DeviceState::Recovering | DeviceState::Closed => {
            log::debug!(device, state; "device of the disk tier");
        }
        DeviceState::Working if matches!(from, DeviceState::Opening | DeviceState::Recovering) => {
            log::info!(device, state; "device of the disk tier");
        }
        DeviceState::Working => {
            log::info!(device, state, before = from.as_str(); "device of the disk tier works again")
        }
        DeviceState::Full | DeviceState::ReadOnly | DeviceState::WritesFailing => {
            log::warn!(device, state; "device of the disk tier is not written any more, and tried again from time to time: {why}");
        }
        DeviceState::Stalled | DeviceState::Failed => {
            log::error!(device, state; "device of the disk tier is not used any more, and tried again from time to time: {why}");
        }
    }
}

fn say_origin(device: &str, origin: &Origin) {
    match origin {
        Origin::Created => log::info!(device; "device of the disk tier is new"),
        Origin::Opened => {}
        Origin::Renewed { why } => {
            log::warn!(device; "what was on the device cannot be used any more; it begins empty: {why}");
        }
    }
}
