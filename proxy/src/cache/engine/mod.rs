//! The cache engine: finds, joins or starts, and keeps.
//!
//! Owns stored objects and fills in flight. It answers a request with an object to read from, or says that the
//! request must go to the origin by itself. The rules it follows are pure and stand in [`super::rules`]; how a
//! response is fetched is behind [`Fetcher`]; how an answer is written to a client is not its business.

mod body;
mod fetch;
mod fill_task;
mod fills;
mod memory;
mod object;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use tidegate_config::model::{CacheMemory, CachePolicy};
use tokio::runtime::Handle;

pub use body::{BodyError, Reader};
pub use fetch::{FetchError, FetchEvent, FetchRequest, FetchStream, Fetcher};
pub use memory::MemoryFigures;
pub use object::Object;

use fill_task::FillOrder;
use fills::{Fill, FillsInFlight, Head, Joined};
use memory::{FullKey, Mark, MemoryTier};

use super::key::CacheKey;
use super::rules::decide::{Decision, FetchReason, PassReason, decide, may_share};
use super::rules::request_facts::{CacheMethod, RequestFacts};
use super::rules::storability::NotStored;
use super::rules::vary::VaryRule;
use crate::telemetry::Metrics;

/// How often a request whose variant turned out another goes on to that variant's fill before it passes.
const MAX_VARIANT_HOPS: usize = 3;

/// How a response came about, for `Cache-Status`, metrics and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and fresh.
    Hit,
    /// Stored and stale, allowed by stale-while-revalidate or stale-if-error.
    Stale,
    /// Fetched for this request.
    Miss {
        /// Why what was stored, if anything, could not be used.
        reason: FetchReason,
        /// Whether it joined a fill that was there.
        collapsed: bool,
        /// Whether it will be stored.
        stored: bool,
    },
    /// The origin confirmed what was stored.
    Revalidated {
        /// Whether it joined a fill that was there.
        collapsed: bool,
    },
    /// Fetched for this request alone: the rules forbid storing it.
    Unshared(NotStored),
}

/// Why a request goes to the origin by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The rules say so.
    Rule(PassReason),
    /// A HEAD of something that is not stored.
    Head,
    /// The target is another spelling of the key's and nothing is stored.
    OtherSpelling,
    /// The last response for this key could not be shared.
    Unshareable,
    /// The object is too large to be stored, and this request wants a part of it or came too late to join.
    Oversize,
}

/// The engine's answer to a request.
pub enum Answer {
    /// Read this, from the reader's position zero on.
    Object {
        /// The response.
        object: Arc<Object>,
        /// Positioned at the first byte.
        reader: Reader,
        /// How it came about.
        outcome: Outcome,
    },
    /// The request goes to the origin by itself.
    Pass(Passage),
    /// `only-if-cached` and nothing usable is stored (RFC 9111 section 5.2.1.7).
    GatewayTimeout,
    /// No response could be had.
    Failed(FetchError),
}

/// One request, as far as the cache cares.
pub struct Lookup<'a> {
    /// Its key.
    pub key: &'a CacheKey,
    /// What its fields say about caching.
    pub facts: &'a RequestFacts,
    /// Its fields, which `Vary` selects from.
    pub fields: &'a HeaderMap,
    /// The route's policy.
    pub policy: &'a Arc<CachePolicy>,
    /// Canonical path, for recognising media.
    pub path: &'a str,
    /// Whether a fill may be started. Not for a request whose target is another spelling of the key's: the origin
    /// gets what the client wrote and may answer that spelling otherwise, with a 404 or a redirect, which must not
    /// be stored for everyone.
    pub may_fill: bool,
}

pub(crate) struct Settings {
    pub(crate) max_object: u64,
    pub(crate) window: usize,
    max_fills: usize,
    growing_budget: u64,
}

