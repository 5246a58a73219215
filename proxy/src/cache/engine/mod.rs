//! The cache engine: finds, joins or starts, and keeps.
//!
//! Owns stored objects and fills in flight. It answers a request with an object to read from, or says that the
//! request must go to the origin by itself. The rules it follows are pure and stand in [`super::rules`]; how a
//! response is fetched is behind [`Fetcher`]; how an answer is written to a client is not its business.

mod ahead;
mod answer;
mod answering;
mod appraisal;
mod bell;
mod body;
mod budget;
mod clock;
mod coded;
mod contents;
mod disk;
mod explanation;
mod fetch;
mod fill_task;
mod fills;
mod heads;
mod held_places;
mod interim;
mod live;
mod memory;
mod object;
mod pins;
mod purging;
mod recollection;
mod search_rules;
mod slices;
#[cfg(test)]
mod tests;
mod waiting;
mod warming;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use tidegate_config::model::{CacheMemory, Coding};
use tokio::runtime::Handle;

pub use ahead::Ahead;
pub use answer::{Answer, Lookup, Outcome, Passage};
pub use body::{Body, BodyError, Reader};
pub use coded::Coded;
pub use contents::{MemoryCursor, MemoryPage, SiteContents, StoredEntry, Wanted};
pub use disk::fuzz_stored_head;
pub use disk::{DiskRecord, DiskTier, Kind, NotTaken, Pinning, record_is_gone, site_tag};
pub use explanation::{Explanation, FoundIn, NotStoredNote, Presence, SliceCounts};
pub use fetch::{FetchError, FetchEvent, FetchRequest, FetchStream, Fetcher, InterimListener};
pub use interim::{Hearing, InterimHead};
pub use live::{HeldBack, Hold, KnownPlaylist};
pub use memory::MemoryFigures;
pub use object::Object;
pub use pins::{NotPinned, Pin, PinnedIn};
pub use purging::Change;
pub use warming::{WarmUp, WarmUpEnd, hot_list_made_at};

use super::key::CacheKey;
use super::purge::{Provenance, Purges, Tags};
use super::rules::decide::{Decision, Freshness, OriginFailure, Part, WhyStale, decide};
use crate::telemetry::Metrics;
use appraisal::{Appraisal, Told};
use budget::Budget;
use coded::Workshop;
use contents::Contents;
use disk::Beneath;
use fill_task::{FillOrder, Guard, Starter};
use fills::{Entered, Fill, FillsInFlight};
use held_places::Place;
use live::{LivePlaylists, too_many_held};
use memory::{Found, FullKey, MAX_WEIGHT, MemoryTier};
use pins::PinnedKeys;
use recollection::{Mark, Recollection};
use search_rules::SearchRules;

/// Bytes below moka's limit of an entry's weight that are left to fields, key and bookkeeping.
const WEIGHT_MARGIN: u64 = 1 << 20;

/// Part of the memory tier's capacity that bodies may take beside it which came from disk and found no room in it.
const RAISED_SHARE: u64 = 4;

/// What the engine may take.
struct Bounds {
    /// Accounted bytes of all stored objects.
    capacity: u64,
    /// Largest stored object.
    max_object: u64,
    /// Bytes of a body that is not stored.
    window: usize,
    /// Fills at the same time.
    fills: usize,
}

/// The engine. `R` is the request that its fetcher understands.
pub struct CacheEngine<R: FetchRequest> {
    bounds: Bounds,
    memory: MemoryTier,
    recollection: Recollection,
    purges: Arc<Purges>,
    /// Purges that memory is still to be given back for.
    reclaims: AtomicU64,
    search_rules: SearchRules,
    fills: FillsInFlight,
    live: LivePlaylists,
    budget: Arc<Budget>,
    fetcher: OnceLock<Arc<dyn Fetcher<R>>>,
    workshop: Arc<Workshop>,
    contents: Contents<Object>,
    pinned: PinnedKeys,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

/// How a request came by a fill.
enum Joined {
    /// There is one.
    Fill(Arc<Fill>, Part),
    /// None is needed after all.
    Settled(Arc<Object>),
    /// None could be started.
    Refused(FetchError),
}

impl<R: FetchRequest> CacheEngine<R> {
    /// An empty engine whose fills run on `runtime`.
    pub fn new(memory: &CacheMemory, purges: Arc<Purges>, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        let bounds = Bounds {
            capacity: memory.capacity.0,
            max_object: memory.max_object.0.min(u64::from(MAX_WEIGHT) - WEIGHT_MARGIN),
            window: memory.fill_window.as_usize(),
            fills: memory.fills,
        };
        Self::purged_by(purges, bounds, runtime, metrics)
    }

