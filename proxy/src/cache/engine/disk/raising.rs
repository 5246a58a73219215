//! What is on disk comes into memory: for a request that finds nothing there, and for all who ask at the same time at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::header;

use super::super::CacheEngine;
use super::super::answer::{Lookup, Outcome};
use super::super::body::Body;
use super::super::budget::Reservation;
use super::super::clock;
use super::super::fetch::FetchRequest;
use super::super::memory::{Found, FullKey, Variation};
use super::super::object::Object;
use super::super::slices::Sliced;
use super::codec::{HeadRecord, Laid, decode_rule, decode_search};
use super::keeping::{PART, SLACK, length};
use super::loads::{Joined, Load};
use super::tier::{DiskRecord, Kind};
use super::{Beneath, key};
use crate::cache::key::CacheKey;
use crate::cache::purge::{Mode, Verdict};
use crate::cache::rules::decide::{Decision, decide};
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::slicing::{Layout, is_possible_length};

/// How much later than now something may have been stored. More says that the clock was set back since, so that nobody
/// knows how old it is.
const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

/// Bodies from this length on are accounted for while memory has no room for them; to look costs a lock that all share.
const WORTH_A_LOOK: u64 = 64 << 10;

/// Parts of one body that are read at a time: others read as well.
const PARTS_AT_ONCE: usize = 16;

/// How long the parts of one body may take together, before the first byte of it is served: then the origin is asked.
const LONGEST_LOAD: Duration = Duration::from_secs(3);

/// Why a record brings nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache::engine) enum Fault {
    /// It is odd, or not whole: it will never be of use.
    Useless,
    /// There is no memory for it now, or the device did not give it in time.
    NotNow,
}

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
        let may_be_read = || beneath.tier.may_have(&disk_key) && !beneath.put_off.contains_key(&disk_key);
        let load = match beneath.loads.join(&disk_key, may_be_read) {
            Joined::Existing(load) => load,
            Joined::Nothing => return None,
            Joined::New(load) => {
                let (beneath, key) = (Arc::clone(beneath), key.clone());
                // Made before the task, so that one that never runs strands nobody.
                let landing = Landing { engine: Arc::clone(self), beneath, key, disk_key, load: Arc::clone(&load) };
                match landing.beneath.tier.read_now(&landing.disk_key) {
                    // Nothing of it waits, so that it ends here: less work than a change of threads.
                    Some(record) if lands_at_once(&record) => drop(landing.land(record).now_or_never()),
                    Some(record) => drop(self.runtime.spawn(landing.land(record))),
                    None => drop(self.runtime.spawn(landing.run())),
                }
                load
            }
        };
        load.found().await
    }

    /// Brings what is on disk under this key into memory, though nobody asks for it now; the length of its body.
    pub(in crate::cache::engine) async fn raise_for_later(self: &Arc<Self>, key: &FullKey) -> Option<u64> {
        match self.raise(key).await? {
            Raised::Object(object) => Some(object.body.length().unwrap_or(0)),
            Raised::Varies(_) => Some(0),
        }
    }

    /// Learns from disk which queries of a path are the same, if that is not known.
    async fn learn_search_rule(&self, asked: &CacheKey) {
        let Some(beneath) = self.memory.beneath() else { return };
        let key = key::of_search_rule(asked);
        if self.search_rules.knows(asked) || !beneath.tier.may_have(&key) {
            return;
        }
        let Some(record) = beneath.tier.read(key.clone()).await else { return };
        match decode_search(&record.head).filter(|_| record.kind == Kind::Search) {
            Some(fields) => self.search_rules.learn(asked, &fields),
            None => beneath.tier.remove(&key),
        }
    }
}

impl Beneath {
    /// A slice, where all of it is there.
    pub(in crate::cache::engine) async fn slice(&self, place: &FullKey, total: u64) -> Result<Vec<Bytes>, Fault> {
        let key = key::of_full_key(place);
        let Some(record) = self.tier.read(key.clone()).await else { return Err(self.fault_of(&key)) };
        if record.kind == Kind::Slice && length(&record.body) == total {
            return Ok(record.body);
        }
        self.tier.remove(&key);
        Err(Fault::Useless)
    }

    /// Why a record was not read: one that is damaged is not there any more.
    fn fault_of(&self, key: &[u8]) -> Fault {
        if self.tier.may_have(key) { Fault::NotNow } else { Fault::Useless }
    }
}

