//! What is stored, in memory: 48 bytes for a record and about a dozen for finding them.
//!
//! Owns the entries and that the accounts agree with them. Never waits for a device: locks are held for moments, also
//! while whole segments are forgotten.

mod accounts;
mod shard;

use std::collections::HashMap;

use parking_lot::RwLock;

pub(crate) use accounts::Accounts;
use shard::Shard;

use crate::volume::{Cursor, Place};

/// As many locks, so that threads seldom meet, and growing one table is a matter of a millisecond.
const SHARDS: usize = 64;
/// How many entries are forgotten under one lock.
const BATCH: usize = 256;

/// All that can be found.
pub(crate) struct Index {
    shards: Box<[RwLock<Shard>]>,
    accounts: Accounts,
}

/// What came of making a record known.
pub(crate) enum Published {
    /// It is known, in the stead of that one.
    Known { replaced: Option<Place>, place: Place },
    /// It was not wanted any more.
    Unwanted,
}

impl Index {
    pub(crate) fn new(segments: u32) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::new(Shard::new(segments))).collect(),
            accounts: Accounts::new(segments),
        }
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Tables are found by the low bits of a hash and told apart by the highest seven; shards take some between.
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    pub(crate) fn find(&self, hash: u64) -> Option<Place> {
        self.shard(hash).read().find(hash)
    }

    /// Notes that a record was read.
    pub(crate) fn was_read(&self, place: &Place) {
        self.shard(place.hash).read().was_read(place);
    }

    /// Makes a record known, which inherits the pin of the one it replaces unless more than `most_pinned` bytes would be
    /// pinned then.
    pub(crate) fn publish(&self, place: Place, most_pinned: u64, wanted: &dyn Fn() -> bool) -> Published {
        let mut shard = self.shard(place.hash).write();
        if !wanted() {
            return Published::Unwanted;
        }
        let replaced = shard.remove(place.hash).map(|replaced| self.accounts.subtract(&replaced));
        let wants_pin = place.pinned || replaced.is_some_and(|replaced| replaced.pinned);
        let place = Place { pinned: wants_pin && self.accounts.pinned() + place.padded() <= most_pinned, ..place };
        shard.insert(&place);
        self.accounts.add(&place);
        Published::Known { replaced, place }
    }

    /// Makes a record known that was found on disk, unless a newer one is known (or the same, copied
    /// later); answers the one that is not. An entry that was written twice is one record.
    pub(crate) fn recover(&self, place: Place) -> Option<Place> {
        let mut shard = self.shard(place.hash).write();
        let epoch = |segment| self.accounts.segment(segment).epoch;
        let newness = |place: &Place| (place.sequence, epoch(place.segment));
        let known = shard.find(place.hash);
        if known.is_some_and(|known| known.is_at(&place)) {
            return None;
        }
        if known.is_some_and(|known| newness(&known) > newness(&place)) {
            return Some(Place { epoch: epoch(place.segment), ..place });
        }
        let known = shard.remove(place.hash).map(|known| self.accounts.subtract(&known));
        shard.insert(&place);
        self.accounts.add(&place);
        known
    }

    /// Forgets what a key has.
    pub(crate) fn remove(&self, hash: u64) -> Option<Place> {
        let mut shard = self.shard(hash).write();
        shard.remove(hash).map(|removed| self.accounts.subtract(&removed))
    }

    /// Forgets a record if it still is where it was.
    pub(crate) fn remove_if_there(&self, place: &Place) -> bool {
        self.take_if_there(place).is_some()
    }

    /// Forgets a record if it still is where it was, and answers it.
    pub(crate) fn take_if_there(&self, place: &Place) -> Option<Place> {
        let mut shard = self.shard(place.hash).write();
        shard.find(place.hash).filter(|known| known.is_at(place))?;
        shard.remove(place.hash).map(|removed| self.accounts.subtract(&removed))
    }

    /// Has a record be found elsewhere, unread again, if it still is where it was.
    pub(crate) fn relocate(&self, from: &Place, to: Place) -> bool {
        let mut shard = self.shard(from.hash).write();
        let Some(known) = shard.find(from.hash).filter(|known| known.is_at(from)) else { return false };
        shard.remove(from.hash);
        self.accounts.subtract(&known);
        let to = Place { pinned: to.pinned || known.pinned, reads: 0, ..to };
        shard.insert(&to);
        self.accounts.add(&to);
        true
    }

    /// Pins what a key has or lets it go; `false`: it has nothing, or more than `most` bytes would be pinned.
    pub(crate) fn pin(&self, hash: u64, pinned: bool, most: u64) -> bool {
        let mut shard = self.shard(hash).write();
        let Some(known) = shard.find(hash) else { return false };
        if known.pinned == pinned {
            return true;
        }
        if pinned && self.accounts.pinned() + known.padded() > most {
            return false;
        }
        self.accounts.subtract(&known);
        shard.remove(hash);
        let changed = Place { pinned, ..known };
        shard.insert(&changed);
        self.accounts.add(&changed);
        true
    }

    /// All records of a segment.
    pub(crate) fn of_segment(&self, segment: u32) -> Vec<Place> {
        let mut places = Vec::new();
        for shard in &self.shards {
            shard.read().of_segment(segment, &mut places);
        }
        places
    }

    /// Has all records of a segment be as if nobody had read them.
    pub(crate) fn forget_reads(&self, segment: u32) {
        self.shards.iter().for_each(|shard| shard.read().forget_reads(segment));
    }

    /// Forgets all records of a segment, a few at a time, telling each.
    pub(crate) fn forget_segment(&self, segment: u32, forgotten: &mut dyn FnMut(&Place)) {
        for shard in &self.shards {
            loop {
                let mut shard = shard.write();
                let batch = shard.first_of_segment(segment, BATCH);
                for place in &batch {
                    shard.remove(place.hash);
                    self.accounts.subtract(place);
                }
                drop(shard);
                batch.iter().for_each(&mut *forgotten);
                if batch.len() < BATCH {
                    break;
                }
            }
        }
    }

    /// At least one record from a cursor on unless there are none, at most about `most`.
    pub(crate) fn page(&self, from: Cursor, most: usize) -> (Vec<Place>, Option<Cursor>) {
        let mut places = Vec::new();
        let mut slot = from.slot;
        for number in from.shard..SHARDS as u32 {
            let shard = self.shards[number as usize].read();
            match shard.page(slot, most, &mut places) {
                Some(next) => return (places, Some(Cursor { shard: number, slot: next })),
                None => slot = 0,
            }
        }
        (places, None)
    }

    /// Bytes of memory that all this takes.
    pub(crate) fn memory(&self) -> u64 {
        let shards: usize = self.shards.iter().map(|shard| shard.read().memory()).sum();
        shards as u64 + self.accounts.memory()
    }

    pub(crate) fn sites(&self) -> HashMap<u32, u64> {
        self.accounts.sites()
    }
}

#[cfg(test)]
mod tests;
