//! Where the slices of one version of an object are kept: entries of the memory tier, each by itself, so that what nobody
//! reads of a large object makes room for what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Entries, Entry, FullKey};
use crate::cache::engine::body::Body;
use crate::cache::engine::disk::{Beneath, Fault, Slot};
use crate::cache::key::CacheKey;

/// Keys of slices that nobody can ask for any more, until they are taken out. They are not taken out where they become so:
/// that may be in the midst of an eviction, where the tier must not be changed.
pub(super) type Orphans = Arc<Mutex<Vec<FullKey>>>;

/// Stands before the version in the variant of a slice's key. The variant of an object begins with a generation, a number
/// that never comes to have this byte in front.
const SLICE_MARK: u8 = 0xfe;

/// How long a slice is fetched that could not be read from disk: the device may have been slow once.
const GIVEN_UP_FOR: Duration = Duration::from_secs(10);

/// Slices that are counted for operators; of larger objects no more are looked for.
const MOST_COUNTED: u64 = 1 << 16;

/// The slices of one version.
pub(in crate::cache::engine) struct Shelf {
    pub(super) entries: Entries,
    pub(super) orphans: Orphans,
    pub(super) primary: CacheKey,
    /// Of all versions of all objects, so that no two share a slice.
    pub(super) version: u64,
    /// Slices that were stored here; evicted ones may be among them.
    pub(super) stored: Mutex<BTreeSet<u64>>,
    /// Where they are on disk, where they are.
    pub(super) depot: Option<Depot>,
}

/// The slices of one version on disk.
pub(super) struct Depot {
    beneath: Arc<Beneath>,
    site: AtomicU32,
    /// How many slices it has, once nothing leads to it any more.
    superseded: AtomicU64,
    /// Until when they are of use; zero where that is too short to write them.
    until: AtomicU64,
    /// What purges look at, as it is written beside each slice.
    mark: Mutex<Bytes>,
    /// Those that could not be read in time, and when: they are fetched, for a while.
    unread: Mutex<BTreeMap<u64, Instant>>,
}

impl Depot {
    pub(super) fn new(beneath: Arc<Beneath>) -> Self {
        let (site, until, superseded) = (AtomicU32::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { beneath, site, superseded, until, mark: Mutex::default(), unread: Mutex::default() }
    }
}

impl Depot {
    /// Writes a slice, unless it is there and was only not read in time.
    fn keep(&self, index: u64, key: FullKey, body: &Body) {
        let until = self.until.load(Ordering::Relaxed);
        let was_given_up = self.unread.lock().remove(&index).is_some();
        if until > 0 && !(was_given_up && self.beneath.may_have(&key)) {
            let mark = self.mark.lock().clone();
            self.beneath.keep_slice(&key, body, Slot { until, site: self.site.load(Ordering::Relaxed), mark });
        }
    }
}

/// A slice on disk.
pub(in crate::cache::engine) struct Deposited {
    beneath: Arc<Beneath>,
    key: FullKey,
}

impl Deposited {
    /// Its bytes, all of them and no more.
    pub(in crate::cache::engine) async fn read(&self, length: u64) -> Result<Vec<Bytes>, Fault> {
        self.beneath.slice(&self.key, length).await
    }

    /// Where it is read.
    pub(in crate::cache::engine) fn runtime(&self) -> Handle {
        self.beneath.runtime.clone()
    }
}

impl Shelf {
    pub(in crate::cache::engine) fn key(&self, index: u64) -> FullKey {
        let mut variant = Vec::with_capacity(17);
        variant.push(SLICE_MARK);
        variant.extend_from_slice(&self.version.to_be_bytes());
        variant.extend_from_slice(&index.to_be_bytes());
        FullKey { primary: self.primary.clone(), variant: variant.into() }
    }

    /// A slice, if it is still there.
    pub(in crate::cache::engine) fn get(&self, index: u64) -> Option<Arc<Body>> {
        match self.entries.get(&self.key(index)) {
            Some(Entry::Slice(body)) => Some(body),
            _ => None,
        }
    }

