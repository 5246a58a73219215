//! How often what is stored under the parts of a resource was made invalid.
//!
//! A resource whose key has parts is stored under many keys, which nobody lists. Each of them has the resource's epoch
//! in it; an invalidation begins a new one, and what is stored under the old ones is out of reach for good.

use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

use crate::cache::key::CacheKey;

/// Epochs that are told apart, 128 KiB of them. Resources with the same one are made invalid together, which costs a
/// fetch more now and then and nothing else.
const SLOTS: usize = 1 << 14;

pub(super) struct Epochs {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Epochs {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Epochs {
    /// The epoch of a resource: one for all of its queries, as responses may be for several of them (`No-Vary-Search`).
    pub(super) fn of(&self, key: &CacheKey) -> u64 {
        self.slot(key).load(Ordering::Acquire)
    }

    /// Begins a new one.
    pub(super) fn advance(&self, key: &CacheKey) {
        self.slot(key).fetch_add(1, Ordering::AcqRel);
    }

    fn slot(&self, key: &CacheKey) -> &AtomicU64 {
        let hash = self.hasher.hash_one(key.without_query());
        &self.slots[usize::try_from(hash % SLOTS as u64).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;

    #[test]
    fn epoch_of_a_resource_is_that_of_all_its_queries() {
        let epochs = Epochs::default();
        let key = |query: &'static str| CacheKey::new(Scheme::Https, "a.test", "/a", Some(query.as_bytes()));
        let before = epochs.of(&key("v=1"));
        epochs.advance(&key("v=2"));
        assert_eq!(epochs.of(&key("v=1")), before + 1);
        let other = (0..100).map(|number| CacheKey::new(Scheme::Https, "a.test", &format!("/{number}"), None));
        assert!(other.map(|key| epochs.of(&key)).filter(|epoch| *epoch == 0).count() > 90);
    }
}
