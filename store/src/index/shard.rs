//! One part of the index: a table from hashes to slots, slots in blocks, and for every segment a chain through its slots.

use std::sync::atomic::{AtomicU8, Ordering};

use hashbrown::HashTable;

use crate::volume::Place;

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots that are allocated at once; blocks never move, so growing never copies records.
const BLOCK: usize = 256;

/// A record, or a slot that is free, then with `unit` [`NONE`] and the next free one in `next`.
struct Slot {
    hash: u64,
    sequence: u64,
    segment: u32,
    unit: u32,
    length: u32,
    /// Seconds since 1970, up to the year 2106.
    expires: u32,
    site: u32,
    previous: u32,
    next: u32,
    kind: u8,
    reads: AtomicU8,
    pinned: bool,
}

pub(super) struct Shard {
    table: HashTable<u32>,
    blocks: Vec<Vec<Slot>>,
    free: u32,
    /// The first slot of every segment's chain.
    chains: Box<[u32]>,
}

impl Shard {
    pub(super) fn new(segments: u32) -> Self {
        let chains = vec![NONE; segments as usize].into_boxed_slice();
        Self { table: HashTable::new(), blocks: Vec::new(), free: NONE, chains }
    }

    fn slot(&self, number: u32) -> &Slot {
        &self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    fn slot_mut(&mut self, number: u32) -> &mut Slot {
        &mut self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    fn number_of(&self, hash: u64) -> Option<u32> {
        self.table.find(hash, |number| self.slot(*number).hash == hash).copied()
    }

    pub(super) fn find(&self, hash: u64) -> Option<Place> {
        Some(self.slot(self.number_of(hash)?).place())
    }

    pub(super) fn was_read(&self, place: &Place) {
        let Some(slot) = self.number_of(place.hash).map(|number| self.slot(number)) else { return };
        if slot.place().is_at(place) {
            // Two at once may count as one; it decides nothing that a single read does not.
            slot.reads.store(slot.reads.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Adds a record whose hash is not there.
    pub(super) fn insert(&mut self, place: &Place) {
        let number = self.take_free();
        let first = std::mem::replace(&mut self.chains[place.segment as usize], number);
        if first != NONE {
            self.slot_mut(first).previous = number;
        }
        *self.slot_mut(number) = Slot { next: first, ..Slot::of(place) };
        let Self { table, blocks, .. } = self;
        let hash_of = |number: &u32| blocks[*number as usize / BLOCK][*number as usize % BLOCK].hash;
        table.insert_unique(place.hash, number, hash_of);
    }

    pub(super) fn remove(&mut self, hash: u64) -> Option<Place> {
        let number = self.number_of(hash)?;
        let Self { table, blocks, .. } = self;
        let same = |candidate: &u32| *candidate == number;
        if let Ok(entry) = table.find_entry(hash, same) {
            entry.remove();
        }
        let place = blocks[number as usize / BLOCK][number as usize % BLOCK].place();
        self.unchain(number);
        let free = self.free;
        let slot = self.slot_mut(number);
        slot.unit = NONE;
        slot.next = free;
        self.free = number;
        Some(place)
    }

    fn unchain(&mut self, number: u32) {
        let Slot { previous, next, segment, .. } = *self.slot(number);
        match previous {
            NONE => self.chains[segment as usize] = next,
            previous => self.slot_mut(previous).next = next,
        }
        if next != NONE {
            self.slot_mut(next).previous = previous;
        }
    }

    fn take_free(&mut self) -> u32 {
        if self.free == NONE {
            self.grow();
        }
        let number = self.free;
        self.free = self.slot(number).next;
        number
    }

    fn grow(&mut self) {
        let first = (self.blocks.len() * BLOCK) as u32;
        let block = (first..first + BLOCK as u32).map(|number| Slot {
            next: if number + 1 < first + BLOCK as u32 { number + 1 } else { NONE },
            ..Slot::free()
        });
        self.blocks.push(block.collect());
        self.free = first;
    }

    pub(super) fn of_segment(&self, segment: u32, places: &mut Vec<Place>) {
        places.extend(self.chain(segment));
    }

    pub(super) fn first_of_segment(&self, segment: u32, most: usize) -> Vec<Place> {
        self.chain(segment).take(most).collect()
    }

    pub(super) fn forget_reads(&self, segment: u32) {
        self.slots(segment).for_each(|slot| slot.reads.store(0, Ordering::Relaxed));
    }

    fn chain(&self, segment: u32) -> impl Iterator<Item = Place> {
        self.slots(segment).map(Slot::place)
    }

    fn slots(&self, segment: u32) -> impl Iterator<Item = &Slot> {
        let mut number = self.chains[segment as usize];
        std::iter::from_fn(move || {
            let slot = (number != NONE).then(|| self.slot(number))?;
            number = slot.next;
            Some(slot)
        })
    }

    /// Records from a slot on, until there are `most`; where to go on, unless this was all.
    pub(super) fn page(&self, from: u32, most: usize, places: &mut Vec<Place>) -> Option<u32> {
        for number in from..(self.blocks.len() * BLOCK) as u32 {
            if places.len() >= most {
                return Some(number);
            }
            let slot = self.slot(number);
            places.extend((slot.unit != NONE).then(|| slot.place()));
        }
        None
    }

    pub(super) fn memory(&self) -> usize {
        self.table.allocation_size()
            + self.blocks.len() * (BLOCK * size_of::<Slot>() + size_of::<Vec<Slot>>())
            + self.chains.len() * 4
    }
}

impl Slot {
    fn of(place: &Place) -> Self {
        Self {
            hash: place.hash,
            sequence: place.sequence,
            segment: place.segment,
            unit: place.unit,
            length: place.length,
            expires: u32::try_from(place.expires).unwrap_or(u32::MAX),
            site: place.site,
            previous: NONE,
            next: NONE,
            kind: place.kind,
            reads: AtomicU8::new(place.reads),
            pinned: place.pinned,
        }
    }

    fn free() -> Self {
        Self {
            hash: 0,
            sequence: 0,
            segment: 0,
            unit: NONE,
            length: 0,
            expires: 0,
            site: 0,
            previous: NONE,
            next: NONE,
            kind: 0,
            reads: AtomicU8::new(0),
            pinned: false,
        }
    }

    fn place(&self) -> Place {
        Place {
            hash: self.hash,
            segment: self.segment,
            epoch: 0,
            unit: self.unit,
            length: self.length,
            sequence: self.sequence,
            expires: u64::from(self.expires),
            site: self.site,
            kind: self.kind,
            reads: self.reads.load(Ordering::Relaxed),
            pinned: self.pinned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_48_bytes() {
        assert_eq!(size_of::<Slot>(), 48);
    }
}
