//! The hot list on the devices: written each minute and when the node stops, read when it is started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tidegate_store::{StateCopy, Store};

use super::DiskStore;
use super::late_copies::LateCopies;
use crate::cache::engine::{CacheEngine, FetchRequest, WarmUp, hot_list_made_at};
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
    /// When this process began, in seconds since 1970: later lists are its own.
    began: u64,
    /// Until memory is warm its list is a worse one than that on disk.
    is_warm: AtomicBool,
}

impl<R: FetchRequest> HotList<R> {
    /// That of this engine, on these devices.
    #[must_use]
    pub fn new(engine: Arc<CacheEngine<R>>, disk: &DiskStore) -> Arc<Self> {
        let most_bytes = usize::try_from((disk.smallest / PART).min(MOST_BYTES)).unwrap_or(0);
        let (store, metrics) = (Arc::clone(&disk.store), Arc::clone(&disk.metrics));
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Arc::new(Self { engine, store, metrics, most_bytes, began, is_warm: AtomicBool::new(false) })
    }

    /// Warms memory by the list of before, then writes one again and again.
    pub async fn run(self: Arc<Self>) {
        let late = LateCopies::follow(&self.store, NAME);
        self.store.recovered().await;
        let copies = self.store.load_state(NAME).await;
        let mut latest = self.warm_by(copies.into_iter().filter_map(list_of).collect()).await;
        self.is_warm.store(true, Ordering::Release);
        let mut next = tokio::time::Instant::now() + BETWEEN;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {
                    self.save().await;
                    next = tokio::time::Instant::now() + BETWEEN;
                }
                () = late.come() => latest = self.warm_late(late.take(), latest).await,
            }
        }
    }

    /// Warms memory by what a device has that was away at the start, if that is later than what was read then.
    async fn warm_late(&self, copies: Vec<StateCopy>, latest: u64) -> u64 {
        let lists = copies.into_iter().filter_map(list_of);
        let lists: Vec<_> = lists.filter(|(made, _)| (latest + 1..=self.began).contains(made)).collect();
        if lists.is_empty() {
            return latest;
        }
        self.store.recovered().await;
        self.warm_by(lists).await.max(latest)
    }

    /// Warms memory by the latest of these lists; when that was made.
    async fn warm_by(&self, lists: Vec<(u64, Bytes)>) -> u64 {
        let Some((made, list)) = lists.into_iter().max_by_key(|(made, _)| *made) else { return 0 };
        let warm_up = self.engine.warm_up(&list).await;
        self.tell(warm_up);
        made
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
        let WarmUp { listed, loaded, in_memory, not_there, bytes, end, took } = warm_up;
        self.metrics.warmed(&[
            ("loaded", loaded),
            ("in_memory", in_memory),
            ("not_there", not_there),
            ("left_out", listed - loaded - in_memory - not_there),
        ]);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        log::info!(listed, loaded, in_memory, not_there, bytes, took_ms, end = end.as_str();
            "memory was warmed from disk with what it had before");
    }
}

/// The list that a device has, and when it was made.
fn list_of(copy: StateCopy) -> Option<(u64, Bytes)> {
    let StateCopy { device, blob } = copy;
    let blob = blob?;
    let list = blob.parts.into_iter().next().and_then(|list| Some((hot_list_made_at(&list)?, list)));
    if list.is_none() {
        log::warn!(device = device.as_ref(), unreadable_bytes = blob.unreadable_bytes;
            "the list of what memory held before is damaged, and not used: memory fills as clients ask");
    }
    list
}
