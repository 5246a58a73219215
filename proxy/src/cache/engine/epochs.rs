//! When what is stored under the parts of a resource was last made invalid.
//!
//! A resource whose key has parts is stored under many keys, which nobody lists. Each of them has the resource's epoch
//! in it; an invalidation begins a new one, and what is stored under the old ones is out of reach for good: no epoch of
//! a resource ever comes back.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;
use parking_lot::RwLock;

use crate::cache::key::CacheKey;

/// Resources that have an epoch of their own since an invalidation; 4 MiB of them at most. Those whose invalidation is
/// longest ago share one from then on.
const OWN: usize = 1 << 16;

/// Shared epochs that are told apart, 128 KiB of them. When a resource comes to share one, what is stored under the parts
/// of others that do is out of reach, too: that costs them a fetch.
const SHARED: usize = 1 << 14;

pub(super) struct Epochs {
    state: RwLock<State>,
    hasher: RandomState,
    own: usize,
}

struct State {
    /// By two hashes of the URL, keyed at random: nobody can make two resources meet.
    own: HashMap<Resource, u64, RandomState>,
    /// In the order of their invalidations, with the epoch that each began.
    order: VecDeque<(Resource, u64)>,
    shared: Box<[u64]>,
    /// The last one that was begun.
    last: u64,
}

type Resource = (u64, u64);

impl Default for Epochs {
    fn default() -> Self {
        Self::telling_apart(OWN)
    }
}

impl Epochs {
    fn telling_apart(own: usize) -> Self {
        let state = State {
            own: HashMap::default(),
            order: VecDeque::new(),
            shared: vec![0; SHARED].into_boxed_slice(),
            last: 0,
        };
        Self { state: RwLock::new(state), hasher: RandomState::new(), own }
    }

    /// The epoch of a resource: one for all of its queries, as responses may be for several of them (`No-Vary-Search`).
    pub(super) fn of(&self, key: &CacheKey) -> u64 {
        let resource = self.resource(key);
        let state = self.state.read();
        state.own.get(&resource).copied().unwrap_or_else(|| state.shared[slot(resource)])
    }

    /// Begins a new one.
    pub(super) fn advance(&self, key: &CacheKey) {
        let resource = self.resource(key);
        let mut state = self.state.write();
        state.last += 1;
        let epoch = state.last;
        state.own.insert(resource, epoch);
        state.order.push_back((resource, epoch));
        while state.order.len() > self.own {
            state.share_oldest();
        }
    }

    fn resource(&self, key: &CacheKey) -> Resource {
        let url = key.without_query();
        (self.hasher.hash_one(url), self.hasher.hash_one((url, SHARED)))
    }
}

impl State {
    /// Takes its own epoch from the resource that was invalidated longest ago.
    fn share_oldest(&mut self) {
        let Some((resource, epoch)) = self.order.pop_front() else { return };
        // Invalidated again since, it stands once more further behind.
        if self.own.get(&resource) == Some(&epoch) {
            self.own.remove(&resource);
            let shared = &mut self.shared[slot(resource)];
            *shared = epoch.max(*shared);
        }
    }
}

fn slot((first, _): Resource) -> usize {
    usize::try_from(first % SHARED as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;

    fn key(path: &str, query: &'static str) -> CacheKey {
        CacheKey::new(Scheme::Https, "a.test", path, Some(query.as_bytes()))
    }

    #[test]
    fn epoch_of_a_resource_is_that_of_all_its_queries_and_of_no_other_resource() {
        let epochs = Epochs::default();
        let others: Vec<_> = (0..20_000).map(|number| key(&format!("/{number}"), "")).collect();
        let before = epochs.of(&key("/a", "v=1"));
        epochs.advance(&key("/a", "v=2"));
        assert_ne!(epochs.of(&key("/a", "v=1")), before);
        assert!(others.iter().all(|other| epochs.of(other) == before));
    }

    #[test]
    fn no_epoch_of_a_resource_comes_back_however_many_are_invalidated() {
        let epochs = Epochs::telling_apart(8);
        let resources: Vec<_> = (0..64).map(|number| key(&format!("/{number}"), "")).collect();
        let mut last = vec![0; resources.len()];
        for round in 0..2000 {
            let invalidated = (round * 7 + round / 5) % resources.len();
            epochs.advance(&resources[invalidated]);
            for (number, resource) in resources.iter().enumerate() {
                let epoch = epochs.of(resource);
                let expected = last[number] + u64::from(number == invalidated);
                assert!(epoch >= expected, "{number} in round {round}: {epoch} after {}", last[number]);
                last[number] = epoch;
            }
            let state = epochs.state.read();
            assert!(state.own.len() <= 8 && state.order.len() <= 8);
        }
    }
}
