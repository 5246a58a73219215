//! Fills in flight: who fetches what, and what those who wait are told.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::bell::Bell;
use super::fetch::{FetchError, InterimListener};
use super::interim::{InterimHead, InterimHeads};
use super::memory::FullKey;
use super::object::Object;
use super::recollection::Audience;
use crate::cache::key::CacheKey;
use crate::cache::purge::Provenance;
use crate::cache::rules::decide::OriginFailure;
use crate::cache::rules::interim;
use crate::cache::rules::storability::NotStored;

/// What a fill has found so far.
#[derive(Clone)]
pub(super) enum Head {
    /// Nothing yet.
    Pending,
    /// A response that everyone whose fields select it may read.
    Ready {
        /// The response.
        object: Arc<Object>,
        /// Whether the origin confirmed what was stored.
        revalidated: bool,
        /// Whether it will be stored once complete, as far as can be told, and else why not.
        stored: Result<(), NotStored>,
    },
    /// The response may not be shared: it is for the request that it was fetched with, the others go on by themselves.
    Unshared(Others),
    /// No response. What is stored may stand in for those who may have it (RFC 5861 section 4).
    Failed {
        /// What the others are told.
        error: FetchError,
        /// How the origin failed.
        failure: OriginFailure,
        /// What is stored.
        stale: Option<Arc<Object>>,
    },
}

/// What becomes of those who waited for a response that is for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// They can hardly share one, and go to the origin side by side.
    Pass,
    /// It says nothing of what they are answered: one of them asks for all.
    LookAgain,
}

/// What the request that started a fill is told next.
pub(super) enum News {
    /// Interim responses that it has not heard yet; never none.
    Interim(Vec<InterimHead>),
    /// What it has found, which is no longer [`Head::Pending`].
    Head(Head),
}

/// What a fill has found, and what came before it.
struct Found {
    interim: InterimHeads,
    head: Head,
}

/// One fill, seen by those who wait for it.
pub(super) struct Fill {
    /// The very own key of the request that started it, and when it began; its tags nobody knows before its head.
    pub(super) asked: Provenance,
    found: Mutex<Found>,
    /// Rung when the head is found.
    news: Bell,
    /// Wakes the one who hears what comes before.
    hinted: Notify,
    /// What only the request may have that the response was fetched with, until it takes it: a response that may not be
    /// shared, or one with fields that may not.
    own: Mutex<Option<Arc<Object>>>,
    /// Fields of the request that the fill sends; `Vary` compares waiters against them.
    pub(super) request_fields: HeaderMap,
    /// Of whom the request is that the fill sends.
    pub(super) audience: Audience,
    /// Whether its origin may hold it back.
    pub(super) held: bool,
}

impl Fill {
    /// A fill that has found nothing yet.
    pub(super) fn new(asked: Provenance, request_fields: HeaderMap, audience: Audience, held: bool) -> Arc<Self> {
        Arc::new(Self {
            asked,
            found: Mutex::new(Found { interim: InterimHeads::default(), head: Head::Pending }),
            news: Bell::default(),
            hinted: Notify::new(),
            own: Mutex::new(None),
            request_fields,
            audience,
            held,
        })
    }

    /// Tells everyone who waits.
    pub(super) fn publish(&self, head: Head) {
        self.found.lock().head = head;
        self.news.ring();
    }

    /// Tells everyone who waits that the response is for one of them.
    pub(super) fn publish_unshared(&self, object: Arc<Object>, others: Others) {
        self.keep_own(object);
        self.publish(Head::Unshared(others));
    }

    /// Keeps a response for the request that it was fetched with.
    pub(super) fn keep_own(&self, object: Arc<Object>) {
        *self.own.lock() = Some(object);
    }

    /// Fails what is still pending; what was published stays.
    pub(super) fn fail_pending(&self, error: FetchError) {
        {
            let mut found = self.found.lock();
            if !matches!(found.head, Head::Pending) {
                return;
            }
            found.head = Head::Failed { error, failure: OriginFailure::Unreachable, stale: None };
        }
        self.news.ring();
    }

