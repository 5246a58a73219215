//! What is in the memory tier, one after another, for operators and for what looks at all of it.

use std::sync::Arc;

use super::{Entry, FullKey, MemoryTier, SLICE_WEIGHT};
use crate::cache::engine::object::Object;

impl MemoryTier {
    /// All objects, those in slices as their heads. To look at them is no use of them.
    pub(in crate::cache::engine) fn objects(&self) -> impl Iterator<Item = (Arc<FullKey>, Arc<Object>)> {
        let objects = self.entries.iter().filter_map(|(key, entry)| match entry {
            Entry::Stored(object) => Some((key, object)),
            Entry::Varies(_) | Entry::Slice(_) => None,
        });
        objects.chain(self.heads.iter())
    }

    /// Keys of which it is known how they vary.
    pub(in crate::cache::engine) fn rules(&self) -> impl Iterator<Item = Arc<FullKey>> {
        self.entries.iter().filter_map(|(key, entry)| matches!(entry, Entry::Varies(_)).then_some(key))
    }

    /// Whether anything is stored under a key; counts as no use of it.
    pub(in crate::cache::engine) fn has(&self, key: &FullKey) -> bool {
        self.entries.contains_key(key) || self.heads.contains_key(key)
    }

    /// The keys of all slices, and the bytes that each is accounted for beside its key.
    pub(in crate::cache::engine) fn slices(&self) -> impl Iterator<Item = (Arc<FullKey>, u64)> {
        self.entries.iter().filter_map(|(key, entry)| match entry {
            Entry::Slice(body) => Some((key, body.length().unwrap_or(0) + SLICE_WEIGHT)),
            Entry::Stored(_) | Entry::Varies(_) => None,
        })
    }
}
