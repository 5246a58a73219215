//! The memory tier: stored objects by key and variant, weighed in bytes.
//!
//! Owns what is stored and what was learnt of keys (how they vary, that they cannot be shared). Eviction is
//! moka's TinyLFU, which keeps objects asked for often against a scan of objects asked for once.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::object::Object;
use crate::cache::key::CacheKey;
use crate::cache::rules::vary::VaryRule;
use crate::telemetry::{EvictionCause, Metrics};

/// A key together with the request fields that select one of its variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FullKey {
    /// Key of the resource.
    pub primary: CacheKey,
    /// Selecting fields (RFC 9111 section 4.1); empty when the response does not vary.
    pub variant: Arc<[u8]>,
}

impl FullKey {
    fn plain(primary: CacheKey) -> Self {
        Self { primary, variant: Arc::default() }
    }
}

/// Why requests for a key go to the origin side by side for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The last response may not be shared.
    Unshareable,
    /// The last response was too large to be stored.
    Oversize,
}

#[derive(Clone)]
enum Entry {
    Stored(Arc<Object>),
    Varies(VaryRule),
}

/// How long a key is remembered as not shareable or oversize: long enough to spare a burst from waiting in line,
/// short enough that a corrected origin is noticed soon.
const MARK_LIFETIME: Duration = Duration::from_secs(10);

/// Marks kept at most; each is about 200 bytes.
const MARKS: u64 = 65_536;

/// Bytes an entry is accounted for that only says how a key varies.
const VARIES_WEIGHT: u32 = 512;

/// The memory tier.
pub struct MemoryTier {
    entries: Cache<FullKey, Entry>,
    marks: Cache<FullKey, Mark>,
}

/// What is known of a request's key.
pub struct Found {
    /// Key with the variant that this request selects as far as known.
    pub key: FullKey,
    /// What is stored there.
    pub object: Option<Arc<Object>>,
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
    #[must_use]
    pub fn new(capacity: u64, metrics: Arc<Metrics>) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, entry: &Entry| match entry {
                Entry::Stored(object) => u32::try_from(object.weight()).unwrap_or(u32::MAX),
                Entry::Varies(_) => VARIES_WEIGHT,
            })
            .eviction_listener(move |_, _, cause| {
                metrics.cache().evicted(match cause {
                    RemovalCause::Size => EvictionCause::Capacity,
                    RemovalCause::Replaced => EvictionCause::Replaced,
                    RemovalCause::Expired => EvictionCause::Expired,
                    RemovalCause::Explicit => EvictionCause::Invalidated,
                });
            })
            .build();
        let marks = Cache::builder().max_capacity(MARKS).time_to_live(MARK_LIFETIME).build();
        Self { entries, marks }
    }

    /// What is stored for this key and these request fields.
    #[must_use]
    pub fn find(&self, primary: &CacheKey, fields: &HeaderMap) -> Found {
        let plain = FullKey::plain(primary.clone());
        match self.entries.get(&plain) {
            None => Found { key: plain, object: None },
            Some(Entry::Stored(object)) => Found { key: plain, object: Some(object) },
            Some(Entry::Varies(rule)) => {
                let key = FullKey { primary: plain.primary, variant: rule.variant_key(fields).into() };
                let object = match self.entries.get(&key) {
                    Some(Entry::Stored(object)) => Some(object),
                    _ => None,
                };
                Found { key, object }
            }
        }
    }

    /// Learns how a key varies, before the object itself is complete, so that waiters find their variant.
    pub fn learn(&self, primary: &CacheKey, rule: &VaryRule) {
        if let VaryRule::Names(_) = rule {
            self.entries.insert(FullKey::plain(primary.clone()), Entry::Varies(rule.clone()));
        }
    }

    /// Stores a complete object under the variant that `fields`, those of the request it answered, select.
    pub fn store(&self, primary: &CacheKey, fields: &HeaderMap, object: Arc<Object>) {
        let plain = FullKey::plain(primary.clone());
        let rule = object.meta.vary.clone();
        let VaryRule::Names(_) = rule else {
            self.entries.insert(plain, Entry::Stored(object));
            return;
        };
        let key = FullKey { primary: primary.clone(), variant: rule.variant_key(fields).into() };
        self.entries.insert(plain, Entry::Varies(rule));
        self.entries.insert(key, Entry::Stored(object));
    }

    /// Forgets what is stored for a key. All variants become unreachable: their rule is gone with the plain entry.
    pub fn invalidate(&self, primary: &CacheKey) {
        self.entries.invalidate(&FullKey::plain(primary.clone()));
    }

    /// Remembers for a while why requests for this key cannot share a response.
    pub fn mark(&self, key: &FullKey, mark: Mark) {
        self.marks.insert(key.clone(), mark);
    }

    /// The mark of a key, while it lasts.
    #[must_use]
    pub fn marked(&self, key: &FullKey) -> Option<Mark> {
        self.marks.get(key)
    }

    /// Figures for metrics. Brings moka's pending bookkeeping up to date first.
    #[must_use]
    pub fn figures(&self) -> MemoryFigures {
        self.entries.run_pending_tasks();
        MemoryFigures { bytes: self.entries.weighted_size(), entries: self.entries.entry_count() }
    }
}
