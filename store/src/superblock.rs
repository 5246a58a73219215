//! A volume's first file: what it is, which format it has, its secret. Written twice in one file, so that one damaged
//! sector does not cost all that is stored.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::fields::{get_u32, get_u64, put_u32, put_u64};
use crate::key::Secret;
use crate::layout::FORMAT_VERSION;

const MAGIC: [u8; 8] = *b"TIDEGATE";
const COPY: usize = 2048;
const SIZE: usize = 2 * COPY;
/// Bytes of a copy that mean something: magic, version, segment size, volume, secret, checksum.
const USED: usize = 60;

/// What a volume is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) volume: [u8; 16],
    pub(crate) secret: Secret,
    pub(crate) segment_size: u64,
}

/// What was found at the place of a superblock.
pub(crate) enum Found {
    /// A superblock; not whole if one of its copies is damaged.
    Ours { superblock: Superblock, whole: bool },
    /// One of another format.
    OtherVersion(u32),
    /// One that cannot be read.
    Damaged,
    /// Something else.
    Foreign,
}

impl Superblock {
    pub(crate) fn random(segment_size: u64) -> io::Result<Self> {
        Ok(Self { volume: random()?, secret: Secret(random()?), segment_size })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = [0; COPY];
        copy[..8].copy_from_slice(&MAGIC);
        put_u32(&mut copy, 8, FORMAT_VERSION);
        put_u64(&mut copy, 16, self.segment_size);
        copy[24..40].copy_from_slice(&self.volume);
        copy[40..56].copy_from_slice(&self.secret.0);
        let sum = crc32fast::hash(&copy[..USED - 4]);
        put_u32(&mut copy, USED - 4, sum);
        copy.repeat(2)
    }

    /// Understands a file's first bytes, of which [`Superblock::READ`] suffice.
    pub(crate) fn decode(bytes: &[u8]) -> Found {
        let copies: Vec<Found> = bytes.chunks_exact(COPY).take(2).map(decode_copy).collect();
        let whole = copies.len() == 2 && copies.iter().all(|copy| matches!(copy, Found::Ours { .. }));
        let mut best = Found::Foreign;
        for copy in copies {
            best = match (best, copy) {
                (Found::Ours { superblock, .. }, _) | (_, Found::Ours { superblock, .. }) => {
                    Found::Ours { superblock, whole }
                }
                (Found::OtherVersion(version), _) | (_, Found::OtherVersion(version)) => Found::OtherVersion(version),
                (Found::Damaged, _) | (_, Found::Damaged) => Found::Damaged,
                (Found::Foreign, Found::Foreign) => Found::Foreign,
            };
        }
        // A file that was cut off or overwritten with zeros belonged to a volume before.
        match best {
            Found::Foreign if bytes.starts_with(&MAGIC) || bytes.iter().all(|byte| *byte == 0) => Found::Damaged,
            best => best,
        }
    }

    pub(crate) const READ: usize = SIZE;

    /// Whether a damaged one was certainly a superblock.
    pub(crate) fn is_signed(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC) || bytes.get(COPY..).is_some_and(|copy| copy.starts_with(&MAGIC))
    }
}

fn decode_copy(copy: &[u8]) -> Found {
    if copy[..8] != MAGIC {
        return Found::Foreign;
    }
    let version = get_u32(copy, 8);
    let sound = crc32fast::hash(&copy[..USED - 4]) == get_u32(copy, USED - 4);
    if version != FORMAT_VERSION {
        // Where other formats have their checksum is not known. Should this be damage, it ends the same.
        return Found::OtherVersion(version);
    }
    if !sound {
        return Found::Damaged;
    }
    let mut superblock = Superblock { volume: [0; 16], secret: Secret([0; 16]), segment_size: get_u64(copy, 16) };
    superblock.volume.copy_from_slice(&copy[24..40]);
    superblock.secret.0.copy_from_slice(&copy[40..56]);
    Found::Ours { superblock, whole: true }
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock { volume: [7; 16], secret: Secret([9; 16]), segment_size: 1 << 20 }
    }

    #[test]
    fn what_was_written_is_read() {
        let Found::Ours { superblock: read, whole } = Superblock::decode(&superblock().encode()) else { panic!() };
        assert!(whole && read == superblock());
    }

    #[test]
    fn one_damaged_copy_is_survived_and_told() {
        for bit in 0..USED * 8 {
            for copy in 0..2 {
                let mut bytes = superblock().encode();
                bytes[copy * COPY + bit / 8] ^= 1 << (bit % 8);
                let Found::Ours { superblock: read, whole } = Superblock::decode(&bytes) else { panic!("bit {bit}") };
                // A few bytes between version and segment size mean nothing but are covered as well.
                assert!(!whole && read == superblock(), "bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_no_superblock_is_told_apart() {
        const OTHER: u32 = FORMAT_VERSION + 1;
        let whole = superblock().encode();
        let mut other = whole.clone();
        put_u32(&mut other, 8, OTHER);
        put_u32(&mut other, COPY + 8, OTHER);
        assert!(matches!(Superblock::decode(&other), Found::OtherVersion(OTHER)));
        for (bytes, damaged) in [
            (&b""[..], true),
            (&whole[..100], true),
            (&[0; SIZE], true),
            (&[b'x'; SIZE], false),
            (b"#!/bin/sh\n", false),
        ] {
            match Superblock::decode(bytes) {
                Found::Damaged => assert!(damaged),
                Found::Foreign => assert!(!damaged),
                _ => panic!(),
            }
        }
    }
}