/// Whether all of what a record stands for is in it.
fn lands_at_once(record: &DiskRecord) -> bool {
    record.kind == Kind::Varies || (record.kind == Kind::Object && !record.body.is_empty())
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
        if let Some(record) = self.beneath.tier.read(self.disk_key.clone()).await {
            self.land(record).await;
        }
    }

    async fn land(self, record: DiskRecord) {
        let mut reserved = self.beneath.held.reservation();
        match self.read(record, &mut reserved).await {
            Ok(raised) => {
                self.end(Some(raised.clone()));
                self.account_for(&raised, reserved);
            }
            Err(Fault::NotNow) => {}
            Err(Fault::Useless) => {
                log::debug!("what is on disk of {} is of no use", self.key.primary.without_query());
                let remove = || self.beneath.tier.remove(&self.disk_key);
                self.beneath.loads.while_current(&self.disk_key, &self.load, remove);
            }
        }
    }

    /// What memory has turned away is held by those alone who read it, for as long as they do, and is accounted for so long.
    fn account_for(&self, raised: &Raised, reserved: Reservation) {
        if let Raised::Object(object) = raised
            && reserved.bytes() >= WORTH_A_LOOK
            && !self.engine.memory.has_settled(&self.key)
        {
            object.body.deposit.hold(reserved);
        }
    }

    fn end(&self, raised: Option<Raised>) {
        let memory = &self.engine.memory;
        self.beneath.loads.end(&self.disk_key, &self.load, raised, |raised| match raised {
            Raised::Object(object) => memory.promote(&self.key, object),
            Raised::Varies(variation) => memory.promote_rule(&self.key, variation),
        });
    }

    async fn read(&self, record: DiskRecord, reserved: &mut Reservation) -> Result<Raised, Fault> {
        match record.kind {
            Kind::Varies => {
                let (rule, generation) = decode_rule(&record.head).ok_or(Fault::Useless)?;
                Ok(Raised::Varies(Variation::known(rule, generation, record.expires)))
            }
            Kind::Object | Kind::Head => {
                self.object(record, reserved).await.map(|object| Raised::Object(Arc::new(object)))
            }
            Kind::Slice | Kind::Part | Kind::Search => Err(Fault::Useless),
        }
    }

    async fn object(&self, record: DiskRecord, reserved: &mut Reservation) -> Result<Object, Fault> {
        let head = HeadRecord::decode(&record.head, &self.key.primary, self.beneath.lineage).ok_or(Fault::Useless)?;
        if let Verdict::Gone(purged) = self.engine.purges.judge(&head.provenance) {
            self.engine.purges.found_outdated(Mode::Hard, purged);
            return Err(Fault::Useless);
        }
        let is_sliced = matches!(head.laid, Laid::Slices { .. });
        if is_sliced != (record.kind == Kind::Head) || head.meta.times.response_time > clock::now() + CLOCK_SLACK {
            return Err(Fault::Useless);
        }
        let total = head.meta.body_length.filter(|_| !is_sliced).unwrap_or(0);
        if total > self.beneath.held.bound() {
            return Err(Fault::Useless);
        }
        if !reserved.grow(total) {
            return Err(Fault::NotNow);
        }
        let body = match &head.laid {
            Laid::Inline => stored_body(&head, record.body),
            Laid::Parts(version) => {
                let (pieces, expires) = self.parts_in_time(*version, total).await?;
                stored_body(&head, pieces).inspect(|body| body.deposit.lies_in_parts(*version, expires))
            }
            Laid::Slices { .. } => self.sliced(&head, &record).map(Body::sliced),
        };
        let body = body.ok_or(Fault::Useless)?;
        body.deposit.belongs_to(record.site);
        let HeadRecord { meta, origin, provenance, .. } = head;
        Ok(Object { meta, body, not_stored: None, origin, provenance })
    }

    async fn parts_in_time(&self, version: u64, total: u64) -> Result<(Vec<Bytes>, u64), Fault> {
        tokio::time::timeout(LONGEST_LOAD, self.parts(version, total)).await.unwrap_or_else(|_| {
            // Each who asks would wait as long for nothing, and the device be busy with it.
            self.beneath.put_off.insert(self.disk_key.clone(), ());
            Err(Fault::NotNow)
        })
    }

    /// All parts of a body, each of just its length, and until when they are of use.
    async fn parts(&self, version: u64, total: u64) -> Result<(Vec<Bytes>, u64), Fault> {
        let layout = Layout::new(PART, total);
        let key = |index| key::of_part(&self.key.primary, version, index);
        let is_there = |index| self.beneath.tier.may_have(&key(index));
        if !(0..layout.count()).all(is_there) {
            return Err(Fault::Useless);
        }
        let (mut pieces, mut expires) = (Vec::new(), u64::MAX);
        // Side by side, so that a slow device costs the time of few.
        let reads = (0..layout.count()).map(|index| self.beneath.tier.read(key(index)));
        let mut parts = stream::iter(reads).buffered(PARTS_AT_ONCE).enumerate();
        while let Some((index, part)) = parts.next().await {
            let index = index as u64;
            let part = part.ok_or_else(|| self.beneath.fault_of(&key(index)))?;
            if part.kind != Kind::Part || length(&part.body) != layout.range(index).length() {
                return Err(Fault::Useless);
            }
            pieces.extend(part.body);
            expires = expires.min(part.expires);
        }
        Ok((pieces, expires))
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
        let mark = self.beneath.mark(&head.provenance);
        sliced.keep_until(record.expires.saturating_add(SLACK), record.site, mark);
        Some(sliced)
    }
}

/// A body that is complete; nothing where it is not as long as its head says.
fn stored_body(head: &HeadRecord, pieces: Vec<Bytes>) -> Option<Arc<Body>> {
    let body = (head.meta.body_length == Some(length(&pieces))).then(Body::growing)?;
    pieces.into_iter().for_each(|piece| body.put(piece));
    body.keep_trailers(head.trailers.clone());
    body.finish_with_records();
    Some(body)
}
