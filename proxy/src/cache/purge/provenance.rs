//! What an object is held against purges by: where it belongs, when it was fetched, which tags it has.
//!
//! Owns what of this is kept beside an object, in memory and on disk. What purges do to it is for
//! [`super::generations`].

use std::sync::atomic::{AtomicU64, Ordering};

use super::generation::{Generation, Lineage};
use super::place::Place;
use crate::cache::key::CacheKey;

/// Most tags of an object that are told apart. A page that is made of a thousand things has more to fear than that one of
/// them changes; what has more counts as having all tags.
pub const MOST_TAGS: usize = 1024;

/// Tags of an object, as keyed hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// These; none mostly.
    Listed(Box<[u64]>),
    /// So many, or such long ones, that it counts as having all.
    All,
}

impl Default for Tags {
    fn default() -> Self {
        Self::Listed(Box::default())
    }
}

impl Tags {
    /// These and others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let (Self::Listed(ours), Self::Listed(theirs)) = (self, others) else { return Self::All };
        let mut all = [&**ours, &**theirs].concat();
        all.sort_unstable();
        all.dedup();
        if all.len() > MOST_TAGS { Self::All } else { Self::Listed(all.into()) }
    }

    /// Bytes that they take beside the object itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Listed(tags) => size_of_val(&**tags),
            Self::All => 0,
        }
    }
}

/// What purges look at of a stored object.
#[derive(Debug)]
pub struct Provenance {
    /// The key that it belongs under.
    pub key: CacheKey,
    /// The latest purge when its fetch began, or that of its last validation: earlier ones are of no concern to it.
    pub born: Generation,
    /// Its tags.
    pub tags: Tags,
    /// Which part of the table tells of changes that may concern it.
    part: u16,
    /// The latest purge that it is known to have outlived.
    checked: AtomicU64,
}

impl Provenance {
    /// That of an object under this key, whose fetch began when `born` was the latest purge.
    #[must_use]
    pub fn new(key: CacheKey, born: Generation, tags: Tags) -> Self {
        let part = Place::of(&key).part();
        Self { key, born, tags, part, checked: AtomicU64::new(born.0) }
    }

    /// The same of what was told of the object later, nobody knows whether after purges that it is known to have outlived.
    #[must_use]
    pub fn unchecked(&self) -> Self {
        Self::new(self.key.clone(), self.born, self.tags.clone())
    }

    /// The same of what has these tags as well: where a later response names some, nobody knows whether what it does not
    /// name still holds of the body (RFC 9111 section 3.2).
    #[must_use]
    pub fn and_tags(self, tags: Option<&Tags>) -> Self {
        let Some(more) = tags else { return self };
        Self { tags: self.tags.and(more), ..self }
    }

    pub(super) fn part(&self) -> usize {
        usize::from(self.part)
    }

    pub(super) fn checked(&self) -> Generation {
        Generation(self.checked.load(Ordering::Relaxed))
    }

    /// Notes that no purge up to this one concerns it.
    pub(super) fn note_checked(&self, latest: Generation) {
        self.checked.fetch_max(latest.0, Ordering::Relaxed);
    }

    /// As it is stored beside an object. The key is not in it: it is stored as such.
    pub fn encode(&self, lineage: Lineage, bytes: &mut Vec<u8>) {
        bytes.push(FORMAT);
        bytes.extend_from_slice(&lineage.0.to_le_bytes());
        bytes.extend_from_slice(&self.born.0.to_le_bytes());
        match &self.tags {
            Tags::All => bytes.extend_from_slice(&ALL_TAGS.to_le_bytes()),
            Tags::Listed(tags) => {
                let count = u16::try_from(tags.len()).unwrap_or(ALL_TAGS);
                bytes.extend_from_slice(&count.to_le_bytes());
                let listed = tags.iter().filter(|_| count != ALL_TAGS);
                listed.for_each(|tag| bytes.extend_from_slice(&tag.to_le_bytes()));
            }
        }
    }

    /// Reads what [`Self::encode`] wrote, from the front of `bytes`, which are advanced. `None` when it was no such thing,
    /// or is of another lineage: then nobody knows which purges the object has missed, and it must not be used.
    #[must_use]
    pub fn decode(bytes: &mut &[u8], key: CacheKey, lineage: Lineage) -> Option<Self> {
        let [format] = take::<1>(bytes)?;
        let of = Lineage(u64::from_le_bytes(take(bytes)?));
        let born = Generation(u64::from_le_bytes(take(bytes)?));
        let tags = match u16::from_le_bytes(take(bytes)?) {
            ALL_TAGS => Tags::All,
            count if usize::from(count) > MOST_TAGS => return None,
            count => {
                let tags: Option<Box<[u64]>> = (0..count).map(|_| take(bytes).map(u64::from_le_bytes)).collect();
                Tags::Listed(tags?)
            }
        };
        (format == FORMAT && of == lineage).then(|| Self::new(key, born, tags))
    }
}

impl Clone for Provenance {
    fn clone(&self) -> Self {
        let Self { key, born, tags, part, checked } = self;
        let checked = AtomicU64::new(checked.load(Ordering::Relaxed));
        Self { key: key.clone(), born: *born, tags: tags.clone(), part: *part, checked }
    }
}

/// Of what is stored beside an object.
const FORMAT: u8 = 1;

/// Stands where the number of tags does; more than there ever are.
const ALL_TAGS: u16 = u16::MAX;

fn take<const LENGTH: usize>(bytes: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (taken, rest) = bytes.split_first_chunk::<LENGTH>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;

    fn key() -> CacheKey {
        CacheKey::new(Scheme::Https, "a.test", "/a", Some(b"v=1"))
    }

    #[test]
    fn provenance_comes_back_as_it_was_written_and_of_its_own_lineage_alone() {
        let check = |tags: Tags| {
            let mut bytes = Vec::new();
            Provenance::new(key(), Generation(7), tags.clone()).encode(Lineage(3), &mut bytes);
            bytes.push(0xaa);
            let mut rest = &bytes[..];
            let read = Provenance::decode(&mut rest, key(), Lineage(3)).unwrap();
            assert_eq!((read.born, &read.tags, rest), (Generation(7), &tags, &[0xaa][..]));
            assert!(Provenance::decode(&mut &bytes[..], key(), Lineage(4)).is_none());
            for end in 0..bytes.len() - 1 {
                assert!(Provenance::decode(&mut &bytes[..end], key(), Lineage(3)).is_none(), "cut at {end}");
            }
        };
        check(Tags::default());
        check(Tags::Listed([1, u64::MAX].into()));
        check(Tags::Listed((0..MOST_TAGS as u64).collect()));
        check(Tags::All);
    }

    #[test]
    fn what_is_no_provenance_is_not_read_as_one() {
        let mut bytes = Vec::new();
        Provenance::new(key(), Generation(7), Tags::default()).encode(Lineage(3), &mut bytes);
        bytes[0] ^= 1;
        assert!(Provenance::decode(&mut &bytes[..], key(), Lineage(3)).is_none(), "another format");
        bytes[0] ^= 1;
        bytes[17..19].copy_from_slice(&2000_u16.to_le_bytes());
        bytes.extend_from_slice(&[0; 16_000]);
        assert!(Provenance::decode(&mut &bytes[..], key(), Lineage(3)).is_none(), "more tags than there ever are");
    }
}
