//! Keys of records, and what stands for them in memory.

use std::hash::{Hash, Hasher};

use bytes::Bytes;
use sha2::Sha256;
use siphasher::sip::SipHasher24;

/// The longest key. Longer ones would not pay: a cache key is a URL of at most a few kilobytes and some fields.
pub const LONGEST_KEY: usize = 8 * 1024;

/// What a record is found by: any bytes, at least one, at most [`LONGEST_KEY`]. It is hashed once, when it is made: who
/// makes one for a look-up and hands it on does not pay for it again, however many devices are asked how often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: Bytes,
    digest: Digest,
}

/// Stands for a key everywhere: nobody can make two keys that have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

/// A key has no bytes or too many.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a key has 1 to {LONGEST_KEY} bytes, this one has {length}")]
pub struct KeyTooLong {
    /// Bytes of the key.
    pub length: usize,
}

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, KeyTooLong> {
        let bytes = bytes.into();
        match bytes.len() {
            1..=LONGEST_KEY => Ok(Self { digest: Digest::of(&bytes), bytes }),
            length => Err(KeyTooLong { length }),
        }
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl Digest {
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&<Sha256 as sha2::Digest>::digest(key)[..16]);
        Self(first)
    }
}

/// What digests of keys are hashed with: random for each volume, so that nobody can make keys that collide there. That
/// takes a tenth of what the digest takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; 16]);

impl Secret {
    pub(crate) fn hash(&self, key: Digest) -> KeyHash {
        KeyHash(SipHasher24::new_with_key(&self.0).hash(&key.0))
    }
}

/// What stands for a key in memory. Two keys may share one; the key in the record tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash(pub(crate) u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_bytes_but_not_too_many() {
        for (length, valid) in [(0, false), (1, true), (LONGEST_KEY, true), (LONGEST_KEY + 1, false)] {
            assert_eq!(Key::new(vec![b'k'; length]).is_ok(), valid, "{length}");
        }
    }

    #[test]
    fn another_secret_gives_another_hash() {
        let key = Key::new("key").unwrap();
        let hash = |secret, key: &Key| Secret([secret; 16]).hash(key.digest());
        assert_eq!(hash(1, &key), hash(1, &key.clone()));
        assert_ne!(hash(1, &key), hash(2, &key));
        assert_ne!(hash(1, &key), hash(1, &Key::new("kez").unwrap()));
    }
}
