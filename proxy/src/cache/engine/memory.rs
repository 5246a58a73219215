//! The memory tier: stored objects by key and variant, weighed in bytes.
//!
//! Owns what is stored and how keys vary. Eviction is moka's TinyLFU, which keeps objects asked for often against a
//! scan of objects asked for once.

mod forgetting;
mod keys;
mod listing;
mod pinned;
mod shelf;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::body::Body;
use super::disk::{Beneath, fresh_number};
use super::object::Object;
use super::pins::NotPinned;
use super::slices::Sliced;
use crate::cache::key::CacheKey;
use crate::cache::rules::vary::VaryRule;
use crate::telemetry::{EvictionCause, Metrics};

pub(super) use keys::{FullKey, Variation};
use pinned::Pinned;
pub(super) use shelf::{Deposited, Shelf};
use shelf::{Depot, Orphans};

#[derive(Clone)]
enum Entry {
    Stored(Arc<Object>),
    Varies(Variation),
    /// One slice of an object whose head is elsewhere.
    Slice(Arc<Body>),
}

impl Entry {
    fn is_other_than(&self, body: &Arc<Body>) -> bool {
        matches!(self, Self::Stored(stored) if !Arc::ptr_eq(&stored.body, body))
    }
}

/// Bytes an entry is accounted for that only says how a key varies.
const VARIES_WEIGHT: usize = 512;

/// Bytes that a slice is accounted for beside its own: its place in the index and the bookkeeping of its body.
const SLICE_WEIGHT: u64 = 1024;

/// Share of the tier's capacity that heads of objects in slices may take beside it.
const HEADS_SHARE: u64 = 64;

/// The same for rules of how keys vary.
const RULES_SHARE: u64 = 256;

/// Largest accounted weight of one entry, moka's limit. Larger objects are never stored.
pub(super) const MAX_WEIGHT: u32 = u32::MAX;

/// The memory tier.
pub(super) struct MemoryTier {
    entries: Entries,
    /// Objects in slices, without these. By last use: were a new one turned away for what is popular already, each range
    /// of its object would begin with nothing.
    heads: Cache<FullKey, Arc<Object>, ahash::RandomState>,
    orphans: Orphans,
    /// How keys vary, by last use. Among the entries a rule may be turned away as any newcomer is; a fill that began new variants
    /// each time would leave those on disk out of reach.
    variations: Cache<FullKey, Variation, ahash::RandomState>,
    pinned: Pinned,
    next_generation: AtomicU64,
    /// What is stored on disk, where anything is.
    beneath: OnceLock<Arc<Beneath>>,
}

/// Weighs entries whose weight has changed.
#[derive(Clone)]
pub(super) struct Scale(Entries);

impl Scale {
    /// Weighs what is stored at this place, if it still has this body.
    pub(super) fn weigh_again(&self, place: &FullKey, body: &Arc<Body>) {
        // One step for others: what is taken out meanwhile must not come back by this.
        let result = self.0.entry(place.clone()).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            Some(Entry::Stored(object)) if Arc::ptr_eq(&object.body, body) => Op::Put(Entry::Stored(object)),
            _ => Op::Nop,
        });
        drop(result);
    }
}

type Entries = Cache<FullKey, Entry, ahash::RandomState>;

/// What is known of a request's key.
pub(super) struct Found {
    /// Key with the variant that this request selects as far as known.
    pub(super) key: FullKey,
    /// What is stored there.
    pub(super) object: Option<Arc<Object>>,
    /// Whether the key has variants.
    pub(super) varies: bool,
}

/// Where a response belongs.
pub(super) struct Place {
    /// Under this key.
    pub(super) key: FullKey,
    /// With this rule beside it, unless that is known already.
    news: Option<Variation>,
}

/// Figures of the memory tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Accounted bytes.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

