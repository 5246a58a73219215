//! A segment's index file: 128 bytes at its beginning that say whose it is, then 64 bytes for everything that happened.
//!
//! Owns the form of both. After a restart these files are all that is read. What would cost more than one record if it
//! were damaged stands there twice: whose the file is, and that a record is gone.

use crate::checksum::Seed;
use crate::fields::{get_u32, get_u64, put_u32, put_u64};
use crate::layout::FORMAT_VERSION;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 64;
/// Bytes of the beginning.
pub(crate) const HEADING: usize = 2 * COPY;
const COPY: usize = 64;
/// Half an entry says that a record is gone.
const HALF: usize = ENTRY / 2;

const MAGIC: u32 = 0x7869_4754;
/// Bytes of a checksum, with which everything ends.
const SUM: usize = 4;
const STORED: u32 = 1;
const KILLED: u32 = 2;
const MOVED: u32 = 3;

/// What stands at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) volume: [u8; 16],
    pub(crate) segment: u32,
    /// Which of the segments being filled at once it was.
    pub(crate) stream: u32,
    pub(crate) epoch: u64,
    /// When this use of the segment began, in seconds since 1970.
    pub(crate) opened: u64,
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Stored(Stored),
    /// The record at this unit is gone, and with it all that its key had before.
    Killed {
        epoch: u64,
        unit: u32,
    },
    /// What is at this unit is not to be found there, which says nothing of other copies of the record.
    Moved {
        epoch: u64,
        unit: u32,
    },
}

/// A record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) epoch: u64,
    pub(crate) hash: u64,
    pub(crate) sequence: u64,
    pub(crate) expires: u64,
    pub(crate) unit: u32,
    pub(crate) length: u32,
    pub(crate) site: u32,
    pub(crate) kind: u8,
}

impl Heading {
    pub(crate) fn encode(&self, seed: Seed) -> Vec<u8> {
        let mut bytes = [0; COPY];
        put_u32(&mut bytes, 0, MAGIC);
        put_u32(&mut bytes, 4, FORMAT_VERSION);
        bytes[8..24].copy_from_slice(&self.volume);
        put_u32(&mut bytes, 24, self.segment);
        put_u32(&mut bytes, 28, self.stream);
        put_u64(&mut bytes, 32, self.epoch);
        put_u64(&mut bytes, 40, self.opened);
        sealed(bytes, seed).repeat(2)
    }

    /// `None`: damaged, or of something else.
    pub(crate) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let bytes = bytes.chunks_exact(COPY).take(2).find(|copy| is_sound(copy, seed))?;
        if get_u32(bytes, 0) != MAGIC || get_u32(bytes, 4) != FORMAT_VERSION {
            return None;
        }
        let mut volume = [0; 16];
        volume.copy_from_slice(&bytes[8..24]);
        Some(Self {
            volume,
            segment: get_u32(bytes, 24),
            stream: get_u32(bytes, 28),
            epoch: get_u64(bytes, 32),
            opened: get_u64(bytes, 40),
        })
    }
}

impl Entry {
    pub(crate) fn encode(&self, seed: Seed) -> Vec<u8> {
        match self {
            Self::Stored(stored) => stored.encode(seed).to_vec(),
            Self::Killed { epoch, unit } => gone(KILLED, *epoch, *unit, seed),
            Self::Moved { epoch, unit } => gone(MOVED, *epoch, *unit, seed),
        }
    }

    /// `None`: damaged.
    pub(crate) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let bytes = bytes.get(..ENTRY)?;
        if is_sound(bytes, seed) && get_u32(bytes, 0) == STORED {
            return Some(Self::Stored(Stored::decode(bytes)));
        }
        let known = |half: &&[u8]| is_sound(half, seed) && [KILLED, MOVED].contains(&get_u32(half, 0));
        let half = bytes.chunks_exact(HALF).find(known)?;
        let (epoch, unit) = (get_u64(half, 8), get_u32(half, 4));
        Some(match get_u32(half, 0) {
            KILLED => Self::Killed { epoch, unit },
            _ => Self::Moved { epoch, unit },
        })
    }
}