    #[cfg(test)]
    fn within(bounds: Bounds, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        Self::purged_by(Purges::in_memory(metrics.purges().clone()), bounds, runtime, metrics)
    }

    fn purged_by(purges: Arc<Purges>, bounds: Bounds, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        // Bytes of fills count beside the tier itself; half its size bounds the sum.
        let growing = bounds.capacity / 2;
        let memory = MemoryTier::new(bounds.capacity, Arc::clone(&metrics));
        Arc::new(Self {
            recollection: Recollection::default(),
            purges,
            reclaims: AtomicU64::new(0),
            search_rules: SearchRules::default(),
            fills: FillsInFlight::default(),
            live: LivePlaylists::default(),
            budget: Budget::new(bounds.fills, growing),
            workshop: Workshop::new(bounds.capacity, memory.scale(), runtime.clone(), Arc::clone(&metrics)),
            memory,
            bounds,
            contents: Contents::default(),
            pinned: PinnedKeys::default(),
            fetcher: OnceLock::new(),
            runtime,
            metrics,
        })
    }

    /// Says who fetches; once, while the node is put together.
    pub fn set_fetcher(&self, fetcher: Arc<dyn Fetcher<R>>) {
        if self.fetcher.set(fetcher).is_err() {
            log::warn!("the cache engine has a fetcher already; the second one is not used");
        }
    }

    /// Says what is stored on disk, beneath memory; once, while the node is put together. What is of use for less than
    /// `min_lifetime` is not written.
    pub fn set_disk(&self, tier: Arc<dyn DiskTier>, min_lifetime: Duration) {
        let most_held = self.bounds.capacity / RAISED_SHARE;
        let beneath = Beneath::new(tier, self.lineage(), min_lifetime, most_held, self.runtime.clone());
        self.memory.set_beneath(beneath);
    }

    /// From now on what is of use for less than this is not written on disk.
    pub fn set_min_lifetime_on_disk(&self, min_lifetime: Duration) {
        if let Some(beneath) = self.memory.beneath() {
            beneath.set_min_lifetime(min_lifetime);
        }
    }

    /// Figures for metrics.
    #[must_use]
    pub fn figures(&self) -> MemoryFigures {
        self.memory.figures()
    }

    /// What is known of a request's key, or of the one that it shares with others by `No-Vary-Search`.
    fn find(&self, lookup: &Lookup<'_>) -> Found {
        let found = self.unless_purged(self.memory.find(lookup.key, lookup.fields));
        if found.object.is_some() || found.varies || !lookup.policy.key.no_vary_search {
            return found;
        }
        match self.shared_key(lookup) {
            Some(shared) => self.unless_purged(self.memory.find(&shared, lookup.fields)),
            None => found,
        }
    }

    /// The key that a request shares with others by what is known of its path (`No-Vary-Search`).
    fn shared_key(&self, lookup: &Lookup<'_>) -> Option<CacheKey> {
        self.search_rules.shared(lookup.key)
    }

    /// Takes note of what an origin answered to a GET that passed because its like could not share: if that can be, the
    /// next ones do. Otherwise one client's own answer would send all to the origin for as long as the mark lasts.
    pub fn note_passed(&self, lookup: &Lookup<'_>, status: StatusCode, fields: &HeaderMap, request_time: SystemTime) {
        let appraisal = Appraisal { facts: lookup.facts, policy: lookup.policy, path: lookup.path };
        if appraisal.assess(&Told { status, fields, request_time, response_time: clock::now() }, None).is_ok() {
            self.recollection.unmark(&self.find(lookup).key, lookup.audience());
        }
    }

    /// Renews a stale object in the background; one fill at a time, nobody waits, and not right after a failure.
    fn refresh(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: &FullKey,
        object: &Arc<Object>,
        make_request: &(impl Fn() -> R + Sync),
    ) {
        let audience = lookup.audience();
        let marked = self.recollection.marked(key, audience) == Some(Mark::Unshareable);
        if marked || self.recollection.recent_failure(key).is_some() {
            return;
        }
        if let Joined::Refused(why) = self.join(lookup, key, Some(object), Starter::Background, make_request) {
            log::debug!("no background refresh of {}: {why}", lookup.key.without_query());
        }
    }

