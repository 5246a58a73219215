//! The hot list: keys of what memory holds, kept on disk, so that a node that is started again has in memory soon what it had
//! before.
//!
//! Owns what is listed, and as which bytes. Slices are not: they are read when somebody wants them, and which those are was
//! decided by where readers were. In which order objects are used is not known; what memory holds is what was worth its
//! room, and of more than fits in the list any are left out.

use bytes::Bytes;

use super::super::memory::{FullKey, MemoryTier};
use super::key;

/// Keys of a list. Each costs a read of the disk when a node starts.
const MOST_KEYS: usize = 100_000;

/// Begins a list, with the version of what follows: when it was made, in seconds since 1970, and keys with their lengths.
const MAGIC: [u8; 8] = *b"tghot001";

const HEADING: usize = MAGIC.len() + 8;

/// The list of what memory holds now, which is `now` seconds since 1970.
pub(in crate::cache::engine) fn write(memory: &MemoryTier, now: u64, most_bytes: usize) -> Bytes {
    // How keys vary comes first: without it no variant is found.
    let rules = memory.rules().map(|key| key::of_full_key(&key));
    let objects = memory.objects().map(|(key, _)| key::of_full_key(&key));
    encode(rules.chain(objects), now, most_bytes)
}

fn encode(keys: impl Iterator<Item = Bytes>, now: u64, most_bytes: usize) -> Bytes {
    let mut list = MAGIC.to_vec();
    list.extend_from_slice(&now.to_le_bytes());
    for key in keys.take(MOST_KEYS) {
        let Ok(length) = u16::try_from(key.len()) else { continue };
        if list.len() + 2 + key.len() > most_bytes {
            break;
        }
        list.extend_from_slice(&length.to_le_bytes());
        list.extend_from_slice(&key);
    }
    list.into()
}

/// When a list was made, in seconds since 1970; `None` where it is not understood.
pub(in crate::cache::engine) fn made_at(list: &[u8]) -> Option<u64> {
    opened(list).map(|(made, _)| made)
}

fn opened(list: &[u8]) -> Option<(u64, &[u8])> {
    let (heading, keys) = list.split_first_chunk::<HEADING>()?;
    let made = heading.strip_prefix(&MAGIC)?.try_into().ok()?;
    Some((u64::from_le_bytes(made), keys))
}

/// The keys of a list; none where it is not understood. One that breaks off has the keys before that.
pub(in crate::cache::engine) fn read(list: &[u8]) -> Vec<FullKey> {
    let Some((_, mut rest)) = opened(list) else { return Vec::new() };
    let mut keys = Vec::new();
    while keys.len() < MOST_KEYS
        && let Some((length, behind)) = rest.split_first_chunk::<2>()
        && let Some((key, behind)) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))
    {
        keys.extend(key::full_key_of(key));
        rest = behind;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::{CacheKey, Scheme};

    fn full(path: &str, variant: &[u8]) -> FullKey {
        FullKey { primary: CacheKey::new(Scheme::Https, "a.test", path, Some(b"v=1")), variant: variant.into() }
    }

    fn list(keys: &[FullKey], now: u64) -> Bytes {
        encode(keys.iter().map(key::of_full_key), now, usize::MAX)
    }

    #[test]
    fn list_comes_back() {
        let keys = [full("/b", b""), full("/b", b"1234"), full("/c", b"")];
        let written = list(&keys, 6);
        assert_eq!((made_at(&written), read(&written)), (Some(6), keys.to_vec()));
        assert_eq!((made_at(&[]), read(&[])), (None, Vec::new()));
    }

    #[test]
    fn list_is_no_longer_than_it_may_be() {
        let keys: Vec<FullKey> = (0..100).map(|number| full(&format!("/{number}"), b"")).collect();
        let short = encode(keys.iter().map(key::of_full_key), 1, 1000);
        assert!(short.len() <= 1000 && short.len() > 900, "{}", short.len());
        let known = read(&short);
        assert_eq!(known, keys[..known.len()]);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let keys = [full("/a", b""), full("/b", b"x")];
        let whole = list(&keys, 7);
        for end in 0..whole.len() {
            let known = read(&whole[..end]);
            assert_eq!(known, keys[..known.len()], "cut at {end}");
        }
        let mut other = whole.to_vec();
        other[7] = b'2';
        assert_eq!((made_at(&other), read(&other)), (None, Vec::new()));
        let mut odd = whole.to_vec();
        odd[HEADING + 2..HEADING + 6].fill(0xff);
        assert_eq!(read(&odd), keys[1..]);
    }
}
