//! Records on their way from disk into memory: one read for all who ask for one key at a time.
//!
//! Owns who waits, and that nothing comes back from disk which was replaced or forgotten while it was read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use ahash::RandomState;
use bytes::Bytes;
use parking_lot::Mutex;

use super::super::bell::Bell;

/// Parts of the table, each with its own lock, held for a look-up.
const SHARDS: usize = 32;

/// One read.
pub(super) struct Load<T> {
    found: OnceLock<Option<T>>,
    done: Bell,
    /// What it reads was replaced or forgotten meanwhile.
    outdated: AtomicBool,
}

impl<T> Load<T> {
    /// Whether it is in vain.
    fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Acquire)
    }
}

impl<T: Clone> Load<T> {
    /// What it has found. Cancel-safe.
    pub(super) async fn found(&self) -> Option<T> {
        self.done.until(|| self.found.get().cloned()).await
    }
}

type Shard<T> = Mutex<HashMap<Bytes, Arc<Load<T>>, RandomState>>;

/// All reads under way.
pub(super) struct Loads<T> {
    shards: Box<[Shard<T>]>,
    hasher: RandomState,
}

/// What becomes of one who asks for a key.
pub(super) enum Joined<T> {
    /// It is being read.
    Existing(Arc<Load<T>>),
    /// The one who asks is to read it.
    New(Arc<Load<T>>),
    /// There is nothing to read.
    Nothing,
}

impl<T> Default for Loads<T> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl<T> Loads<T> {
    fn shard(&self, key: &Bytes) -> &Shard<T> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// Joins the read of this key, or begins one where there `may` be something to read.
    pub(super) fn join(&self, key: &Bytes, may: impl FnOnce() -> bool) -> Joined<T> {
        let mut shard = self.shard(key).lock();
        if let Some(load) = shard.get(key) {
            return Joined::Existing(Arc::clone(load));
        }
        if !may() {
            return Joined::Nothing;
        }
        let outdated = AtomicBool::new(false);
        let load = Arc::new(Load { found: OnceLock::new(), done: Bell::default(), outdated });
        shard.insert(key.clone(), Arc::clone(&load));
        Joined::New(load)
    }

    /// What is being read under this key is not to be used, and nobody joins that any more.
    pub(super) fn outdate(&self, key: &Bytes) {
        if let Some(load) = self.shard(key).lock().remove(key) {
            load.outdated.store(true, Ordering::Release);
        }
    }

    /// Does something unless what is read was replaced or forgotten meanwhile, at a time when nobody can do so.
    pub(super) fn while_current(&self, key: &Bytes, load: &Load<T>, then: impl FnOnce()) {
        let _shard = self.shard(key).lock();
        if !load.is_outdated() {
            then();
        }
    }

    /// Ends a read. `keep` puts what was found into memory, at a time when nobody can outdate it.
    pub(super) fn end(&self, key: &Bytes, load: &Arc<Load<T>>, found: Option<T>, keep: impl FnOnce(&T)) {
        {
            let mut shard = self.shard(key).lock();
            let found = found.filter(|_| !load.is_outdated());
            if let Some(found) = &found {
                keep(found);
            }
            if shard.get(key).is_some_and(|known| Arc::ptr_eq(known, load)) {
                shard.remove(key);
            }
            // Set once: a guard that ends it again finds it done.
            let _first = load.found.set(found);
        }
        load.done.ring_out();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(loads: &Loads<u32>, key: &Bytes) -> Arc<Load<u32>> {
        match loads.join(key, || true) {
            Joined::New(load) => load,
            _ => panic!("somebody reads it"),
        }
    }

    #[tokio::test]
    async fn all_who_ask_at_a_time_share_one_read() {
        let (loads, key) = (Loads::default(), Bytes::from_static(b"a"));
        let load = new(&loads, &key);
        let Joined::Existing(other) = loads.join(&key, || panic!("nobody asks again")) else { panic!("two reads") };
        loads.end(&key, &load, Some(7), |found| assert_eq!(*found, 7));
        assert_eq!((load.found().await, other.found().await, loads.len()), (Some(7), Some(7), 0));
        assert!(matches!(loads.join(&key, || false), Joined::Nothing));
    }

    #[tokio::test]
    async fn what_was_forgotten_while_it_was_read_is_not_kept() {
        let (loads, key) = (Loads::default(), Bytes::from_static(b"a"));
        let load = new(&loads, &key);
        loads.outdate(&key);
        let next = new(&loads, &key);
        loads.end(&key, &load, Some(7), |_| panic!("it is kept"));
        assert_eq!((load.found().await, loads.len()), (None, 1), "the next read goes on");
        loads.end(&key, &next, Some(8), |_| {});
        assert_eq!(next.found().await, Some(8));
    }
}