    /// Takes what may not be shared. Only for the request that started the fill: another one's session must never read
    /// it.
    pub(super) fn take_own(&self) -> Option<Arc<Object>> {
        self.own.lock().take()
    }

    /// Whether nothing has been found yet.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.found.lock().head, Head::Pending)
    }

    /// The response that everyone may read, once there is one.
    pub(super) fn shared(&self) -> Option<Arc<Object>> {
        match &self.found.lock().head {
            Head::Ready { object, .. } => Some(Arc::clone(object)),
            Head::Pending | Head::Unshared(_) | Head::Failed { .. } => None,
        }
    }

    /// Waits for the head.
    pub(super) async fn head(&self) -> Head {
        let found = || Some(self.found.lock().head.clone()).filter(|head| !matches!(head, Head::Pending));
        self.news.until(found).await
    }

    /// Waits for the head, or for interim responses, which come first. Only for the request that started the fill: what an
    /// origin says before the final response is for the client whose request it got. Cancel-safe.
    pub(super) async fn news(&self) -> News {
        loop {
            let head = tokio::select! {
                () = self.hinted.notified() => None,
                head = self.head() => Some(head),
            };
            // Behind the head nothing is kept any more: what is there came before it.
            let heads = self.found.lock().interim.take();
            match head {
                _ if !heads.is_empty() => return News::Interim(heads),
                Some(head) => return News::Head(head),
                None => {}
            }
        }
    }
}

impl InterimListener for Fill {
    fn hear(&self, status: StatusCode, mut fields: HeaderMap) {
        if !interim::is_passed_on(status) {
            return;
        }
        for name in interim::ending_fields(&fields) {
            fields.remove(name);
        }
        {
            let mut found = self.found.lock();
            if !matches!(found.head, Head::Pending) {
                return; // of a later request of this fill: the rest of a body, or a slice
            }
            if !found.interim.keep(InterimHead { status, fields }) {
                log::debug!("a fill passes no more interim responses on");
                return;
            }
        }
        self.hinted.notify_one();
    }
}

/// Shards of the map of fills. Joining holds one shard's lock for a look-up; 64 keep contention negligible.
const SHARDS: usize = 64;

type Shard = Mutex<HashMap<FullKey, Arc<Fill>>>;

