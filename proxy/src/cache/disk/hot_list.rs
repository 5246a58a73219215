//! The hot list on the devices: written each minute and when the node stops, read when it is started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tidegate_store::{StateCopy, Store};

use super::DiskStore;
use crate::cache::engine::{CacheEngine, FetchRequest, WarmUp};
use crate::telemetry::DiskMetrics;

/// Its name on a device.
const NAME: &str = "hot";

/// Between two lists. What a crash costs is what became hot in this time.
const BETWEEN: Duration = Duration::from_secs(60);

/// The longest list.
const MOST_BYTES: u64 = 8 << 20;

/// Of the smallest device at most this part: room for state is a sixteenth, and purges need most of it.
const PART: u64 = 128;

/// Keeps the hot list of an engine, and warms its memory.
pub struct HotList<R: FetchRequest> {
    engine: Arc<CacheEngine<R>>,
    store: Arc<Store>,
    metrics: Arc<DiskMetrics>,
    most_bytes: usize,
    /// Until memory is warm its list is a worse one than that on disk.
    is_warm: AtomicBool,
}

impl<R: FetchRequest> HotList<R> {
    /// That of this engine, on these devices.
    #[must_use]
    pub fn new(engine: Arc<CacheEngine<R>>, disk: &DiskStore) -> Arc<Self> {
        let most_bytes = usize::try_from((disk.smallest / PART).min(MOST_BYTES)).unwrap_or(0);
        let (store, metrics) = (Arc::clone(&disk.store), Arc::clone(&disk.metrics));
        Arc::new(Self { engine, store, metrics, most_bytes, is_warm: AtomicBool::new(false) })
    }

    /// Warms memory by the list of before, then writes one again and again.
    pub async fn run(self: Arc<Self>) {
        self.store.recovered().await;
        let copies = self.store.load_state(NAME).await;
        let first = |StateCopy { blob, .. }: StateCopy| blob.and_then(|blob| blob.parts.into_iter().next());
        let lists: Vec<Bytes> = copies.into_iter().filter_map(first).collect();
        let warm_up = self.engine.warm_up(&lists).await;
        self.tell(warm_up);
        self.is_warm.store(true, Ordering::Release);
        loop {
            tokio::time::sleep(BETWEEN).await;
            self.save().await;
        }
    }

    /// Writes the list of what memory holds now, on every device that can be written.
    pub async fn save(&self) {
        if !self.is_warm.load(Ordering::Acquire) {
            return;
        }
        let (engine, most_bytes) = (Arc::clone(&self.engine), self.most_bytes);
        // It fails only with the runtime.
        let Ok(list) = tokio::task::spawn_blocking(move || engine.hot_list(most_bytes)).await else { return };
        let saved = self.store.save_state(NAME, list).await;
        for (device, why) in saved.failed {
            log::debug!(device = device.as_ref(); "the hot list could not be written: {why}");
        }
    }

    fn tell(&self, warm_up: WarmUp) {
        let WarmUp { listed, loaded, left, bytes, end, took } = warm_up;
        self.metrics.warmed(loaded, listed - loaded);
        if listed > 0 {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            log::info!(listed, loaded, not_there = left, bytes, took_ms, end = end.as_str();
                "memory was warmed from disk with what it had before");
        }
    }
}
