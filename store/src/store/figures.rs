//! What a store tells of itself.

use std::sync::Arc;
use std::time::Duration;

use crate::figures::VolumeFigures;
use crate::watcher::DeviceState;

use super::Store;

/// A store at one moment.
#[derive(Debug, Clone)]
pub struct StoreFigures {
    /// Its devices, in the order they were given in.
    pub devices: Vec<DeviceFigures>,
}

/// A device at one moment.
#[derive(Debug, Clone)]
pub struct DeviceFigures {
    /// Its directory.
    pub directory: Arc<str>,
    /// What can be done with it.
    pub state: DeviceState,
    /// Why it is in that state, in words; may be empty where it works.
    pub why: String,
    /// For how long it has been.
    pub state_for: Duration,
    /// Records that wait to be written.
    pub queued_records: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Reads that wait for a thread.
    pub queued_reads: u64,
    /// Reads that nobody waited for to the end.
    pub late_reads: u64,
    /// Removals that wait to be written down.
    pub queued_removals: u64,
    /// Removals that it is to be told of when it is back.
    pub missed_removals: u64,
    /// Removals that were not written down, since too many waited or the device refused again and again: those records
    /// may come back after a restart.
    pub lost_removals: u64,
    /// What is stored; `None` while it is not open.
    pub volume: Option<VolumeFigures>,
}

impl Store {
    /// What the store is at this moment.
    pub fn figures(&self) -> StoreFigures {
        StoreFigures { devices: self.devices.iter().map(|device| device.figures()).collect() }
    }
}
