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
mod epochs;
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
mod recollection;
mod search_rules;
mod slices;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use tidegate_config::model::{CacheMemory, Coding};
use tokio::runtime::Handle;

pub use ahead::Ahead;
pub use answer::{Answer, Lookup, Outcome, Passage};
pub use body::{Body, BodyError, Reader};
pub use coded::Coded;
pub use explanation::{Explanation, NotStoredNote, Presence, SliceCounts};
pub use fetch::{FetchError, FetchEvent, FetchRequest, FetchStream, Fetcher, InterimListener};
pub use interim::{Hearing, InterimHead};
pub use live::{HeldBack, Hold, KnownPlaylist};
pub use memory::MemoryFigures;
pub use object::Object;

use super::key::CacheKey;
use super::rules::decide::{Decision, Freshness, OriginFailure, Part, WhyStale, decide, may_serve_stale_on_error};
use crate::telemetry::Metrics;
use appraisal::{Appraisal, Told};
use budget::Budget;
use coded::Workshop;
use epochs::Epochs;
use fill_task::{FillOrder, Guard, Starter};
use fills::{AskedKey, Entered, Fill, FillsInFlight};
use held_places::Place;
use live::{LivePlaylists, too_many_held};
use memory::{Found, FullKey, MAX_WEIGHT, MemoryTier};
use recollection::{Mark, Recollection};
use search_rules::SearchRules;

/// Bytes below moka's limit of an entry's weight that are left to fields, key and bookkeeping.
const WEIGHT_MARGIN: u64 = 1 << 20;

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
    epochs: Epochs,
    search_rules: SearchRules,
    fills: FillsInFlight,
    live: LivePlaylists,
    budget: Arc<Budget>,
    fetcher: OnceLock<Arc<dyn Fetcher<R>>>,
    workshop: Arc<Workshop>,
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
    pub fn new(memory: &CacheMemory, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        let bounds = Bounds {
            capacity: memory.capacity.0,
            max_object: memory.max_object.0.min(u64::from(MAX_WEIGHT) - WEIGHT_MARGIN),
            window: memory.fill_window.as_usize(),
            fills: memory.fills,
        };
        Self::within(bounds, runtime, metrics)
    }

    fn within(bounds: Bounds, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        // Bytes of fills count beside the tier itself; half its size bounds the sum.
        let growing = bounds.capacity / 2;
        let memory = MemoryTier::new(bounds.capacity, Arc::clone(&metrics));
        Arc::new(Self {
            recollection: Recollection::default(),
            epochs: Epochs::default(),
            search_rules: SearchRules::default(),
            fills: FillsInFlight::default(),
            live: LivePlaylists::default(),
            budget: Budget::new(bounds.fills, growing),
            workshop: Workshop::new(bounds.capacity, memory.scale(), runtime.clone(), Arc::clone(&metrics)),
            memory,
            bounds,
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

    /// Figures for metrics.
    #[must_use]
    pub fn figures(&self) -> MemoryFigures {
        self.memory.figures()
    }

    /// Forgets what is stored for a key, as after an unsafe method (RFC 9111 section 4.4). What is being fetched for
    /// it may be older than the change: it goes to those who wait for it, but nobody else, and is not stored.
    pub fn invalidate(&self, key: &CacheKey) {
        self.epochs.advance(key);
        self.fills.outdate(key);
        self.memory.invalidate(key);
    }

    /// The epoch that keys with parts of this resource have to name.
    #[must_use]
    pub fn epoch(&self, key: &CacheKey) -> u64 {
        self.epochs.of(key)
    }

    /// What is known of a request's key, or of the one that it shares with others by `No-Vary-Search`.
    fn find(&self, lookup: &Lookup<'_>) -> Found {
        let found = self.memory.find(lookup.key, lookup.fields);
        if found.object.is_some() || found.varies || !lookup.policy.key.no_vary_search {
            return found;
        }
        match self.search_rules.shared(lookup.key, self.epochs.of(lookup.key)) {
            Some(shared) => self.memory.find(&shared, lookup.fields),
            None => found,
        }
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
        if let Some(fill) = self.fills.get(key) {
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
        let asked = AskedKey { key: lookup.key.clone(), epoch: self.epochs.of(lookup.key) };
        let fill = Fill::new(asked, request.fields().clone(), lookup.audience(), held);
        match self.fills.enter(key, &fill, || self.stored(lookup, clock::now())) {
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
        let stale = usable_stale(lookup, stored.as_ref(), OriginFailure::Unreachable)?;
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
    pub fn hinted_part(&self, key: &CacheKey) -> Option<std::time::Duration> {
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

/// What is stored, if this request may have it although it is stale, because the origin failed.
fn usable_stale(lookup: &Lookup<'_>, stored: Option<&Arc<Object>>, failure: OriginFailure) -> Option<Arc<Object>> {
    let stored = stored?;
    may_serve_stale_on_error(lookup.facts, &stored.meta, failure, clock::now(), lookup.policy)
        .then(|| Arc::clone(stored))
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
