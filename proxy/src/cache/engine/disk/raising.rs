//! What is on disk comes into memory: for a request that finds nothing there, and for all who ask at the same time at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header;

use super::super::CacheEngine;
use super::super::answer::{Lookup, Outcome};
use super::super::body::Body;
use super::super::clock;
use super::super::fetch::FetchRequest;
use super::super::memory::{Found, FullKey, Variation};
use super::super::object::Object;
use super::super::slices::Sliced;
use super::codec::{HeadRecord, Laid, decode_rule, decode_search};
use super::keeping::{LONGEST, SLACK, length};
use super::loads::{Joined, Load};
use super::tier::{DiskRecord, Kind, LARGEST_BODY};
use super::{Beneath, key};
use crate::cache::key::CacheKey;
use crate::cache::rules::decide::{Decision, decide};
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::slicing::{Layout, is_possible_length};

/// How much later than now something may have been stored. More says that the clock was set back since, so that nobody
/// knows how old it is.
const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

/// What a record brings.
#[derive(Clone)]
pub(super) enum Raised {
    /// A stored response.
    Object(Arc<Object>),
    /// How the key varies.
    Varies(Variation),
}

/// What was found for a request.
pub(in crate::cache::engine) struct Looked {
    pub(in crate::cache::engine) found: Found,
    /// What it is if it answers the request: where it was found.
    pub(in crate::cache::engine) hit: Outcome,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// What is stored for a request, in memory or on disk. What is found on disk is put into memory, but for what that has
    /// no room for.
    pub(in crate::cache::engine) async fn look(self: &Arc<Self>, lookup: &Lookup<'_>) -> Looked {
        let found = self.find(lookup);
        if found.object.is_some() || !self.looks_beneath(lookup, &found.key) {
            return Looked { found, hit: Outcome::Hit };
        }
        let found = self.look_under(lookup, lookup.key).await;
        if found.object.is_some() || found.varies || !lookup.policy.key.no_vary_search {
            return Looked { found, hit: Outcome::HitOnDisk };
        }
        self.learn_search_rule(lookup.key).await;
        let found = match self.shared_key(lookup) {
            Some(shared) => self.look_under(lookup, &shared).await,
            None => found,
        };
        Looked { found, hit: Outcome::HitOnDisk }
    }

    /// Whether a request may get something from disk: not one that passes the cache anyhow, nor one for what is just being
    /// fetched.
    fn looks_beneath(&self, lookup: &Lookup<'_>, key: &FullKey) -> bool {
        let Some(beneath) = self.memory.beneath() else { return false };
        let passes = matches!(decide(lookup.facts, None, clock::now(), lookup.policy), Decision::Pass(_));
        if passes || self.fill_of(key).is_some() {
            return false;
        }
        beneath.tier.was_asked(&key::of_full_key(key));
        true
    }

    async fn look_under(self: &Arc<Self>, lookup: &Lookup<'_>, primary: &CacheKey) -> Found {
        let mut found = self.memory.find(primary, lookup.fields);
        // The rule first, where memory does not have it, then the variant.
        for _ in 0..2 {
            if found.object.is_some() {
                break;
            }
            match self.raise(&found.key).await {
                Some(Raised::Object(object)) => found.object = Some(object),
                Some(Raised::Varies(variation)) if !found.varies => {
                    found = self.memory.find_variant(variation.key(primary.clone(), lookup.fields));
                    continue;
                }
                Some(Raised::Varies(_)) => {}
                // It may have been replaced while it was read.
                None => found = self.memory.find(primary, lookup.fields),
            }
            break;
        }
        found.object = found.object.and_then(|object| self.outlived(&found.key, object));
        found
    }

    /// Has what is on disk under this key brought into memory; whether there may be anything.
    pub(in crate::cache::engine) fn raise_in_background(self: &Arc<Self>, key: &FullKey) -> bool {
        let may_be_there = self.memory.beneath().is_some_and(|beneath| beneath.may_have(key));
        if may_be_there {
            let (engine, key) = (Arc::clone(self), key.clone());
            self.runtime.spawn(async move { drop(engine.raise(&key).await) });
        }
        may_be_there
    }

    /// Brings what is on disk under this key, if anything is.
    async fn raise(self: &Arc<Self>, key: &FullKey) -> Option<Raised> {
        let beneath = self.memory.beneath()?;
        let disk_key = key::of_full_key(key);
        let load = match beneath.loads.join(&disk_key, || beneath.tier.may_have(&disk_key)) {
            Joined::Existing(load) => load,
            Joined::Nothing => return None,
            Joined::New(load) => {
                let (beneath, key) = (Arc::clone(beneath), key.clone());
                // Made before the task, so that one that never runs strands nobody.
                let landing = Landing { engine: Arc::clone(self), beneath, key, disk_key, load: Arc::clone(&load) };
                self.runtime.spawn(landing.run());
                load
            }
        };
        load.found().await
    }

    /// Learns from disk which queries of a path are the same, if that is not known.
    async fn learn_search_rule(&self, asked: &CacheKey) {
        let Some(beneath) = self.memory.beneath() else { return };
        let key = key::of_search_rule(asked);
        if self.search_rules.knows(asked) || !beneath.tier.may_have(&key) {
            return;
        }
        let record = beneath.tier.read(key.clone()).await.filter(|record| record.kind == Kind::Search);
        match record.and_then(|record| decode_search(&record.head)) {
            Some(fields) => self.search_rules.learn(asked, &fields),
            None => beneath.tier.remove(&key),
        }
    }
}