impl MemoryTier {
    /// A tier that holds at most `capacity` accounted bytes.
    pub(super) fn new(capacity: u64, metrics: Arc<Metrics>) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|key: &FullKey, entry: &Entry| {
                let weight = match entry {
                    Entry::Stored(object) => object.weight(),
                    Entry::Varies(_) => VARIES_WEIGHT as u64,
                    Entry::Slice(body) => body.length().unwrap_or(0) + SLICE_WEIGHT,
                };
                u32::try_from(weight + key.weight() as u64).unwrap_or(MAX_WEIGHT)
            })
            .eviction_listener(move |_, entry, cause| {
                let is_lost = match entry {
                    Entry::Stored(object) => cause != RemovalCause::Replaced || !object.body.forms.is_being_weighed(),
                    Entry::Slice(_) => true,
                    Entry::Varies(_) => false,
                };
                if is_lost {
                    metrics.cache().evicted(eviction_cause(cause));
                }
            })
            // Keyed at random, as keys come from outside, and several times faster than the standard one.
            .build_with_hasher(ahash::RandomState::new());
        let heads = Cache::builder()
            .max_capacity((capacity / HEADS_SHARE).max(1 << 20))
            .weigher(|key: &FullKey, object: &Arc<Object>| {
                u32::try_from(object.weight() + key.weight() as u64).unwrap_or(MAX_WEIGHT)
            })
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(ahash::RandomState::new());
        let variations = Cache::builder()
            .max_capacity((capacity / RULES_SHARE).max(1 << 18))
            .weigher(|key: &FullKey, _: &Variation| u32::try_from(VARIES_WEIGHT + key.weight()).unwrap_or(MAX_WEIGHT))
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(ahash::RandomState::new());
        // Numbers of another run may be on disk.
        let next_generation = AtomicU64::new(fresh_number());
        let (orphans, pinned) = (Orphans::default(), Pinned::default());
        Self { entries, heads, orphans, variations, pinned, next_generation, beneath: OnceLock::new() }
    }

    /// Says what lies beneath; once, before anything is stored.
    pub(super) fn set_beneath(&self, beneath: Arc<Beneath>) {
        if self.beneath.set(beneath).is_err() {
            log::warn!("there is a store beneath memory already; the second one is not used");
        }
    }

    /// What lies beneath, where anything does.
    pub(super) fn beneath(&self) -> Option<&Arc<Beneath>> {
        self.beneath.get()
    }

    /// What is stored under a key, or pinned.
    fn entry(&self, key: &FullKey) -> Option<Entry> {
        self.entries.get(key).or_else(|| self.pinned.get(key))
    }

    /// Has what is stored under this key, if it is this object, stay in memory, and how the key varies; unless all that is
    /// pinned so would then be accounted for with more than `most` bytes.
    pub(super) fn pin(&self, key: &FullKey, object: &Arc<Object>, most: u64) -> Result<(), NotPinned> {
        if self.pinned.weight_without(key) + object.weight() > most {
            return Err(NotPinned::TooMuchInMemory);
        }
        // In one step for others: what is forgotten or replaced meanwhile must not come back by this.
        drop(self.entries.entry(key.clone()).and_compute_with(|entry| {
            if let Some(Entry::Stored(known)) = entry.map(moka::Entry::into_value)
                && Arc::ptr_eq(&known, object)
            {
                self.pinned.put(key, Entry::Stored(known));
            }
            Op::Nop
        }));
        let plain = FullKey::plain(key.primary.clone());
        drop(self.entries.entry(plain.clone()).and_compute_with(|entry| {
            if let Some(rule @ Entry::Varies(_)) = entry.map(moka::Entry::into_value) {
                self.pinned.put(&plain, rule);
            }
            Op::Nop
        }));
        // It may have been evicted since it was found.
        self.pinned.get(key).map(drop).ok_or(NotPinned::NotStored)
    }

    /// Lets all that is pinned go but these keys.
    pub(super) fn keep_pinned(&self, keys: &HashSet<FullKey>) {
        self.pinned.retain(keys);
    }

    /// What is stored for this key and these request fields.
    pub(super) fn find(&self, primary: &CacheKey, fields: &HeaderMap) -> Found {
        let plain = FullKey::plain(primary.clone());
        match self.entry(&plain) {
            None | Some(Entry::Slice(_)) => {
                let object = self.heads.get(&plain);
                Found { key: plain, object, varies: false }
            }
            Some(Entry::Stored(object)) => Found { key: plain, object: Some(object), varies: false },
            Some(Entry::Varies(variation)) => self.find_variant(variation.key(plain.primary, fields)),
        }
    }

    /// What is stored for one variant.
    pub(super) fn find_variant(&self, key: FullKey) -> Found {
        let object = match self.entry(&key) {
            Some(Entry::Stored(object)) => Some(object),
            _ => self.heads.get(&key),
        };
        Found { key, object, varies: true }
    }

    /// Where a response that varies like this, to a request with these fields, belongs.
    pub(super) fn place(&self, primary: &CacheKey, rule: &VaryRule, fields: &HeaderMap) -> Place {
        let plain = FullKey::plain(primary.clone());
        let VaryRule::Names(_) = rule else { return Place { key: plain, news: None } };
        match self.entry(&plain) {
            Some(Entry::Varies(known)) if known.rule == *rule => {
                Place { key: known.key(plain.primary, fields), news: None }
            }
            _ => {
                if let Some(known) = self.variations.get(&plain).filter(|known| known.rule == *rule) {
                    return Place { key: known.key(plain.primary, fields), news: Some(known) };
                }
                let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
                let news = Variation::new(rule, generation);
                Place { key: news.key(plain.primary, fields), news: Some(news) }
            }
        }
    }

    /// Learns how a key varies, before the object itself is complete, so that others find their variant.
    pub(super) fn learn(&self, place: &Place) {
        if let Some(news) = &place.news {
            let plain = FullKey::plain(place.key.primary.clone());
            self.pinned.follow(&plain, || Entry::Varies(news.clone()));
            self.variations.insert(plain.clone(), news.clone());
            self.entries.insert(plain, Entry::Varies(news.clone()));
        }
    }

    /// Stores a complete object under the variant that `fields`, those of the request it answered, select.
    pub(super) fn store(&self, primary: &CacheKey, fields: &HeaderMap, object: Arc<Object>) {
        let place = self.place(primary, &object.meta.vary, fields);
        self.learn(&place);
        if place.key.variant.is_empty() {
            // It does not vary any more: what was stored of variants is older, and stays out of reach if it varies again.
            self.variations.invalidate(&place.key);
        }
        if let Some(beneath) = self.beneath() {
            self.discard_replaced(beneath, &place.key, &object.body);
            self.keep_rule(beneath, &place, &object);
            beneath.keep(&place.key, &object);
        }
        object.body.forms.stored_at(&place.key);
        if object.body.in_slices().is_some() {
            self.pinned.remove(&place.key, None);
            self.heads.insert(place.key.clone(), object);
            self.entries.invalidate(&place.key);
        } else {
            self.heads.invalidate(&place.key);
            self.pinned.follow(&place.key, || Entry::Stored(Arc::clone(&object)));
            self.entries.insert(place.key, Entry::Stored(object));
        }
    }

    /// Gives back the room on disk of what another body takes the place of, where its head alone would not.
    fn discard_replaced(&self, beneath: &Beneath, key: &FullKey, body: &Arc<Body>) {
        if let Some(Entry::Stored(old)) = self.entries.get(key).filter(|entry| entry.is_other_than(body)) {
            beneath.discard_parts(key, &old.body);
        }
        let old = self.heads.get(key).filter(|old| !Arc::ptr_eq(&old.body, body));
        if let Some(old) = old.as_ref().and_then(|old| old.body.in_slices())
            && body.in_slices().is_none_or(|new| !new.is_same_version(old))
        {
            old.supersede();
        }
    }

    /// Writes how the key of an object varies, unless it is written for long enough.
    fn keep_rule(&self, beneath: &Beneath, place: &Place, object: &Object) {
        let plain = FullKey::plain(place.key.primary.clone());
        if plain == place.key {
            return;
        }
        let known = match (&place.news, self.entries.get(&plain)) {
            (Some(news), _) => news.clone(),
            (None, Some(Entry::Varies(known))) => known,
            (None, _) => return,
        };
        let Some(until) = beneath.worth(&object.meta.times) else {
            if known.written_until.load(Ordering::Relaxed) == 0 {
                // What is on disk is what was stored before the key varied like this: it is replaced.
                beneath.forget(&plain);
            }
            return;
        };
        if known.written_until.load(Ordering::Relaxed) < until || !beneath.may_have(&plain) {
            let of = (until, object.body.deposit.site());
            let until = beneath.keep_rule(&plain, &known.rule, known.generation, of);
            known.written_until.store(until, Ordering::Relaxed);
        }
    }

    /// Whether what was just put there has found room.
    pub(super) fn has_settled(&self, key: &FullKey) -> bool {
        self.entries.run_pending_tasks();
        self.entries.contains_key(key) || self.heads.contains_key(key)
    }

    /// Stores what comes from disk, unless something newer is there.
    pub(super) fn promote(&self, key: &FullKey, object: &Arc<Object>) {
        object.body.forms.stored_at(key);
        if object.body.in_slices().is_some() {
            self.heads.entry(key.clone()).or_insert_with(|| Arc::clone(object));
        } else {
            self.entries.entry(key.clone()).or_insert_with(|| Entry::Stored(Arc::clone(object)));
        }
    }

    /// The same for how a key varies.
    pub(super) fn promote_rule(&self, key: &FullKey, variation: &Variation) {
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry::Varies(variation.clone()));
        if let Entry::Varies(known) = entry.into_value() {
            self.variations.insert(key.clone(), known);
        }
    }

    /// Forgets one version of an object in slices, if it is still the one that is stored.
    pub(super) fn forget_version(&self, key: &FullKey, version: &Arc<Sliced>) {
        let stored = self.heads.get(key);
        if stored.is_some_and(|object| object.body.in_slices().is_some_and(|sliced| Arc::ptr_eq(sliced, version))) {
            self.forget_beneath(key);
            version.supersede();
            self.heads.invalidate(key);
        }
    }

    /// Replaces what is stored of one version of an object in slices, if it is still the one that is stored.
    pub(super) fn renew_version(
        &self,
        key: &FullKey,
        version: &Arc<Sliced>,
        renewed: impl FnOnce(&Object) -> Option<Object>,
    ) {
        let stored = self.heads.get(key);
        let stored = stored.filter(|it| it.body.in_slices().is_some_and(|sliced| Arc::ptr_eq(sliced, version)));
        if let Some(object) = stored.and_then(|stored| renewed(&stored)).map(Arc::new) {
            if let Some(beneath) = self.beneath() {
                beneath.renew_head(key, &object);
            }
            self.heads.insert(key.clone(), object);
        }
    }

    /// What weighs entries again.
    pub(super) fn scale(&self) -> Scale {
        Scale(self.entries.clone())
    }

    /// A place for the slices of a new version of an object.
    pub(super) fn shelf(&self, primary: &CacheKey) -> Shelf {
        let version = self.next_generation.fetch_add(1, Ordering::Relaxed);
        self.shelf_of(primary, version)
    }

    /// The place for the slices of a known version.
    pub(super) fn shelf_of(&self, primary: &CacheKey, version: u64) -> Shelf {
        self.clear_away();
        let (entries, orphans) = (self.entries.clone(), Arc::clone(&self.orphans));
        let beneath = self.beneath().cloned().map(Depot::new);
        Shelf { entries, orphans, primary: primary.clone(), version, stored: Mutex::default(), depot: beneath }
    }

    /// Takes out slices of versions that nobody can ask for any more.
    fn clear_away(&self) {
        let orphans = std::mem::take(&mut *self.orphans.lock());
        for orphan in orphans {
            self.entries.invalidate(&orphan);
        }
    }

    /// Figures for metrics. Brings moka's pending bookkeeping up to date first.
    pub(super) fn figures(&self) -> MemoryFigures {
        self.heads.run_pending_tasks();
        self.clear_away();
        self.entries.run_pending_tasks();
        let bytes = self.entries.weighted_size() + self.heads.weighted_size();
        MemoryFigures { bytes, entries: self.entries.entry_count() + self.heads.entry_count() }
    }
}

fn eviction_cause(cause: RemovalCause) -> EvictionCause {
    match cause {
        RemovalCause::Size => EvictionCause::Capacity,
        RemovalCause::Replaced => EvictionCause::Replaced,
        RemovalCause::Expired => EvictionCause::Expired,
        RemovalCause::Explicit => EvictionCause::Invalidated,
    }
}

#[cfg(test)]
mod tests;
