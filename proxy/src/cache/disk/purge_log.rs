//! The record of purges, kept beside what they are about: a copy on every device.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tidegate_store::{Saved, StateCopy, Store};

use crate::cache::purge::{Kept, LogCopy, PurgeLog};

/// Its name on a device.
const NAME: &str = "purges";

/// The record of purges on the devices of a store.
pub(super) struct PurgesOnDisk(pub(super) Arc<Store>);

impl PurgesOnDisk {
    fn kept(&self, saved: &Saved) -> Kept {
        for (device, why) in &saved.failed {
            log::debug!(device = device.as_ref(); "purges could not be written down: {why}");
        }
        Kept { on: saved.devices, of: saved.devices + saved.failed.len() }
    }
}

impl PurgeLog for PurgesOnDisk {
    fn load(&self) -> BoxFuture<'_, Vec<LogCopy>> {
        async {
            let copies = self.0.load_state(NAME).await;
            let blobs = copies.into_iter().filter_map(|StateCopy { blob, .. }| blob);
            blobs.map(|blob| LogCopy { parts: blob.parts, is_damaged: blob.unreadable_bytes > 0 }).collect()
        }
        .boxed()
    }

    fn append(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        async { self.kept(&self.0.append_state(NAME, part).await) }.boxed()
    }

    fn replace(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        async { self.kept(&self.0.save_state(NAME, part).await) }.boxed()
    }
}
