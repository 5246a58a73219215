//! What lies beneath the memory tier: stored responses on disk, which outlive the process.
//!
//! Owns what is written of them and when ([`keeping`]), how it comes back ([`raising`]), and as which bytes ([`codec`]).
//! Whatever the memory tier stores goes down, whatever it forgets is forgotten below, and a request that finds nothing in
//! memory looks here. Nothing is answered from disk itself: what is found there is put into memory and goes the same way as
//! anything else, so that no rule of caching is to be followed twice. Files and devices are the store's ([`DiskTier`]).

mod codec;
mod depositing;
pub(super) mod hot_list;
mod keeping;
pub(super) mod key;
mod loads;
mod raising;
mod tier;

#[cfg(test)]
pub(super) mod fake;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::RandomState;
use bytes::Bytes;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::runtime::Handle;

pub use tier::{DiskRecord, DiskTier, Kind, NotTaken, Pinning, site_tag};

use super::budget::{Budget, Reservation};
use super::memory::FullKey;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::purge::{Generations, Lineage, Provenance, Verdict};
pub(super) use codec::{HeadRecord, Laid};
use depositing::Deposits;
pub(super) use keeping::Slot;
use loads::Loads;
pub(super) use raising::Fault;
pub(super) use raising::Looked;
use raising::Raised;

/// The store beneath the memory tier.
pub(super) struct Beneath {
    tier: Arc<dyn DiskTier>,
    loads: Loads<Raised>,
    /// Long bodies that are being written.
    deposits: Deposits,
    /// Keys of what could not be read in time as it is long: it is fetched, for a while.
    put_off: Cache<Bytes, ()>,
    /// Of the purges that what is written here has outlived.
    lineage: Lineage,
    /// What is of use for less than so many seconds is not written.
    min_lifetime: AtomicU64,
    pub(super) runtime: Handle,
    /// Memory of bodies that came from disk, on their way and while memory has no room for them. Their own: who reads them
    /// slowly takes nothing from fills.
    held: Arc<Budget>,
}

impl Beneath {
    /// Over this store; what is raised is read on `runtime`.
    /// What came from disk and has no room in memory may take `most_held` bytes.
    pub(super) fn new(
        tier: Arc<dyn DiskTier>,
        lineage: Lineage,
        min_lifetime: Duration,
        most_held: u64,
        runtime: Handle,
    ) -> Arc<Self> {
        let (min_lifetime, held) = (AtomicU64::new(min_lifetime.as_secs()), Budget::new(0, most_held));
        let (loads, deposits) = (Loads::default(), Deposits::default());
        Arc::new(Self { tier, loads, deposits, put_off: put_off(), lineage, min_lifetime, runtime, held })
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> &Arc<Budget> {
        &self.held
    }

    /// From now on what is of use for less than this is not written.
    pub(super) fn set_min_lifetime(&self, min_lifetime: Duration) {
        self.min_lifetime.store(min_lifetime.as_secs(), Ordering::Relaxed);
    }

    /// Forgets what is stored under this key, also what is just being read of it.
    pub(super) fn forget(&self, key: &FullKey) {
        let key = key::of_full_key(key);
        self.deposits.forget(&key);
        self.tier.remove(&key);
        self.loads.outdate(&key);
    }

    /// Gives back what is taken by records that were purged, some time.
    pub(super) fn sweep(&self) {
        self.tier.sweep();
    }

    /// Has a record stay whatever else wants its room, or lets it go again.
    pub(super) fn pin(&self, record: &[u8], pinned: bool) -> Pinning {
        self.tier.pin(record, pinned)
    }

    /// What purges look at, as it is written beside parts and slices.
    fn mark(&self, provenance: &Provenance) -> Bytes {
        let mut mark = Vec::new();
        provenance.encode(self.lineage, &mut mark);
        mark.into()
    }

    /// Whether there may be something under this key.
    pub(super) fn may_have(&self, key: &FullKey) -> bool {
        self.tier.may_have(&key::of_full_key(key))
    }
}

/// What a body knows of its place on disk.
#[derive(Default)]
pub(super) struct Deposit {
    /// Whose it is.
    site: AtomicU32,
    /// Its parts, where it is written in parts: what is said anew of the body then need not have it written again.
    parts: Mutex<Option<Parts>>,
    /// What the body takes that came from disk and found no room in memory.
    held: OnceLock<Reservation>,
}

/// Parts of a body on disk.
#[derive(Debug, Clone, Copy)]
struct Parts {
    version: u64,
    expires: u64,
}

impl Deposit {
    /// Says whose it is.
    pub(super) fn belongs_to(&self, site: u32) {
        self.site.store(site, Ordering::Relaxed);
    }

    /// Accounts for the body for as long as it is there.
    fn hold(&self, reserved: Reservation) {
        // Raised once, it has been accounted for.
        drop(self.held.set(reserved));
    }

    /// Says that it is written in parts with this number, until when they are of use.
    fn lies_in_parts(&self, version: u64, expires: u64) {
        *self.parts.lock() = Some(Parts { version, expires });
    }

    /// Whose it is.
    pub(super) fn site(&self) -> u32 {
        self.site.load(Ordering::Relaxed)
    }
}

/// How long what took too long is not read again.
const PUT_OFF_FOR: Duration = Duration::from_secs(60);

/// How many such things are remembered.
const MOST_PUT_OFF: u64 = 4096;

fn put_off() -> Cache<Bytes, ()> {
    Cache::builder().max_capacity(MOST_PUT_OFF).time_to_live(PUT_OFF_FOR).build()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number that no other run of this or any node has given: parts and slices of different bodies never meet under it.
/// Its first byte is zero, which keeps variants apart from what is no variant.
pub(super) fn fresh_number() -> u64 {
    RandomState::new().hash_one(SystemTime::now()) >> 8
}

/// Whether a record is of no use because of a purge. Parts and slices say for themselves what purges look at: their heads
/// may be on another device, or not written yet.
#[must_use]
pub fn record_is_gone(key: &[u8], kind: Kind, head: &[u8], purges: &Generations) -> bool {
    let lineage = purges.secret().lineage();
    let Some(key) = key::cache_key_of(key) else { return true };
    let provenance = match kind {
        Kind::Object | Kind::Head => HeadRecord::decode(head, &key, lineage).map(|head| head.provenance),
        Kind::Slice | Kind::Part => Provenance::decode(&mut &*head, key, lineage),
        Kind::Varies | Kind::Search => return false,
    };
    provenance.is_none_or(|provenance| matches!(purges.judge(&provenance), Verdict::Gone(_)))
}

/// Any bytes as the head of what is stored: they are read or refused, and what is read comes back the same.
pub fn fuzz_stored_head(bytes: &[u8]) {
    let key = CacheKey::new(Scheme::Https, "a.test", "/", None);
    // The lineage that the bytes name, so that more than their beginning is read.
    for lineage in [Lineage(0), Lineage(7)] {
        if let Some(head) = HeadRecord::decode(bytes, &key, lineage) {
            let again = head.encode(lineage).expect("what fitted fits");
            let again = HeadRecord::decode(&again, &key, lineage).expect("what was written is read");
            assert_eq!((again.meta.headers, again.meta.times), (head.meta.headers, head.meta.times));
            assert_eq!((again.laid, again.trailers), (head.laid, head.trailers));
        }
    }
    std::hint::black_box((codec::decode_rule(bytes), codec::decode_search(bytes), key::cache_key_of(bytes)));
}
