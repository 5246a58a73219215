//! Fills in flight: who fetches what, and what those who wait are told.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::fetch::FetchError;
use super::memory::FullKey;
use super::object::Object;

/// What a fill has found so far.
#[derive(Clone)]
pub(super) enum Head {
    /// Nothing yet.
    Pending,
    /// A response that everyone whose fields select it may read. `revalidated` when a 304 confirmed it.
    Ready {
        /// The response.
        object: Arc<Object>,
        /// Whether the origin confirmed what was stored.
        revalidated: bool,
        /// Whether it will be stored once complete.
        stored: bool,
    },
    /// The origin failed; this stored response may stand in (RFC 5861 section 4).
    Stale(Arc<Object>),
    /// The response may not be shared: it is for the first who takes it, the others go on by themselves.
    Unshared,
    /// No response.
    Failed(FetchError),
}

/// One fill, seen by those who wait for it.
pub(super) struct Fill {
    head: watch::Sender<Head>,
    /// A response that may not be shared, until someone takes it.
    unshared: Mutex<Option<Arc<Object>>>,
    /// Fields of the request that the fill sends; `Vary` compares waiters against them.
    pub(super) request_fields: HeaderMap,
}

impl Fill {
    /// A fill that has found nothing yet.
    #[must_use]
    pub(super) fn new(request_fields: HeaderMap) -> Arc<Self> {
        let (head, _) = watch::channel(Head::Pending);
        Arc::new(Self { head, unshared: Mutex::new(None), request_fields })
    }

    /// Tells everyone who waits.
    pub(super) fn publish(&self, head: Head) {
        self.head.send_replace(head);
    }

    /// Tells everyone who waits that the response is for one of them.
    pub(super) fn publish_unshared(&self, object: Arc<Object>) {
        *self.unshared.lock() = Some(object);
        self.publish(Head::Unshared);
    }

    /// Fails what is still pending; what was published stays.
    pub(super) fn fail_pending(&self, error: FetchError) {
        self.head.send_if_modified(|head| {
            let pending = matches!(head, Head::Pending);
            if pending {
                *head = Head::Failed(error);
            }
            pending
        });
    }

    /// Takes the response that may not be shared; `None` for all but the first.
    pub(super) fn take_unshared(&self) -> Option<Arc<Object>> {
        self.unshared.lock().take()
    }

    /// Waits for the head.
    pub(super) async fn wait(&self) -> Head {
        let mut head = self.head.subscribe();
        // The sender lives in `self`, so the channel cannot be closed while we wait.
        match head.wait_for(|head| !matches!(head, Head::Pending)).await {
            Ok(head) => head.clone(),
            Err(_) => Head::Pending,
        }
    }
}

/// Shards of the map of fills. Joining holds one shard's lock for a look-up; 64 keep contention negligible.
const SHARDS: usize = 64;

/// All fills in flight by key.
pub(super) struct FillsInFlight {
    shards: Box<[Mutex<HashMap<FullKey, Arc<Fill>>>]>,
    hasher: RandomState,
}

/// How a request came by a fill.
pub(super) enum Joined<T> {
    /// One was there.
    Existing(Arc<Fill>),
    /// This request started it.
    Started(Arc<Fill>),
    /// None is needed after all.
    Settled(T),
    /// None could be started.
    Refused,
}

impl Default for FillsInFlight {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl FillsInFlight {
    fn shard(&self, key: &FullKey) -> &Mutex<HashMap<FullKey, Arc<Fill>>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// Joins the fill of this key or starts one, under one lock: `settle` looks once more whether one is needed,
    /// `start` makes it.
    pub(super) fn join<T>(
        &self,
        key: &FullKey,
        settle: impl FnOnce() -> Option<T>,
        start: impl FnOnce() -> Option<Arc<Fill>>,
    ) -> Joined<T> {
        let mut shard = self.shard(key).lock();
        if let Some(fill) = shard.get(key) {
            return Joined::Existing(Arc::clone(fill));
        }
        if let Some(settled) = settle() {
            return Joined::Settled(settled);
        }
        let Some(fill) = start() else { return Joined::Refused };
        shard.insert(key.clone(), Arc::clone(&fill));
        Joined::Started(fill)
    }

    /// Forgets a fill, if it is still the one of this key.
    pub(super) fn remove(&self, key: &FullKey, fill: &Arc<Fill>) {
        let mut shard = self.shard(key).lock();
        if shard.get(key).is_some_and(|known| Arc::ptr_eq(known, fill)) {
            shard.remove(key);
        }
    }
}