impl Stored {
    fn encode(&self, seed: Seed) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        put_u32(&mut bytes, 0, STORED);
        put_u32(&mut bytes, 4, self.unit);
        put_u64(&mut bytes, 8, self.epoch);
        put_u64(&mut bytes, 16, self.hash);
        put_u64(&mut bytes, 24, self.sequence);
        put_u64(&mut bytes, 32, self.expires);
        put_u32(&mut bytes, 40, self.length);
        put_u32(&mut bytes, 44, self.site);
        bytes[48] = self.kind;
        sealed(bytes, seed)
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            epoch: get_u64(bytes, 8),
            hash: get_u64(bytes, 16),
            sequence: get_u64(bytes, 24),
            expires: get_u64(bytes, 32),
            unit: get_u32(bytes, 4),
            length: get_u32(bytes, 40),
            site: get_u32(bytes, 44),
            kind: bytes[48],
        }
    }
}

fn gone(how: u32, epoch: u64, unit: u32, seed: Seed) -> Vec<u8> {
    let mut half = [0; HALF];
    put_u32(&mut half, 0, how);
    put_u32(&mut half, 4, unit);
    put_u64(&mut half, 8, epoch);
    sealed(half, seed).repeat(2)
}

fn sealed<const LENGTH: usize>(mut bytes: [u8; LENGTH], seed: Seed) -> [u8; LENGTH] {
    let sum = seed.sum([&bytes[..LENGTH - SUM]]);
    put_u32(&mut bytes, LENGTH - SUM, sum);
    bytes
}

fn is_sound(bytes: &[u8], seed: Seed) -> bool {
    let (content, sum) = bytes.split_at(bytes.len() - SUM);
    seed.sum([content]) == get_u32(sum, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Secret;

    fn entries() -> [Entry; 3] {
        let stored = Stored { epoch: 1, hash: 2, sequence: 3, expires: 4, unit: 5, length: 6, site: 7, kind: 8 };
        [Entry::Stored(stored), Entry::Killed { epoch: 9, unit: 10 }, Entry::Moved { epoch: 11, unit: 12 }]
    }

    fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        damaged
    }

    #[test]
    fn what_was_written_is_read_and_a_flipped_bit_is_seen_or_does_no_harm() {
        let seed = Seed::of(&Secret([1; 16]));
        let [stored, killed, moved] = entries();
        for (entry, survives) in [(stored, false), (killed, true), (moved, true)] {
            let bytes = entry.encode(seed);
            assert_eq!((bytes.len(), Entry::decode(&bytes, seed)), (ENTRY, Some(entry)));
            for bit in 0..ENTRY * 8 {
                assert_eq!(Entry::decode(&flipped(&bytes, bit), seed), survives.then_some(entry), "bit {bit}");
            }
            assert_eq!(Entry::decode(&bytes[..ENTRY - 1], seed), None);
            assert_eq!(Entry::decode(&bytes, Seed::of(&Secret([2; 16]))), None);
        }
    }

    #[test]
    fn one_damaged_copy_of_the_heading_does_no_harm() {
        let seed = Seed::of(&Secret([1; 16]));
        let heading = Heading { volume: [7; 16], segment: 1, stream: 2, epoch: 3, opened: 4 };
        let bytes = heading.encode(seed);
        assert_eq!(bytes.len(), HEADING);
        for bit in 0..HEADING * 8 {
            assert_eq!(Heading::decode(&flipped(&bytes, bit), seed), Some(heading), "bit {bit}");
        }
        assert_eq!(Heading::decode(&flipped(&flipped(&bytes, 9), 64 * 8 + 9), seed), None);
        assert_eq!(Heading::decode(&bytes, Seed::of(&Secret([2; 16]))), None);
    }

    #[test]
    fn a_hole_is_no_entry() {
        let seed = Seed::of(&Secret([1; 16]));
        assert_eq!(Entry::decode(&[0; ENTRY], seed), None);
        assert_eq!(Heading::decode(&[0; HEADING], seed), None);
        assert_eq!(Heading::decode(&[], seed), None);
    }
}
