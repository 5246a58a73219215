//! A segment's index file: 64 bytes at its beginning that say whose it is, then 64 bytes for everything that happened.
//!
//! Owns the form of both. After a restart these files are all that is read.

use crate::checksum::Seed;
use crate::fields::{get_u32, get_u64, put_u32, put_u64};
use crate::layout::FORMAT_VERSION;

/// Bytes of an entry, and of the beginning.
pub(crate) const ENTRY: usize = 64;

const MAGIC: u32 = 0x7869_4754;
const SUM: usize = 60;
const STORED: u32 = 1;
const KILLED: u32 = 2;

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
    /// The record at this unit is gone.
    Killed {
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
    pub(crate) fn encode(&self, seed: Seed) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        put_u32(&mut bytes, 0, MAGIC);
        put_u32(&mut bytes, 4, FORMAT_VERSION);
        bytes[8..24].copy_from_slice(&self.volume);
        put_u32(&mut bytes, 24, self.segment);
        put_u32(&mut bytes, 28, self.stream);
        put_u64(&mut bytes, 32, self.epoch);
        put_u64(&mut bytes, 40, self.opened);
        sealed(bytes, seed)
    }

    /// `None`: damaged, or of something else.
    pub(crate) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let bytes = sound(bytes, seed)?;
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
    pub(crate) fn encode(&self, seed: Seed) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        match self {
            Self::Stored(stored) => {
                put_u32(&mut bytes, 0, STORED);
                put_u32(&mut bytes, 4, stored.unit);
                put_u64(&mut bytes, 8, stored.epoch);
                put_u64(&mut bytes, 16, stored.hash);
                put_u64(&mut bytes, 24, stored.sequence);
                put_u64(&mut bytes, 32, stored.expires);
                put_u32(&mut bytes, 40, stored.length);
                put_u32(&mut bytes, 44, stored.site);
                bytes[48] = stored.kind;
            }
            Self::Killed { epoch, unit } => {
                put_u32(&mut bytes, 0, KILLED);
                put_u32(&mut bytes, 4, *unit);
                put_u64(&mut bytes, 8, *epoch);
            }
        }
        sealed(bytes, seed)
    }

    /// `None`: damaged.
    pub(crate) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let bytes = sound(bytes, seed)?;
        let (unit, epoch) = (get_u32(bytes, 4), get_u64(bytes, 8));
        match get_u32(bytes, 0) {
            STORED => Some(Self::Stored(Stored {
                epoch,
                hash: get_u64(bytes, 16),
                sequence: get_u64(bytes, 24),
                expires: get_u64(bytes, 32),
                unit,
                length: get_u32(bytes, 40),
                site: get_u32(bytes, 44),
                kind: bytes[48],
            })),
            KILLED => Some(Self::Killed { epoch, unit }),
            _ => None,
        }
    }
}

fn sealed(mut bytes: [u8; ENTRY], seed: Seed) -> [u8; ENTRY] {
    let sum = seed.sum([&bytes[..SUM]]);
    put_u32(&mut bytes, SUM, sum);
    bytes
}

fn sound(bytes: &[u8], seed: Seed) -> Option<&[u8]> {
    let bytes = bytes.get(..ENTRY)?;
    (seed.sum([&bytes[..SUM]]) == get_u32(bytes, SUM)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Secret;

    fn entries() -> [Entry; 2] {
        let stored = Stored { epoch: 1, hash: 2, sequence: 3, expires: 4, unit: 5, length: 6, site: 7, kind: 8 };
        [Entry::Stored(stored), Entry::Killed { epoch: 9, unit: 10 }]
    }

    #[test]
    fn what_was_written_is_read_and_every_flipped_bit_is_seen() {
        let seed = Seed::of(&Secret([1; 16]));
        let heading = Heading { volume: [7; 16], segment: 1, stream: 2, epoch: 3, opened: 4 };
        assert_eq!(Heading::decode(&heading.encode(seed), seed), Some(heading));
        for entry in entries() {
            let bytes = entry.encode(seed);
            assert_eq!(Entry::decode(&bytes, seed), Some(entry));
            for bit in 0..ENTRY * 8 {
                let mut damaged = bytes;
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Entry::decode(&damaged, seed), None, "bit {bit}");
            }
            assert_eq!(Entry::decode(&bytes[..ENTRY - 1], seed), None);
            assert_eq!(Entry::decode(&bytes, Seed::of(&Secret([2; 16]))), None);
        }
    }

    #[test]
    fn a_hole_is_no_entry() {
        let seed = Seed::of(&Secret([1; 16]));
        assert_eq!(Entry::decode(&[0; ENTRY], seed), None);
        assert_eq!(Heading::decode(&[0; ENTRY], seed), None);
    }
}
