//! Keys of records.
//!
//! The key of an object's record says all of its [`FullKey`]; those of slices and parts are variants of it that no request
//! selects.

use bytes::Bytes;

use super::super::memory::FullKey;
use crate::cache::key::CacheKey;

/// Stands in front of a part's number in the variant of its key. The variant of an object begins with a generation, a number
/// that never comes to have this byte in front; a slice's with another one.
const PART_MARK: u8 = 0xfd;

/// The variant under which a path's rule for queries is kept.
const SEARCH_MARK: u8 = 0xfc;

/// The key of the record of what is under this key.
pub(in crate::cache::engine) fn of_full_key(key: &FullKey) -> Bytes {
    write(key.primary.resource().len(), key.primary.as_str(), &key.variant)
}

/// The key of one part of a body.
pub(super) fn of_part(primary: &CacheKey, version: u64, index: u64) -> Bytes {
    let mut variant = Vec::with_capacity(17);
    variant.push(PART_MARK);
    variant.extend_from_slice(&version.to_be_bytes());
    variant.extend_from_slice(&index.to_be_bytes());
    write(primary.resource().len(), primary.as_str(), &variant)
}

/// The key of what is known of a path's queries.
pub(super) fn of_search_rule(key: &CacheKey) -> Bytes {
    let path = key.without_query();
    write(path.len(), path, &[SEARCH_MARK])
}

fn write(resource: usize, text: &str, variant: &[u8]) -> Bytes {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(8 + text.len() + variant.len());
    bytes.extend_from_slice(&number(resource));
    bytes.extend_from_slice(&number(text.len()));
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(variant);
    bytes.into()
}

/// The cache key in a record's key; nothing where there is none.
pub(in crate::cache::engine) fn cache_key_of(key: &[u8]) -> Option<CacheKey> {
    let number = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
    let (resource, rest) = key.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let text = std::str::from_utf8(rest.get(..number(length)?)?).ok()?;
    CacheKey::of_text(text, number(resource)?)
}

/// The place that a record's key stands for; nothing where it is no such key.
pub(in crate::cache::engine) fn full_key_of(key: &[u8]) -> Option<FullKey> {
    let primary = cache_key_of(key)?;
    let variant = key.get(8 + primary.as_str().len()..)?;
    Some(FullKey { primary, variant: variant.into() })
}

/// Whether a record's key has more than a cache key.
pub(in crate::cache::engine) fn has_variant(key: &[u8]) -> bool {
    let length = key.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    key.len() as u64 > 8 + u64::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;

    #[test]
    fn no_two_places_have_the_same_key() {
        let primary = |path: &str| CacheKey::new(Scheme::Http, "a.test", path, None);
        let full =
            |path: &str, variant: &[u8]| of_full_key(&FullKey { primary: primary(path), variant: variant.into() });
        let keys = [
            full("/a", b""),
            full("/a", b"b"),
            full("/ab", b""),
            of_part(&primary("/a"), 1, 0),
            of_part(&primary("/a"), 1, 1),
            of_part(&primary("/a"), 2, 0),
            of_part(&primary("/b"), 1, 0),
            of_search_rule(&primary("/a")),
            of_search_rule(&primary("/b")),
        ];
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[number + 1..].contains(key), "{key:?}");
        }
        assert_eq!(cache_key_of(&keys[1]), Some(primary("/a")));
        assert_eq!([0, 1, 2, 3].map(|number: usize| has_variant(&keys[number])), [false, true, false, true]);
        for end in 0..8 + "http://a.test/a".len() {
            assert_eq!(cache_key_of(&keys[1][..end]), None, "cut at {end}");
        }
    }
}
