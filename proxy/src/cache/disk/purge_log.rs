//! The record of purges, kept beside what they are about: a copy on every device.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidegate_store::{Saved, StateBlob, StateCopy, Store};

use crate::cache::purge::{Kept, LogCopy, LogFollower, PurgeLog};

/// Its name on a device.
const NAME: &str = "purges";

/// The record of purges on the devices of a store.
pub(super) struct PurgesOnDisk {
    store: Arc<Store>,
    /// Devices whose record was read: when they come back, nobody has written in it but this process.
    known: Arc<Mutex<HashSet<Arc<str>>>>,
}

impl PurgesOnDisk {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, known: Arc::default() }
    }

    fn kept(&self, saved: &Saved) -> Kept {
        for (device, why) in &saved.failed {
            log::debug!(device = device.as_ref(); "purges could not be written down: {why}");
        }
        Kept { on: saved.devices, of: saved.devices + saved.failed.len() }
    }
}

impl PurgeLog for PurgesOnDisk {
    fn follow(&self, follower: LogFollower) {
        let known = Arc::clone(&self.known);
        let told = move |StateCopy { device, blob }| {
            if known.lock().insert(device) {
                follower(copy(blob.unwrap_or_default()));
            }
        };
        self.store.follow_state(NAME, Arc::new(told));
    }

    fn load(&self) -> BoxFuture<'_, Vec<LogCopy>> {
        async {
            let loaded = self.store.load_state(NAME).await;
            let copies = loaded.into_iter().filter_map(|StateCopy { device, blob }| {
                self.known.lock().insert(device);
                blob.map(copy)
            });
            copies.collect()
        }
        .boxed()
    }

    fn append(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        async { self.kept(&self.store.append_state(NAME, part).await) }.boxed()
    }

    fn replace(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        async { self.kept(&self.store.save_state(NAME, part).await) }.boxed()
    }
}

/// A tail that was cut off was never said to be durable: no purge is missing with it.
fn copy(blob: StateBlob) -> LogCopy {
    LogCopy { parts: blob.parts, is_damaged: blob.unreadable_bytes > 0 }
}

#[cfg(test)]
mod tests;