/// All fills in flight by key. All variants of a key are in one shard.
pub(super) struct FillsInFlight {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

/// What came of entering a fill.
pub(super) enum Entered<T> {
    /// One was there.
    Existing(Arc<Fill>),
    /// It is in.
    New,
    /// None is needed after all.
    Settled(T),
}

impl Default for FillsInFlight {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl FillsInFlight {
    fn shard(&self, key: &CacheKey) -> &Shard {
        let hash = self.hasher.hash_one(key.resource());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// The fill of this key.
    pub(super) fn get(&self, key: &FullKey) -> Option<Arc<Fill>> {
        self.shard(&key.primary).lock().get(key).map(Arc::clone)
    }

    /// Enters a fill unless the key has one that is of use, under one lock: `settle` looks once more whether one is needed.
    pub(super) fn enter<T>(
        &self,
        key: &FullKey,
        fill: &Arc<Fill>,
        is_of_use: impl FnOnce(&Fill) -> bool,
        settle: impl FnOnce() -> Option<T>,
    ) -> Entered<T> {
        let mut shard = self.shard(&key.primary).lock();
        if let Some(existing) = shard.get(key).filter(|existing| is_of_use(existing)) {
            return Entered::Existing(Arc::clone(existing));
        }
        if let Some(settled) = settle() {
            return Entered::Settled(settled);
        }
        shard.insert(key.clone(), Arc::clone(fill));
        Entered::New
    }

    /// Forgets a fill, if it is still the one of this key.
    pub(super) fn remove(&self, key: &FullKey, fill: &Arc<Fill>) {
        let mut shard = self.shard(&key.primary).lock();
        if shard.get(key).is_some_and(|known| Arc::ptr_eq(known, fill)) {
            shard.remove(key);
        }
    }

    /// Fills by key.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;
    use crate::cache::purge::{Generation, Tags};

    fn key(path: &str, variant: &[u8]) -> FullKey {
        FullKey { primary: CacheKey::new(Scheme::Http, "a.test", path, None), variant: variant.into() }
    }

    fn fill() -> Arc<Fill> {
        let asked = Provenance::new(key("/", b"").primary, Generation::default(), Tags::default());
        Fill::new(asked, HeaderMap::new(), Audience::Anyone, false)
    }

    fn nothing() -> Option<()> {
        None
    }

    #[test]
    fn second_fill_of_a_key_finds_the_first() {
        let fills = FillsInFlight::default();
        let (first, second) = (fill(), fill());
        assert!(matches!(fills.enter(&key("/", b""), &first, |_| true, nothing), Entered::New));
        let Entered::Existing(found) = fills.enter(&key("/", b""), &second, |_| true, nothing) else {
            panic!("two fills")
        };
        assert!(Arc::ptr_eq(&found, &first));
        fills.remove(&key("/", b""), &second);
        assert_eq!(fills.len(), 1, "only the owner removes its entry");
        fills.remove(&key("/", b""), &first);
        assert_eq!(fills.len(), 0);
    }

    #[test]
    fn settled_key_gets_no_fill() {
        let fills = FillsInFlight::default();
        assert!(matches!(fills.enter(&key("/", b""), &fill(), |_| true, || Some(7)), Entered::Settled(7)));
        assert_eq!(fills.len(), 0);
    }

    #[test]
    fn fill_that_is_of_no_use_any_more_makes_way_and_takes_nothing_with_it_when_it_ends() {
        let fills = FillsInFlight::default();
        let (first, second) = (fill(), fill());
        assert!(matches!(fills.enter(&key("/", b""), &first, |_| true, nothing), Entered::New));
        assert!(matches!(fills.enter(&key("/", b""), &second, |_| false, nothing), Entered::New));
        fills.remove(&key("/", b""), &first);
        assert!(Arc::ptr_eq(&fills.get(&key("/", b"")).unwrap(), &second));
    }

    #[tokio::test]
    async fn waiter_that_comes_after_the_head_gets_it_and_a_late_failure_changes_nothing() {
        let fill = fill();
        assert!(fill.is_pending());
        fill.publish(Head::Unshared(Others::Pass));
        let status = StatusCode::BAD_GATEWAY;
        fill.fail_pending(FetchError { status, reason: "late".to_owned() });
        assert!(matches!(fill.head().await, Head::Unshared(Others::Pass)));
    }

    #[tokio::test]
    async fn interim_responses_are_heard_before_the_head_and_none_behind_it() {
        let fill = fill();
        let hear = |status: u16, line: &'static str| {
            let (name, value) = line.split_once(": ").unwrap();
            let field = (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
            fill.hear(StatusCode::from_u16(status).unwrap(), HeaderMap::from_iter([field]));
        };
        for (status, line) in [(100, "a: 0"), (102, "a: 1"), (103, "connection: x"), (101, "a: 0")] {
            hear(status, line);
        }
        let News::Interim(heads) = fill.news().await else { panic!("a head without any") };
        let told: Vec<_> = heads.iter().map(|head| (head.status.as_u16(), head.fields.len())).collect();
        assert_eq!(told, [(102, 1), (103, 0)]);
        hear(103, "a: 2");
        fill.publish(Head::Unshared(Others::Pass));
        hear(103, "a: 3");
        assert!(matches!(fill.head().await, Head::Unshared(Others::Pass)), "the others have the head alone");
        let News::Interim(heads) = fill.news().await else { panic!("the head goes first") };
        assert_eq!(heads[0].fields["a"], "2");
        assert_eq!(heads.len(), 1);
        assert!(matches!(fill.news().await, News::Head(_)));
    }
}
