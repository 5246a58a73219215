//! What is written of a stored response beside its body, and read again: a compact encoding of our own with a version.
//!
//! Owns the encoding only. A record of another version, or one that is odd in anything, is none: it is fetched again. So the
//! encoding may change with any release, and the version says that it has.

mod bytes;
mod head;
mod small;

pub(in crate::cache::engine) use head::{HeadRecord, Laid};
pub(super) use small::{decode_rule, decode_search, encode_rule, encode_search};

#[cfg(test)]
mod tests;

/// Of all heads of records. A record of any other is not read.
const FORMAT: u8 = 1;

/// Most bytes of a head, what the store takes. What has more fields than that is not stored on disk.
pub(super) const LARGEST: usize = super::tier::LARGEST_HEAD;
