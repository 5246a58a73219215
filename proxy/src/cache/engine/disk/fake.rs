//! A store in memory that stands in for the one on disk in tests: it outlives engines, and can be told to misbehave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{DiskRecord, DiskTier, Kind, NotTaken, Pinning, record_is_gone};
use crate::cache::purge::Purges;

/// How a store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cache::engine) enum Mood {
    #[default]
    Well,
    /// It says that it has what it cannot read.
    ReadsNothing,
    /// It takes nothing more.
    TakesNothing,
    /// Reads wait until they are let go.
    Holds,
    /// It takes what was asked for twice alone.
    IsChoosy,
    /// What it takes waits to be written.
    WritesSlowly,
}

#[derive(Default)]
pub(in crate::cache::engine) struct FakeDisk {
    records: Mutex<HashMap<Bytes, DiskRecord>>,
    mood: Mutex<Mood>,
    go: Notify,
    /// How often each key was asked for.
    asked: Mutex<HashMap<Vec<u8>, usize>>,
    /// The history of purges, which outlives engines as well.
    pub(in crate::cache::engine) purges: OnceLock<Arc<Purges>>,
    pub(in crate::cache::engine) reads: AtomicUsize,
    pub(in crate::cache::engine) writes: AtomicUsize,
}

impl FakeDisk {
    pub(in crate::cache::engine) fn become_(&self, mood: Mood) {
        *self.mood.lock() = mood;
        self.go.notify_waiters();
    }

    pub(in crate::cache::engine) fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.records.lock().values().map(|record| record.kind).collect();
        kinds.sort_by_key(|kind| *kind as u8);
        kinds
    }

    /// What of it these purges concern.
    pub(in crate::cache::engine) fn gone(&self, purges: &Purges) -> Vec<Kind> {
        let is_gone = |record: &&DiskRecord| record_is_gone(&record.key, record.kind, &record.head, purges);
        let mut kinds: Vec<_> = self.records.lock().values().filter(is_gone).map(|record| record.kind).collect();
        kinds.sort_by_key(|kind| *kind as u8);
        kinds
    }

    /// Changes records as if something had happened to them.
    pub(in crate::cache::engine) fn spoil(&self, mut how: impl FnMut(&mut DiskRecord)) {
        self.records.lock().values_mut().for_each(&mut how);
    }
}

impl DiskTier for Arc<FakeDisk> {
    fn may_have(&self, key: &[u8]) -> bool {
        self.records.lock().contains_key(key)
    }

    fn was_asked(&self, key: &[u8]) {
        *self.asked.lock().entry(key.to_vec()).or_default() += 1;
    }

    fn admits(&self, key: &[u8]) -> bool {
        let asked = self.asked.lock().get(key).copied().unwrap_or_default();
        *self.mood.lock() != Mood::IsChoosy || asked >= 2 || self.may_have(key)
    }

    fn is_queued(&self, key: &[u8]) -> bool {
        *self.mood.lock() == Mood::WritesSlowly && self.may_have(key)
    }

    fn read(&self, key: Bytes) -> BoxFuture<'static, Option<DiskRecord>> {
        let disk = Arc::clone(self);
        async move {
            disk.reads.fetch_add(1, Ordering::AcqRel);
            let found = disk.records.lock().get(&key).cloned();
            loop {
                let told = disk.go.notified();
                let mood = *disk.mood.lock();
                match mood {
                    Mood::ReadsNothing => return None,
                    Mood::Holds => told.await,
                    Mood::Well | Mood::TakesNothing | Mood::IsChoosy | Mood::WritesSlowly => return found,
                }
            }
        }
        .boxed()
    }

    fn write(&self, record: DiskRecord) -> Result<(), NotTaken> {
        if *self.mood.lock() == Mood::TakesNothing || !self.admits(&record.key) {
            self.records.lock().remove(&record.key);
            return Err(NotTaken);
        }
        self.writes.fetch_add(1, Ordering::AcqRel);
        self.records.lock().insert(record.key.clone(), record);
        Ok(())
    }

    fn remove(&self, key: &[u8]) {
        self.records.lock().remove(key);
    }

    fn pin(&self, key: &[u8], _: bool) -> Pinning {
        if self.may_have(key) { Pinning::Done } else { Pinning::NotThere }
    }
}