    fn join(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: &FullKey,
        stale: Option<&Arc<Object>>,
        starter: Starter,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Joined {
        if let Some(fill) = self.fill_of(key) {
            return Joined::existing(fill);
        }
        let request = make_request();
        let held = request.hold().is_some();
        let admission = match held {
            true => self.live.admit(request.site(), lookup.key).map(Place::HeldBack).ok_or_else(too_many_held),
            false => self.budget.admit().map(Place::Working).ok_or_else(too_many_fills),
        };
        let admission = match admission {
            Ok(admission) => admission,
            Err(why) => {
                self.metrics.fills().refused();
                return Joined::Refused(why);
            }
        };
        let asked = Provenance::new(lookup.key.clone(), self.purges.latest(), Tags::default());
        let fill = Fill::new(asked, request.fields().clone(), lookup.audience(), held);
        let is_of_use = |fill: &Fill| self.is_of_use(fill);
        match self.fills.enter(key, &fill, is_of_use, || self.stored(lookup, clock::now())) {
            Entered::Existing(fill) => Joined::existing(fill),
            Entered::Settled(object) => Joined::Settled(object),
            Entered::New => {
                let order = FillOrder::new(lookup, request, stale.map(Arc::clone), starter);
                // Made before the task, so that also a task that never runs (the runtime stops) strands nobody.
                let guard = Guard::new(Arc::clone(self), key.clone(), Arc::clone(&fill), admission);
                self.runtime.spawn(fill_task::run(guard, order));
                Joined::Fill(fill, Part::Starter)
            }
        }
    }

    /// What is stored and answers this request by itself: the one case of [`Self::answer`] that never waits.
    #[must_use]
    pub fn stored(&self, lookup: &Lookup<'_>, now: SystemTime) -> Option<Arc<Object>> {
        let object = self.find(lookup).object?;
        let decision = decide(lookup.facts, Some(&object.meta), now, lookup.policy);
        (decision == Decision::Serve(Freshness::Fresh)).then_some(object)
    }

    /// A complete body in this coding, made if need be; `None` where it gains nothing or there is no room for it.
    pub async fn code(&self, body: &Arc<Body>, coding: Coding) -> Option<Arc<Body>> {
        self.workshop.form(body, coding).await
    }

    /// What is stored and stale, if it may stand in for a response that does not come in time (RFC 5861 section 4).
    #[must_use]
    pub fn stale_in_place(&self, lookup: &Lookup<'_>) -> Option<Answer> {
        let stored = self.find(lookup).object;
        let stale = self.usable_stale(lookup, stored.as_ref(), OriginFailure::Unreachable)?;
        if stale.body.in_slices().is_some_and(|sliced| !sliced.is_complete()) {
            return None; // the rest would have to be fetched
        }
        Some(Answer::served(stale, Outcome::Stale(WhyStale::Failed(None))))
    }

    /// What is known of the live playlist that is asked for, whatever the query.
    #[must_use]
    pub fn known_playlist(&self, key: &CacheKey) -> Option<KnownPlaylist> {
        self.live.playlist(key)
    }

    /// The target duration of parts, where the one that is asked for was announced by a playlist.
    #[must_use]
    pub fn hinted_part(&self, key: &CacheKey) -> Option<Duration> {
        self.live.hinted(key)
    }

    fn fits(&self, length: Option<u64>) -> bool {
        length.is_none_or(|length| length <= self.bounds.max_object)
    }

    fn fetch(&self, request: R) -> Box<dyn FetchStream> {
        match self.fetcher.get() {
            Some(fetcher) => fetcher.fetch(request),
            None => Box::new(NoFetcher),
        }
    }
}

impl Joined {
    fn existing(fill: Arc<Fill>) -> Self {
        let part = if fill.is_pending() { Part::Early } else { Part::Late };
        Self::Fill(fill, part)
    }
}

fn too_many_fills() -> FetchError {
    FetchError {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: "the limit of concurrent fills is reached".to_owned(),
    }
}

/// Stands in until the node is put together.
struct NoFetcher;

impl FetchStream for NoFetcher {
    fn next(&mut self) -> futures::future::BoxFuture<'_, Result<FetchEvent, FetchError>> {
        let error = FetchError { status: StatusCode::SERVICE_UNAVAILABLE, reason: "the node is starting".to_owned() };
        Box::pin(std::future::ready(Err(error)))
    }
}
