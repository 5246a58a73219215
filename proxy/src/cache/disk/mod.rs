//! The store on disk that the cache engine has beneath its memory: opened by configuration, watched, closed.
//!
//! Owns how the engine's records become the store's, and what operators hear of devices. Which records there are is the
//! engine's business; files and devices are the store's.

mod hot_list;
mod keeper;
mod late_copies;
mod purge_log;
mod shares;
mod tier;
mod watcher;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{CacheDevice, CacheDisk};
use tidegate_store::io::{Io, RealIo};
use tidegate_store::{DeviceOptions, Limits, Share, Store, StoreOptions};

use crate::cache::engine::DiskTier;
use crate::cache::purge::{PurgeLog, Purges};
use crate::telemetry::{DiskMetrics, DiskUsage, Metrics};
use keeper::Judge;
use purge_log::PurgesOnDisk;
use tier::Tier;
use watcher::Reporter;

pub use hot_list::HotList;
pub use late_copies::LateCopies;

/// The store of a node.
pub struct DiskStore {
    store: Arc<Store>,
    judge: Arc<Judge>,
    metrics: Arc<DiskMetrics>,
    min_lifetime: Duration,
    /// Capacity of the smallest device.
    smallest: u64,
    /// That of all, as they were opened.
    capacity: u64,
}

impl DiskStore {
    /// Opens the directories that are configured. Returns at once: they are read by threads of their own, and what cannot be
    /// opened is said and tried again.
    #[must_use]
    pub fn open(disk: &CacheDisk, metrics: &Arc<Metrics>) -> Self {
        let limits = Limits { read_deadline: disk.read_timeout, ..Limits::default() };
        Self::open_by(disk, metrics, Arc::new(RealIo), limits)
    }

    /// The same with files and bounds as tests want them.
    pub(crate) fn open_by(disk: &CacheDisk, metrics: &Arc<Metrics>, io: Arc<dyn Io>, limits: Limits) -> Self {
        let device =
            |device: &CacheDevice| DeviceOptions { directory: device.directory.clone(), capacity: device.capacity.0 };
        let capacity = disk.devices.iter().map(|device| device.capacity.0).sum();
        let smallest = disk.devices.iter().map(|device| device.capacity.0).min().unwrap_or(0);
        let judge = Arc::new(Judge::default());
        let mut options = StoreOptions::new(disk.devices.iter().map(device).collect());
        options.io = io;
        options.keeper = Arc::clone(&judge) as _;
        options.watcher = Arc::new(Reporter::new(metrics));
        options.limits = limits;
        let store = Store::open(options);
        store.set_shares(&shares::in_bytes(disk, capacity));
        let directories: Vec<_> = disk.devices.iter().map(|device| device.directory.display().to_string()).collect();
        metrics.disk().begin(directories.iter().map(String::as_str));
        let figures = Arc::clone(&store);
        metrics.disk().read_usage_from(move || usage(&figures));
        Self { store, judge, metrics: metrics.disk(), min_lifetime: disk.min_lifetime, smallest, capacity }
    }

    /// The store itself, which also keeps small things under names.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// As the engine asks for it.
    #[must_use]
    pub fn tier(&self) -> Arc<dyn DiskTier> {
        Arc::new(Tier(Arc::clone(&self.store), Arc::clone(&self.metrics)))
    }

    /// What is of use for less than this is not written.
    #[must_use]
    pub fn min_lifetime(&self) -> Duration {
        self.min_lifetime
    }

    /// Says what was purged, so that it is not carried over where room is made.
    pub fn set_purges(&self, purges: Arc<Purges>) {
        self.judge.set(purges);
    }

    /// Gives sites the shares that are configured now.
    pub fn configure(&self, disk: &CacheDisk) {
        self.store.set_shares(&self.shares(disk));
    }

    /// Those shares in bytes, by what stands for sites in records: of the devices that are in force.
    #[must_use]
    pub fn shares(&self, disk: &CacheDisk) -> HashMap<u32, Share> {
        shares::in_bytes(disk, self.capacity)
    }

    /// Bytes that all devices may take, those that are away included.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Where purges are written down, beside what they are about.
    #[must_use]
    pub fn purge_log(&self) -> Arc<dyn PurgeLog> {
        Arc::new(PurgesOnDisk::new(Arc::clone(&self.store)))
    }

    /// Writes what is queued, purges first of all, and lets the directories go, within this time.
    pub async fn close(&self, deadline: Duration) {
        if let Some(purges) = self.judge.purges() {
            drop(tokio::time::timeout(deadline / 2, purges.written()).await);
        }
        let closed = self.store.close(deadline).await;
        if closed.lost > 0 || closed.hanging > 0 {
            log::warn!(records = closed.lost, hanging_threads = closed.hanging;
                "the disk tier is closed; some of what was queued is not written");
        } else {
            log::info!("the disk tier is closed");
        }
    }
}

fn usage(store: &Store) -> Vec<DiskUsage> {
    let figures = store.figures().devices.into_iter();
    figures
        .map(|device| {
            let volume = device.volume.unwrap_or_default();
            DiskUsage {
                device: device.directory.to_string(),
                state: device.state,
                capacity: volume.capacity,
                roomless: volume.roomless_bytes,
                bytes: volume.living_bytes,
                records: volume.records,
                index_bytes: volume.index_memory,
                queued_bytes: device.queued_bytes,
                queued_reads: device.queued_reads,
                written_bytes: volume.written_bytes,
            }
        })
        .collect()
}
