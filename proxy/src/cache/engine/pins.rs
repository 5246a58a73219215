//! Pins: what operators want to keep, whatever else wants its room.
//!
//! Owns where a stored response is pinned. On disk, where it is written there: all of its records. In memory otherwise, beside
//! the tier's capacity. What is pinned is what a request finds; which requests those are, and that it stays pinned when it is
//! stored anew, is for who calls: each call pins what there is now, and costs nearly nothing when that is pinned already.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::CacheEngine;
use super::answer::Lookup;
use super::disk::{Pinning, key};
use super::fetch::FetchRequest;
use super::memory::FullKey;
use super::object::Object;

/// Part of the memory tier's capacity that pinned objects may take beside it.
const MEMORY_SHARE: u64 = 4;

/// Slices of an object that is pinned: 64 GiB of a mebibyte each.
const MOST_SLICES: u64 = 1 << 16;

/// Records of one object that are looked for without letting others on: each takes some microseconds.
const PINNED_AT_ONCE: usize = 256;

/// Where something is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinnedIn {
    /// On disk, where it outlives the process.
    Disk,
    /// In memory, as long as the process lasts.
    Memory,
}

impl PinnedIn {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }
}

/// Why something is not pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPinned {
    /// Nothing is stored.
    NotStored,
    /// More than half of its device would be pinned.
    TooMuchOnDisk,
    /// More than a quarter of the memory tier's capacity would be pinned in memory.
    TooMuchInMemory,
    /// It is stored in slices, and not on disk.
    InSlices,
    /// It waits to be written to disk: ask again.
    BeingWritten,
}

impl NotPinned {
    /// For programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::TooMuchOnDisk => "too_much_pinned_on_disk",
            Self::TooMuchInMemory => "too_much_pinned_in_memory",
            Self::InSlices => "in_slices",
            Self::BeingWritten => "being_written",
        }
    }

    /// For people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotStored => "nothing is stored for it; have it fetched first, as by tidegate warm",
            Self::TooMuchOnDisk => {
                "more than half of its device would be pinned; unpin something, or give the device more room"
            }
            Self::TooMuchInMemory => {
                "it is not on disk, and more than a quarter of the cache's memory would be pinned there; unpin something"
            }
            Self::InSlices => "it is stored in slices, and those are pinned on disk alone, where this is not",
            Self::BeingWritten => "it is still being written to disk; try again",
        }
    }
}

/// Something that is pinned.
#[derive(Debug, Clone)]
pub struct Pin {
    /// Where.
    pub place: PinnedIn,
    /// Its key, and that of how it varies.
    keys: Vec<FullKey>,
    /// Its records on disk.
    records: Vec<Bytes>,
}

/// The keys of all that is pinned.
#[derive(Default)]
pub(super) struct PinnedKeys(RwLock<HashSet<FullKey>>);

impl PinnedKeys {
    pub(super) fn contains(&self, key: &FullKey) -> bool {
        self.0.read().contains(key)
    }
}

impl<R: FetchRequest> CacheEngine<R> {
    /// Pins what is stored for a request. `known` is what that had come to the time before.
    pub async fn pin(self: &Arc<Self>, lookup: &Lookup<'_>, known: Option<&Pin>) -> Result<Pin, NotPinned> {
        let found = self.find(lookup);
        let is_same = |pin: &&Pin| pin.place == PinnedIn::Disk && pin.keys.contains(&found.key);
        if found.object.is_none()
            && let Some(pin) = known.filter(is_same)
            && self.pin_records(&pin.records).await == Ok(true)
        {
            return Ok(pin.clone());
        }
        let found = if found.object.is_some() { found } else { self.look(lookup).await.found };
        let object = found.object.ok_or(NotPinned::NotStored)?;
        let keys = self.keys_of(&found.key);
        let records = self.records_of(&keys, &object);
        let pinned = match self.pin_records(&records).await {
            Ok(true) => Ok(Pin { place: PinnedIn::Disk, keys, records }),
            Ok(false) => {
                self.pin_in_memory(&found.key, &object).map(|()| Pin { place: PinnedIn::Memory, keys, records })
            }
            Err(NotPinned::TooMuchOnDisk) => {
                self.unpin_records(&records);
                Err(NotPinned::TooMuchOnDisk)
            }
            Err(why) => Err(why),
        };
        if let Ok(pin) = &pinned {
            self.pinned.0.write().extend(pin.keys.iter().cloned());
        }
        pinned
    }

    /// Lets something go that is pinned; it stays for as long as it is worth its room.
    pub fn unpin(&self, pin: &Pin) {
        self.unpin_records(&pin.records);
    }

    /// Lets everything go in memory but these.
    pub fn keep_pins<'p>(&self, pins: impl Iterator<Item = &'p Pin> + Clone) {
        let keys = |pins: &mut dyn Iterator<Item = &'p Pin>| pins.flat_map(|pin| pin.keys.iter().cloned()).collect();
        let in_memory: HashSet<FullKey> = keys(&mut pins.clone().filter(|pin| pin.place == PinnedIn::Memory));
        self.memory.keep_pinned(&in_memory);
        *self.pinned.0.write() = keys(&mut pins.clone());
    }

    fn keys_of(&self, key: &FullKey) -> Vec<FullKey> {
        let plain = FullKey { primary: key.primary.clone(), variant: Arc::default() };
        if plain == *key { vec![plain] } else { vec![key.clone(), plain] }
    }

    /// The record of an object itself first.
    fn records_of(&self, keys: &[FullKey], object: &Object) -> Vec<Bytes> {
        let mut records: Vec<Bytes> = keys.iter().map(key::of_full_key).collect();
        if let (Some(key), Some(beneath)) = (keys.first(), self.memory.beneath()) {
            records.extend(beneath.part_keys(key, &object.body));
        }
        if let Some(sliced) = object.body.in_slices() {
            records
                .extend((0..sliced.count().min(MOST_SLICES)).map(|index| key::of_full_key(&sliced.slice_key(index))));
        }
        records
    }

    /// Pins those of an object's records that are on disk; `false`: it is not there.
    async fn pin_records(&self, records: &[Bytes]) -> Result<bool, NotPinned> {
        let (Some(beneath), Some((own, others))) = (self.memory.beneath(), records.split_first()) else {
            return Ok(false);
        };
        let pin = |record: &Bytes| match beneath.pin(record, true) {
            Pinning::Done => Ok(true),
            Pinning::NotThere => Ok(false),
            Pinning::Waiting => Err(NotPinned::BeingWritten),
            Pinning::TooMuch => Err(NotPinned::TooMuchOnDisk),
        };
        if !pin(own)? {
            return Ok(false);
        }
        // Slices that are not stored are pinned when they are.
        for records in others.chunks(PINNED_AT_ONCE) {
            records.iter().try_for_each(|record| pin(record).map(drop))?;
            tokio::task::yield_now().await;
        }
        Ok(true)
    }

    fn unpin_records(&self, records: &[Bytes]) {
        if let Some(beneath) = self.memory.beneath() {
            for record in records {
                beneath.pin(record, false);
            }
        }
    }

    fn pin_in_memory(&self, key: &FullKey, object: &Arc<Object>) -> Result<(), NotPinned> {
        if object.body.in_slices().is_some() {
            return Err(NotPinned::InSlices);
        }
        self.memory.pin(key, object, self.bounds.capacity / MEMORY_SHARE)
    }
}
