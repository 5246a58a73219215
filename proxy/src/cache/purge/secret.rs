//! Hashes of what purges name, keyed with a secret of the node: nobody can make two names meet.
//!
//! They are kept on disk, beside objects and in the record of purges, so that the secret lasts as long as these. Where two
//! names meet by chance, more is purged than was asked for, and never less.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

use super::changes::ANY_SITE;
use super::generation::Lineage;

/// The key of a node's hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub(super) [u8; 16]);

/// What is hashed: the same text is another name as another kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    Host = 1,
    Path = 2,
    Url = 3,
    Tag = 4,
    Lineage = 5,
    Base = 6,
    Shared = 7,
    Site = 8,
}

/// Set in hashes of prefixes and in no others.
const OF_PREFIX: u64 = 1 << 63;

/// Of the polynomial that prefixes are hashed by: a Mersenne prime, so that its remainders are cheap.
const MODULUS: u64 = (1 << 61) - 1;

impl Secret {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        // Keyed with randomness of the operating system, which it gives out in no other way without another crate.
        let half = || RandomState::new().hash_one(std::time::SystemTime::now()).to_le_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half());
        bytes[8..].copy_from_slice(&half());
        Self(bytes)
    }

    /// The lineage of generations that belongs to it.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        Lineage(self.hash(Named::Lineage, ""))
    }

    pub(super) fn hash(&self, kind: Named, text: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(kind as u8);
        hasher.write(text.as_bytes());
        hasher.finish() & !OF_PREFIX
    }

    /// The hash of a name of a site; that for whichever host has none.
    pub(super) fn site(&self, name: &str) -> u64 {
        if name.is_empty() { ANY_SITE } else { self.hash(Named::Site, name) }
    }

    pub(super) fn prefixes(&self) -> PrefixHasher {
        PrefixHasher { base: self.hash(Named::Base, "") % (MODULUS - 1) + 1, sum: 0 }
    }

    /// The hash of a prefix.
    pub(super) fn prefix(&self, text: &str) -> u64 {
        let mut hasher = self.prefixes();
        hasher.extend(text.as_bytes());
        hasher.value()
    }
}

/// Hashes a text so that the hash of each beginning of it is known on the way.
pub(super) struct PrefixHasher {
    base: u64,
    sum: u64,
}

impl PrefixHasher {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let product = u128::from(self.sum) * u128::from(self.base) + u128::from(*byte) + 1;
            let folded = (product & u128::from(MODULUS)) + (product >> 61);
            let folded = u64::try_from(folded).unwrap_or(0);
            self.sum = if folded >= MODULUS { folded - MODULUS } else { folded };
        }
    }

    /// The hash of all that came up to now.
    pub(super) fn value(&self) -> u64 {
        self.sum | OF_PREFIX
    }
}

pub(super) fn is_of_prefix(hash: u64) -> bool {
    hash & OF_PREFIX != 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_have_hashes_of_their_own_and_other_ones_by_another_secret() {
        let (one, other) = (Secret::random(), Secret::random());
        assert!(one != other && one.lineage() != other.lineage());
        let mut seen = HashSet::new();
        for number in 0..10_000 {
            let text = format!("a.test/{number}");
            for secret in [&one, &other] {
                for kind in [Named::Host, Named::Path, Named::Url, Named::Tag] {
                    assert!(seen.insert(secret.hash(kind, &text)));
                    assert!(!is_of_prefix(secret.hash(kind, &text)));
                }
                assert!(seen.insert(secret.prefix(&text)) && is_of_prefix(secret.prefix(&text)));
            }
        }
    }

    #[test]
    fn hash_of_each_beginning_is_known_on_the_way() {
        let secret = Secret::random();
        let text = "a.test/videos/\u{e9}\u{0}/1.ts";
        let mut hasher = secret.prefixes();
        for end in 1..=text.len() {
            hasher.extend(&text.as_bytes()[end - 1..end]);
            if text.is_char_boundary(end) {
                assert_eq!(hasher.value(), secret.prefix(&text[..end]), "{end}");
            }
        }
    }
}
