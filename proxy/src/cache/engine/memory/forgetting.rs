//! What is taken out of the memory tier, and of the disk beneath it.

use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};

use super::{Entry, FullKey, MemoryTier};
use crate::cache::engine::object::Object;
use crate::cache::key::CacheKey;

/// Objects that are looked at without a pause.
const LOOKED_AT_ONCE: usize = 1024;

impl MemoryTier {
    /// Forgets an object, if it is still the one that is stored.
    pub(in crate::cache::engine) fn take_out(&self, key: &FullKey, object: &Arc<Object>) {
        let is_it = |known: &Arc<Object>| Arc::ptr_eq(known, object);
        let taken = if object.body.in_slices().is_some() {
            let taken = self.heads.entry(key.clone()).and_compute_with(|entry| match entry {
                Some(known) if is_it(known.value()) => Op::Remove,
                _ => Op::Nop,
            });
            matches!(taken, CompResult::Removed(_))
        } else {
            let taken =
                self.entries.entry(key.clone()).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
                    Some(Entry::Stored(known)) if is_it(&known) => Op::Remove,
                    _ => Op::Nop,
                });
            let was_pinned = self.pinned.remove(key, Some(object));
            matches!(taken, CompResult::Removed(_)) || was_pinned
        };
        if taken {
            self.forget_beneath(key);
        }
    }

    /// Forgets all objects of which this holds. Looks at all that are stored, and lets others have the processor in between.
    pub(in crate::cache::engine) fn take_out_all(&self, is_gone: impl Fn(&Object) -> bool) {
        for (number, (key, object)) in self.objects().enumerate() {
            if is_gone(&object) {
                self.take_out(&key, &object);
            }
            if number % LOOKED_AT_ONCE == LOOKED_AT_ONCE - 1 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Puts an object in the place of another one, if that is still the one that is stored.
    pub(in crate::cache::engine) fn exchange(&self, key: &FullKey, object: &Arc<Object>, by: &Arc<Object>) {
        let is_it = |known: &Arc<Object>| Arc::ptr_eq(known, object);
        if object.body.in_slices().is_some() {
            drop(self.heads.entry(key.clone()).and_compute_with(|entry| match entry {
                Some(known) if is_it(known.value()) => Op::Put(Arc::clone(by)),
                _ => Op::Nop,
            }));
        } else {
            drop(self.entries.entry(key.clone()).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
                Some(Entry::Stored(known)) if is_it(&known) => Op::Put(Entry::Stored(Arc::clone(by))),
                _ => Op::Nop,
            }));
            self.pinned.exchange(key, object, by);
        }
    }

    /// Forgets one variant.
    pub(in crate::cache::engine) fn remove(&self, key: &FullKey) {
        self.forget_beneath(key);
        self.pinned.remove(key, None);
        self.variations.invalidate(key);
        self.entries.invalidate(key);
        self.heads.invalidate(key);
    }

    /// Forgets what is stored for a key. All variants get out of reach: their rule is gone with the plain entry.
    pub(in crate::cache::engine) fn invalidate(&self, primary: &CacheKey) {
        let plain = FullKey::plain(primary.clone());
        self.forget_beneath(&plain);
        self.pinned.remove(&plain, None);
        self.variations.invalidate(&plain);
        self.entries.invalidate(&plain);
        self.heads.invalidate(&plain);
    }

    /// Forgets what is on disk of a place that has nothing in memory, and how its key varies where that is known there alone;
    /// whether there may have been anything.
    pub(in crate::cache::engine) fn forget_on_disk_alone(&self, key: &FullKey) -> bool {
        let plain = FullKey::plain(key.primary.clone());
        let beneath = self.beneath().filter(|beneath| beneath.may_have(key) || beneath.may_have(&plain));
        if beneath.is_some() {
            self.remove(key);
            self.invalidate(&plain.primary);
        }
        beneath.is_some()
    }

    /// First of all: what is read from disk from now on must not bring it back.
    pub(super) fn forget_beneath(&self, key: &FullKey) {
        if let Some(beneath) = self.beneath() {
            beneath.forget(key);
        }
    }

    /// Forgets everything that is in memory, and nothing on disk.
    #[cfg(test)]
    pub(in crate::cache::engine) fn forget_all(&self) {
        self.entries.invalidate_all();
        self.heads.invalidate_all();
    }
}
