//! The memory tier: stored objects by key and variant, weighed in bytes.
//!
//! Owns what is stored and how keys vary. Eviction is moka's TinyLFU, which keeps objects asked for often against a
//! scan of objects asked for once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::object::Object;
use crate::cache::key::CacheKey;
use crate::cache::rules::vary::VaryRule;
use crate::telemetry::{EvictionCause, Metrics};

/// A key together with the request fields that select one of its variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FullKey {
    /// Key of the resource.
    pub(super) primary: CacheKey,
    /// Selecting fields (RFC 9111 section 4.1); empty when the response does not vary.
    pub(super) variant: Arc<[u8]>,
}

impl FullKey {
    fn plain(primary: CacheKey) -> Self {
        Self { primary, variant: Arc::default() }
    }

    /// Bytes that the key itself takes.
    pub(super) fn weight(&self) -> usize {
        self.primary.as_str().len() + self.variant.len()
    }
}

#[derive(Clone)]
enum Entry {
    Stored(Arc<Object>),
    Varies(Variation),
}

/// How a key varies.
#[derive(Clone)]
struct Variation {
    rule: VaryRule,
    /// Part of every variant's key: once the rule is forgotten, variants stored under it are out of reach for good,
    /// also when the same rule is learnt again.
    generation: u64,
}

/// Selecting fields up to this many bytes stand in the key themselves, longer ones (a `Vary` on Cookie) as a digest.
const MAX_VARIANT_TEXT: usize = 96;

/// Stands before a digest. No field name begins with it, so that a digest never equals a text.
const DIGEST_MARK: u8 = 0xff;

impl Variation {
    fn key(&self, primary: CacheKey, fields: &HeaderMap) -> FullKey {
        let mut variant = self.generation.to_be_bytes().to_vec();
        let prefix = variant.len();
        self.rule.write_variant_key(fields, &mut variant);
        if variant.len() > MAX_VARIANT_TEXT {
            let digest = Sha256::digest(&variant[prefix..]);
            variant.truncate(prefix);
            variant.push(DIGEST_MARK);
            variant.extend_from_slice(&digest);
        }
        FullKey { primary, variant: variant.into() }
    }
}

/// Bytes an entry is accounted for that only says how a key varies.
const VARIES_WEIGHT: usize = 512;

/// Largest accounted weight of one entry, moka's limit. Larger objects are never stored.
pub(super) const MAX_WEIGHT: u32 = u32::MAX;

/// The memory tier.
pub(super) struct MemoryTier {
    entries: Cache<FullKey, Entry, ahash::RandomState>,
    next_generation: AtomicU64,
}

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
                };
                u32::try_from(weight + key.weight() as u64).unwrap_or(MAX_WEIGHT)
            })
            .eviction_listener(move |_, entry, cause| {
                if let Entry::Stored(_) = entry {
                    metrics.cache().evicted(eviction_cause(cause));
                }
            })
            // Keyed at random, as keys come from outside, and several times faster than the standard one.
            .build_with_hasher(ahash::RandomState::new());
        Self { entries, next_generation: AtomicU64::new(0) }
    }

    /// What is stored for this key and these request fields.
    pub(super) fn find(&self, primary: &CacheKey, fields: &HeaderMap) -> Found {
        let plain = FullKey::plain(primary.clone());
        match self.entries.get(&plain) {
            None => Found { key: plain, object: None, varies: false },
            Some(Entry::Stored(object)) => Found { key: plain, object: Some(object), varies: false },
            Some(Entry::Varies(variation)) => {
                let key = variation.key(plain.primary, fields);
                let object = match self.entries.get(&key) {
                    Some(Entry::Stored(object)) => Some(object),
                    _ => None,
                };
                Found { key, object, varies: true }
            }
        }
    }

    /// Where a response that varies like this, to a request with these fields, belongs.
    pub(super) fn place(&self, primary: &CacheKey, rule: &VaryRule, fields: &HeaderMap) -> Place {
        let plain = FullKey::plain(primary.clone());
        let VaryRule::Names(_) = rule else { return Place { key: plain, news: None } };
        match self.entries.get(&plain) {
            Some(Entry::Varies(known)) if known.rule == *rule => {
                Place { key: known.key(plain.primary, fields), news: None }
            }
            _ => {
                let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
                let news = Variation { rule: rule.clone(), generation };
                Place { key: news.key(plain.primary, fields), news: Some(news) }
            }
        }
    }

    /// Learns how a key varies, before the object itself is complete, so that others find their variant.
    pub(super) fn learn(&self, place: &Place) {
        if let Some(news) = &place.news {
            let plain = FullKey::plain(place.key.primary.clone());
            self.entries.insert(plain, Entry::Varies(news.clone()));
        }
    }

    /// Stores a complete object under the variant that `fields`, those of the request it answered, select.
    pub(super) fn store(&self, primary: &CacheKey, fields: &HeaderMap, object: Arc<Object>) {
        let place = self.place(primary, &object.meta.vary, fields);
        self.learn(&place);
        self.entries.insert(place.key, Entry::Stored(object));
    }

    /// Forgets one variant.
    pub(super) fn remove(&self, key: &FullKey) {
        self.entries.invalidate(key);
    }

    /// Forgets what is stored for a key. All variants get out of reach: their rule is gone with the plain entry.
    pub(super) fn invalidate(&self, primary: &CacheKey) {
        self.entries.invalidate(&FullKey::plain(primary.clone()));
    }

    /// Figures for metrics. Brings moka's pending bookkeeping up to date first.
    pub(super) fn figures(&self) -> MemoryFigures {
        self.entries.run_pending_tasks();
        MemoryFigures { bytes: self.entries.weighted_size(), entries: self.entries.entry_count() }
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
