//! What operators have pinned and is not on disk: it is found although the tier has evicted it.
//!
//! Beside the tier's capacity, within bounds that who pins keeps. It follows what the tier stores, replaces and forgets: a pin
//! keeps nothing that is not stored any more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::{Entry, FullKey};
use crate::cache::engine::object::Object;

/// Pinned entries.
#[derive(Default)]
pub(super) struct Pinned {
    /// Nothing where what was pinned is gone, as by a purge: what is stored there next is pinned from the beginning.
    entries: RwLock<HashMap<FullKey, Option<Entry>>>,
    /// Whether there is any: nobody looks where there is none.
    is_used: AtomicBool,
}

impl Pinned {
    pub(super) fn get(&self, key: &FullKey) -> Option<Entry> {
        let is_used = self.is_used.load(Ordering::Acquire);
        is_used.then(|| self.entries.read().get(key).cloned().flatten()).flatten()
    }

    pub(super) fn put(&self, key: &FullKey, entry: Entry) {
        let mut entries = self.entries.write();
        entries.insert(key.clone(), Some(entry));
        self.is_used.store(true, Ordering::Release);
    }

    /// Has what the tier stores from now on under a key, if that is pinned.
    pub(super) fn follow(&self, key: &FullKey, entry: impl FnOnce() -> Entry) {
        self.change(|entries| {
            if let Some(known) = entries.get_mut(key) {
                *known = Some(entry());
            }
        });
    }

    /// The same where just this object is to be replaced.
    pub(super) fn exchange(&self, key: &FullKey, object: &Arc<Object>, by: &Arc<Object>) {
        self.change(|entries| {
            if let Some(Some(known)) = entries.get_mut(key)
                && known.is(object)
            {
                *known = Entry::Stored(Arc::clone(by));
            }
        });
    }

    /// Lets go what a key has: whatever it is, or just this object.
    pub(super) fn remove(&self, key: &FullKey, object: Option<&Arc<Object>>) -> bool {
        let mut removed = false;
        self.change(|entries| {
            if let Some(known) = entries.get_mut(key)
                && known.as_ref().is_some_and(|known| object.is_none_or(|object| known.is(object)))
            {
                *known = None;
                removed = true;
            }
        });
        removed
    }

    /// Lets all go but these.
    pub(super) fn retain(&self, keys: &HashSet<FullKey>) {
        self.change(|entries| entries.retain(|key, _| keys.contains(key)));
    }

    /// Bytes that are accounted for beside one key.
    pub(super) fn weight_without(&self, but: &FullKey) -> u64 {
        let entries = self.entries.read();
        let objects = entries.iter().filter_map(|(key, entry)| match entry {
            Some(Entry::Stored(object)) if key != but => Some(object.weight()),
            _ => None,
        });
        objects.sum()
    }

    fn change(&self, how: impl FnOnce(&mut HashMap<FullKey, Option<Entry>>)) {
        if !self.is_used.load(Ordering::Acquire) {
            return;
        }
        let mut entries = self.entries.write();
        how(&mut entries);
        self.is_used.store(!entries.is_empty(), Ordering::Release);
    }
}

impl Entry {
    fn is(&self, object: &Arc<Object>) -> bool {
        matches!(self, Self::Stored(stored) if Arc::ptr_eq(stored, object))
    }
}
