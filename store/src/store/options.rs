//! What a store is told when it is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::io::{Io, RealIo};
use crate::keeper::{KeepAll, Keeper};
use crate::options::{Clock, Sequences, system_clock};
use crate::watcher::{Unwatched, Watcher};

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Its directory, which no other store has.
    pub directory: PathBuf,
    /// Bytes that may be taken there.
    pub capacity: u64,
}

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// The devices. None is a store that stores nothing.
    pub devices: Vec<DeviceOptions>,
    /// How files are accessed.
    pub io: Arc<dyn Io>,
    /// Who says what is worth its room.
    pub keeper: Arc<dyn Keeper>,
    /// Who is told what happens.
    pub watcher: Arc<dyn Watcher>,
    /// Bounds of queues and times.
    pub limits: Limits,
    /// What time it is.
    pub clock: Clock,
    /// Where the records' numbers come from; all devices share it, so that their records can be compared.
    pub sequences: Arc<Sequences>,
}

impl StoreOptions {
    /// These devices, with the system's files, nobody watching and no opinion on what to keep.
    pub fn new(devices: Vec<DeviceOptions>) -> Self {
        Self {
            devices,
            io: Arc::new(RealIo),
            keeper: Arc::new(KeepAll),
            watcher: Arc::new(Unwatched),
            limits: Limits::default(),
            clock: system_clock(),
            sequences: Arc::new(Sequences::starting_now()),
        }
    }
}

/// Bounds of queues and times, of each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a reader waits. A read that takes longer has the device stalled until it comes back.
    pub read_deadline: Duration,
    /// How long an operation of the writing thread may take before the device counts as stalled, and how long who saves
    /// state waits.
    pub write_deadline: Duration,
    /// How often a device that failed, or cannot be written, is tried again.
    pub probe_interval: Duration,
    /// How often what expired is looked for.
    pub sweep_interval: Duration,
    /// Bytes that may wait to be written.
    pub queued_bytes: usize,
    /// Reads that may wait for a thread.
    pub queued_reads: usize,
    /// Threads that read.
    pub readers: usize,
    /// Bytes of a record that is read where it is asked for if the system has it in memory; 0: all are read by threads.
    pub read_now: usize,
    /// Refused reads within a minute that have the device failed.
    pub read_errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A disk that needs longer is slower than any origin.
            read_deadline: Duration::from_secs(1),
            // A file system that writes back gigabytes may take some seconds for one write, and is not stuck.
            write_deadline: Duration::from_secs(10),
            probe_interval: Duration::from_secs(10),
            sweep_interval: Duration::from_secs(60),
            queued_bytes: 64 << 20,
            queued_reads: 1024,
            readers: 4,
            // A body of 64 KiB and what stands before it: copying more takes longer than a change of threads.
            read_now: 132 << 10,
            read_errors: 8,
        }
    }
}