/// The engine. `R` is the request that its fetcher understands.
pub struct CacheEngine<R: FetchRequest> {
    settings: Settings,
    memory: MemoryTier,
    fills: FillsInFlight,
    running: AtomicUsize,
    growing: AtomicU64,
    fetcher: OnceLock<Arc<dyn Fetcher<R>>>,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// An empty engine whose fills run on `runtime`.
    pub fn new(memory: &CacheMemory, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            settings: Settings {
                max_object: memory.max_object.0,
                window: memory.fill_window.as_usize(),
                max_fills: memory.fills,
                // Bytes of fills that will be stored count beside the tier itself; half its size bounds the sum.
                growing_budget: memory.capacity.0 / 2,
            },
            memory: MemoryTier::new(memory.capacity.0, Arc::clone(&metrics)),
            fills: FillsInFlight::default(),
            running: AtomicUsize::new(0),
            growing: AtomicU64::new(0),
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

    /// Forgets what is stored for a key, as after an unsafe method (RFC 9111 section 4.4).
    pub fn invalidate(&self, key: &CacheKey) {
        self.memory.invalidate(key);
    }

    /// Answers a request that the route lets the cache see. `make_request` builds what a fill would send.
    pub async fn answer(self: &Arc<Self>, lookup: &Lookup<'_>, make_request: impl Fn() -> R + Sync) -> Answer {
        for _ in 0..MAX_VARIANT_HOPS {
            let now = SystemTime::now();
            let found = self.memory.find(lookup.key, lookup.fields);
            let decision = decide(lookup.facts, found.object.as_ref().map(|object| &object.meta), now, lookup.policy);
            let (reason, stored) = match (decision, found.object) {
                (Decision::Pass(reason), _) => return Answer::Pass(Passage::Rule(reason)),
                (Decision::GatewayTimeout, _) => return Answer::GatewayTimeout,
                (Decision::Serve(_), Some(object)) => return served(object, Outcome::Hit),
                (Decision::ServeAndRefresh, Some(object)) => {
                    if lookup.may_fill {
                        self.refresh(lookup, &found.key, &object, &make_request);
                    }
                    return served(object, Outcome::Stale);
                }
                (Decision::Fetch(reason), stored) => (reason, stored),
                (_, None) => (FetchReason::Miss, None),
            };
            if let Some(answer) = self.fetch_through(lookup, found.key, reason, stored, &make_request).await {
                return answer;
            }
        }
        Answer::Pass(Passage::Unshareable)
    }

    /// Waits for a fill of this key. `None` when the variant turned out another one: look again.
    async fn fetch_through(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: FullKey,
        reason: FetchReason,
        stored: Option<Arc<Object>>,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Option<Answer> {
        let mark = self.memory.marked(&key);
        if lookup.facts.method != CacheMethod::Get {
            return Some(Answer::Pass(Passage::Head));
        }
        if !lookup.may_fill {
            return Some(Answer::Pass(Passage::OtherSpelling));
        }
        if mark == Some(Mark::Unshareable) {
            return Some(Answer::Pass(Passage::Unshareable));
        }
        if mark == Some(Mark::Oversize) && lookup.facts.range {
            return Some(Answer::Pass(Passage::Oversize));
        }
        let (fill, collapsed) = match self.join(lookup, &key, stored, make_request) {
            Joined::Existing(fill) => (fill, true),
            Joined::Started(fill) => (fill, false),
            Joined::Settled(object) => return Some(served(object, Outcome::Hit)),
            Joined::Refused => return Some(Answer::Failed(too_many_fills())),
        };
        if collapsed {
            self.metrics.fills().joined();
        }
        let waiting = self.metrics.fills().wait();
        let head = fill.wait().await;
        drop(waiting);
        match head {
            Head::Ready { object, revalidated, stored } => {
                if !same_variant(&object.meta.vary, &fill.request_fields, lookup.fields) {
                    return None;
                }
                if collapsed && !may_share(lookup.facts, &object.meta, SystemTime::now()) {
                    return Some(Answer::Pass(Passage::Unshareable));
                }
                if object.body.is_windowed() && lookup.facts.range {
                    return Some(Answer::Pass(Passage::Oversize));
                }
                let outcome = if revalidated {
                    Outcome::Revalidated { collapsed }
                } else {
                    Outcome::Miss { reason, collapsed, stored }
                };
                Some(served(object, outcome))
            }
            Head::Stale(object) => Some(served(object, Outcome::Stale)),
            Head::Unshared => Some(match fill.take_unshared() {
                Some(object) => {
                    let why = object.not_stored.unwrap_or(NotStored::NoStore);
                    served(object, Outcome::Unshared(why))
                }
                None => Answer::Pass(Passage::Unshareable),
            }),
            Head::Failed(error) => Some(Answer::Failed(error)),
            Head::Pending => Some(Answer::Pass(Passage::Unshareable)),
        }
    }

    /// Renews a stale object in the background; one fill at a time, nobody waits.
    fn refresh(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: &FullKey,
        object: &Arc<Object>,
        make_request: &(impl Fn() -> R + Sync),
    ) {
        if let Joined::Refused = self.join(lookup, key, Some(Arc::clone(object)), make_request) {
            log::warn!("no background refresh of {}: too many fills", lookup.key.as_str());
        }
    }

    fn join(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: &FullKey,
        stale: Option<Arc<Object>>,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Joined<Arc<Object>> {
        let settle = || self.stored_meanwhile(lookup);
        let start = || {
            self.admit()?;
            let request = make_request();
            let fill = Fill::new(request.fields().clone());
            let order = FillOrder {
                key: key.clone(),
                request,
                facts: *lookup.facts,
                policy: Arc::clone(lookup.policy),
                stale: stale.clone(),
                path: Arc::from(lookup.path),
            };
            self.runtime.spawn(fill_task::run(Arc::clone(self), Arc::clone(&fill), order));
            Some(fill)
        };
        self.fills.join(key, settle, start)
    }

    /// Another fill may have stored the object between the look-up and the lock.
    fn stored_meanwhile(&self, lookup: &Lookup<'_>) -> Option<Arc<Object>> {
        let object = self.memory.find(lookup.key, lookup.fields).object?;
        let decision = decide(lookup.facts, Some(&object.meta), SystemTime::now(), lookup.policy);
        matches!(decision, Decision::Serve(_)).then_some(object)
    }

    fn admit(&self) -> Option<()> {
        let limit = self.settings.max_fills;
        let next = |count: usize| (count < limit).then_some(count + 1);
        let admitted = self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        if !admitted {
            self.metrics.fills().refused();
        }
        admitted.then_some(())
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn fits(&self, length: Option<u64>) -> bool {
        length.is_none_or(|length| length <= self.settings.max_object)
    }

    fn reserve_memory(&self, bytes: u64) -> bool {
        let budget = self.settings.growing_budget;
        let grant = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= budget);
        self.growing.fetch_update(Ordering::AcqRel, Ordering::Acquire, grant).is_ok()
    }

    fn release_memory(&self, bytes: u64) {
        self.growing.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn fetch(&self, request: R) -> Box<dyn FetchStream> {
        match self.fetcher.get() {
            Some(fetcher) => fetcher.fetch(request),
            None => Box::new(NoFetcher),
        }
    }
}

fn served(object: Arc<Object>, outcome: Outcome) -> Answer {
    match object.body.reader(0) {
        Some(reader) => Answer::Object { object, reader, outcome },
        // The window has moved on: too late to join this one.
        None => Answer::Pass(Passage::Oversize),
    }
}

fn same_variant(rule: &VaryRule, left: &HeaderMap, right: &HeaderMap) -> bool {
    match rule {
        VaryRule::Names(_) => rule.variant_key(left) == rule.variant_key(right),
        _ => true,
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
