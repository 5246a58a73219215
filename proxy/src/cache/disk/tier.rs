//! The store as the cache engine asks for it.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tidegate_store::{Found, Key, NewRecord, Record, Store};

use crate::cache::engine::{DiskRecord, DiskTier, Kind, NotTaken, Pinning};
use crate::telemetry::DiskMetrics;

/// The store. A key that is too long for it has no record.
pub(super) struct Tier(pub(super) Arc<Store>, pub(super) Arc<DiskMetrics>);

impl DiskTier for Tier {
    fn may_have(&self, key: &[u8]) -> bool {
        Key::new(Bytes::copy_from_slice(key)).is_ok_and(|key| self.0.find(&key) == Found::Maybe)
    }

    fn was_asked(&self, key: &[u8]) {
        if let Ok(key) = Key::new(Bytes::copy_from_slice(key)) {
            self.0.was_asked(&key);
        }
    }

    fn admits(&self, key: &[u8]) -> bool {
        Key::new(Bytes::copy_from_slice(key)).is_ok_and(|key| self.0.admits(&key))
    }

    fn is_queued(&self, key: &[u8]) -> bool {
        Key::new(Bytes::copy_from_slice(key)).is_ok_and(|key| self.0.is_queued(&key))
    }

    fn read(&self, key: Bytes) -> BoxFuture<'static, Option<DiskRecord>> {
        match Key::new(key) {
            Ok(key) => self.0.read(&key).map(|record| record.and_then(disk_record)).boxed(),
            Err(_) => std::future::ready(None).boxed(),
        }
    }

    fn read_now(&self, key: &[u8]) -> Option<DiskRecord> {
        let key = Key::new(Bytes::copy_from_slice(key)).ok()?;
        self.0.read_now(&key).and_then(disk_record)
    }

    fn write(&self, record: DiskRecord) -> Result<(), NotTaken> {
        let DiskRecord { key, kind, head, body, expires, site } = record;
        let key = Key::new(key).map_err(|_| NotTaken)?;
        let record = NewRecord { key, kind: kind as u8, head, body, expires, site };
        self.0.write(record).map_err(|refused| {
            self.1.refuses(refused.as_str());
            log::trace!("the store did not take a record: {refused}");
            NotTaken
        })
    }

    fn pin(&self, key: &[u8], pinned: bool) -> Pinning {
        let Ok(key) = Key::new(Bytes::copy_from_slice(key)) else { return Pinning::NotThere };
        match self.0.pin(&key, pinned) {
            tidegate_store::Pinning::Done => Pinning::Done,
            tidegate_store::Pinning::NotThere => Pinning::NotThere,
            tidegate_store::Pinning::Waiting => Pinning::Waiting,
            tidegate_store::Pinning::TooMuch => Pinning::TooMuch,
        }
    }

    fn remove(&self, key: &[u8]) {
        if let Ok(key) = Key::new(Bytes::copy_from_slice(key)) {
            self.0.remove(&key);
        }
    }

    fn sweep(&self) {
        self.0.sweep();
    }
}

/// A record of a kind that this version does not know is none.
fn disk_record(record: Record) -> Option<DiskRecord> {
    let Record { key, kind, head, body, expires, site, .. } = record;
    let key = Bytes::copy_from_slice(key.as_bytes());
    Some(DiskRecord { key, kind: Kind::of(kind)?, head, body, expires, site })
}
