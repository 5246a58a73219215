//! Keys of records, and what stands for them in memory.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The longest key. Longer ones would not pay: a cache key is a URL of at most a few kilobytes and some fields.
pub const LONGEST_KEY: usize = 8 * 1024;

/// What a record is found by: any bytes, at least one, at most [`LONGEST_KEY`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Bytes);

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
            1..=LONGEST_KEY => Ok(Self(bytes)),
            length => Err(KeyTooLong { length }),
        }
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn hash(&self, secret: &Secret) -> KeyHash {
        secret.hash(&self.0)
    }
}

/// What keys are hashed with: random for each volume, so that nobody can make keys that collide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; 16]);

impl Secret {
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        let digest = Sha256::new().chain_update(self.0).chain_update(key).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        KeyHash(u64::from_le_bytes(first))
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
        assert_eq!(key.hash(&Secret([1; 16])), key.hash(&Secret([1; 16])));
        assert_ne!(key.hash(&Secret([1; 16])), key.hash(&Secret([2; 16])));
    }
}
