//! Where the slices of one version of an object are kept: entries of the memory tier, each by itself, so that what nobody
//! reads of a large object makes room for what is read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Entries, Entry, FullKey};
use crate::cache::engine::body::Body;
use crate::cache::key::CacheKey;

/// Keys of slices that nobody can ask for any more, until they are taken out. They are not taken out where they become so:
/// that may be in the midst of an eviction, where the tier must not be changed.
pub(super) type Orphans = Arc<Mutex<Vec<FullKey>>>;

/// Stands before the version in the variant of a slice's key. The variant of an object begins with a generation, a number
/// that never comes to have this byte in front.
const SLICE_MARK: u8 = 0xfe;

/// The slices of one version.
pub(in crate::cache::engine) struct Shelf {
    pub(super) entries: Entries,
    pub(super) orphans: Orphans,
    pub(super) primary: CacheKey,
    /// Of all versions of all objects, so that no two share a slice.
    pub(super) version: u64,
    /// Slices that were stored here; evicted ones may be among them.
    pub(super) stored: Mutex<BTreeSet<u64>>,
}

impl Shelf {
    fn key(&self, index: u64) -> FullKey {
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

    /// Whether a slice is still there; counts as no use of it.
    pub(in crate::cache::engine) fn contains(&self, index: u64) -> bool {
        self.entries.contains_key(&self.key(index))
    }

    /// Stores a complete slice.
    pub(in crate::cache::engine) fn put(&self, index: u64, body: Arc<Body>) {
        self.stored.lock().insert(index);
        self.entries.insert(self.key(index), Entry::Slice(body));
    }

    /// How many slices are there.
    pub(in crate::cache::engine) fn count(&self) -> u64 {
        self.count_of(0..u64::MAX)
    }

    /// How many of these are.
    pub(in crate::cache::engine) fn count_of(&self, indices: Range<u64>) -> u64 {
        let stored = self.stored.lock();
        stored.range(indices).filter(|index| self.contains(**index)).count() as u64
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let stored = std::mem::take(&mut *self.stored.lock());
        let keys = stored.into_iter().map(|index| self.key(index));
        self.orphans.lock().extend(keys);
    }
}