    /// Whether a slice is still there, in memory or on disk; counts as no use of it.
    pub(in crate::cache::engine) fn contains(&self, index: u64) -> bool {
        self.is_in_memory(index) || self.deposited(index).is_some()
    }

    pub(in crate::cache::engine) fn is_in_memory(&self, index: u64) -> bool {
        self.entries.contains_key(&self.key(index))
    }

    /// A slice on disk, where it is there and can be read.
    pub(in crate::cache::engine) fn deposited(&self, index: u64) -> Option<Deposited> {
        let depot = self.depot.as_ref()?;
        let key = self.key(index);
        let is_given_up = depot.unread.lock().get(&index).is_some_and(|at| at.elapsed() < GIVEN_UP_FOR);
        let is_there = !is_given_up && depot.beneath.may_have(&key);
        is_there.then(|| Deposited { beneath: Arc::clone(&depot.beneath), key })
    }

    /// Notes that somebody reads a slice that is not in memory.
    pub(in crate::cache::engine) fn was_asked(&self, index: u64) {
        if let Some(depot) = &self.depot {
            depot.beneath.slice_was_asked(&self.key(index));
        }
    }

    /// Notes that a slice cannot be had from disk now, though it may be there.
    pub(in crate::cache::engine) fn give_up(&self, index: u64) {
        if let Some(depot) = &self.depot {
            depot.unread.lock().insert(index, Instant::now());
        }
    }

    /// Nothing leads any more to this version, of so many slices: what is on disk of it goes with the last who reads it.
    pub(in crate::cache::engine) fn supersede(&self, all: u64) {
        if let Some(depot) = &self.depot {
            depot.superseded.store(all, Ordering::Relaxed);
        }
    }

    fn discard_superseded(&self) {
        let Some(depot) = &self.depot else { return };
        for index in 0..depot.superseded.load(Ordering::Relaxed).min(MOST_COUNTED) {
            depot.beneath.discard_slice(&self.key(index));
        }
    }

    /// Until when slices are of use, whose they are, and what purges look at; those of before are not written.
    pub(in crate::cache::engine) fn keep_until(&self, until: u64, site: u32, mark: Bytes) {
        if let Some(depot) = &self.depot {
            *depot.mark.lock() = mark;
            depot.site.store(site, Ordering::Relaxed);
            depot.until.store(until, Ordering::Relaxed);
        }
    }

    /// Until when what is written of it is of use.
    pub(in crate::cache::engine) fn kept_until(&self) -> u64 {
        self.depot.as_ref().map_or(0, |depot| depot.until.load(Ordering::Relaxed))
    }

    pub(in crate::cache::engine) fn version(&self) -> u64 {
        self.version
    }

    /// Stores a complete slice that was fetched.
    pub(in crate::cache::engine) fn put(&self, index: u64, body: Arc<Body>) {
        if let Some(depot) = &self.depot {
            depot.keep(index, self.key(index), &body);
        }
        self.put_back(index, body);
    }

    /// Stores a slice that comes from disk.
    pub(in crate::cache::engine) fn put_back(&self, index: u64, body: Arc<Body>) {
        self.stored.lock().insert(index);
        self.entries.insert(self.key(index), Entry::Slice(body));
    }

    /// How many of these slices are there.
    pub(in crate::cache::engine) fn count_of(&self, indices: Range<u64>) -> u64 {
        if self.depot.is_some() {
            // Those of another run are known to the store alone.
            let end = indices.end.min(indices.start.saturating_add(MOST_COUNTED));
            return (indices.start..end).filter(|index| self.contains(*index)).count() as u64;
        }
        let stored = self.stored.lock();
        stored.range(indices).filter(|index| self.is_in_memory(**index)).count() as u64
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let stored = std::mem::take(&mut *self.stored.lock());
        let keys = stored.into_iter().map(|index| self.key(index));
        self.orphans.lock().extend(keys);
        self.discard_superseded();
    }
}