impl Beneath {
    /// A slice, where all of it is there.
    pub(in crate::cache::engine) async fn slice(&self, place: &FullKey, total: u64) -> Option<Vec<Bytes>> {
        let key = key::of_full_key(place);
        let record = self.tier.read(key.clone()).await?;
        if record.kind == Kind::Slice && length(&record.body) == total {
            return Some(record.body);
        }
        self.tier.remove(&key);
        None
    }
}

/// A read, and where it lands. However it ends, nobody is left waiting.
struct Landing<R: FetchRequest> {
    engine: Arc<CacheEngine<R>>,
    beneath: Arc<Beneath>,
    key: FullKey,
    disk_key: Bytes,
    load: Arc<Load<Raised>>,
}

impl<R: FetchRequest> Drop for Landing<R> {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl<R: FetchRequest> Landing<R> {
    async fn run(self) {
        let Some(record) = self.beneath.tier.read(self.disk_key.clone()).await else { return };
        let raised = self.read(record).await;
        if raised.is_none() {
            log::debug!("what is on disk of {} is of no use", self.key.primary.without_query());
            self.beneath.tier.remove(&self.disk_key);
        }
        self.end(raised);
    }

    fn end(&self, raised: Option<Raised>) {
        let memory = &self.engine.memory;
        self.beneath.loads.end(&self.disk_key, &self.load, raised, |raised| match raised {
            Raised::Object(object) => memory.promote(&self.key, object),
            Raised::Varies(variation) => memory.promote_rule(&self.key, variation),
        });
    }

    async fn read(&self, record: DiskRecord) -> Option<Raised> {
        match record.kind {
            Kind::Varies => {
                let (rule, generation) = decode_rule(&record.head)?;
                Some(Raised::Varies(Variation::known(rule, generation, record.expires)))
            }
            Kind::Object | Kind::Head => self.object(record).await.map(|object| Raised::Object(Arc::new(object))),
            Kind::Slice | Kind::Part | Kind::Search => None,
        }
    }

    async fn object(&self, record: DiskRecord) -> Option<Object> {
        let head = HeadRecord::decode(&record.head, &self.key.primary, self.beneath.lineage)?;
        let is_sliced = matches!(head.laid, Laid::Slices { .. });
        if is_sliced != (record.kind == Kind::Head) || head.meta.times.response_time > clock::now() + CLOCK_SLACK {
            return None;
        }
        let body = match &head.laid {
            Laid::Inline => stored_body(&head, record.body)?,
            Laid::Parts(version) => {
                let (pieces, expires) = self.parts(*version, head.meta.body_length?).await?;
                let body = stored_body(&head, pieces)?;
                body.deposit.lies_in_parts(*version, expires);
                body
            }
            Laid::Slices { .. } => Body::sliced(self.sliced(&head, &record)?),
        };
        body.deposit.belongs_to(record.site);
        let HeadRecord { meta, origin, provenance, .. } = head;
        Some(Object { meta, body, not_stored: None, origin, provenance })
    }

    /// All parts of a body, each of just its length, and until when they are of use.
    async fn parts(&self, version: u64, total: u64) -> Option<(Vec<Bytes>, u64)> {
        if total > LONGEST {
            return None;
        }
        let layout = Layout::new(LARGEST_BODY as u64, total);
        let key = |index| key::of_part(&self.key.primary, version, index);
        if !(0..layout.count()).all(|index| self.beneath.tier.may_have(&key(index))) {
            return None;
        }
        let mut reserved = self.engine.budget.reservation();
        if !reserved.grow(total) {
            return None;
        }
        let (mut pieces, mut expires) = (Vec::new(), u64::MAX);
        for index in 0..layout.count() {
            let part = self.beneath.tier.read(key(index)).await.filter(|record| record.kind == Kind::Part)?;
            if length(&part.body) != layout.range(index).length() {
                return None;
            }
            pieces.extend(part.body);
            expires = expires.min(part.expires);
        }
        Some((pieces, expires))
    }

    fn sliced(&self, head: &HeadRecord, record: &DiskRecord) -> Option<Arc<Sliced>> {
        let Laid::Slices { version, size, request } = &head.laid else { return None };
        let total = head.meta.body_length.filter(|total| is_possible_length(*total))?;
        if *size == 0 || *size > total {
            return None;
        }
        let etag = head.meta.etag.clone().filter(EntityTag::is_strong)?;
        let coding = head.meta.headers.get(header::CONTENT_ENCODING).cloned();
        let shelf = self.engine.memory.shelf_of(&self.key.primary, *version);
        let budget = Arc::clone(&self.engine.budget);
        let sliced = Sliced::new(Layout::new(*size, total), etag, coding, request.clone(), shelf, budget);
        sliced.keep_until(record.expires.saturating_add(SLACK), record.site);
        Some(sliced)
    }
}

/// A body that is complete; nothing where it is not as long as its head says.
fn stored_body(head: &HeadRecord, pieces: Vec<Bytes>) -> Option<Arc<Body>> {
    let body = (head.meta.body_length == Some(length(&pieces))).then(Body::growing)?;
    pieces.into_iter().for_each(|piece| body.put(piece));
    body.keep_trailers(head.trailers.clone());
    body.finish();
    Some(body)
}
