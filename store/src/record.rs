//! Records as callers give and get them.

pub(crate) mod codec;

use bytes::Bytes;

use crate::key::Key;

/// The longest body of one record. Larger ones are cut by the caller, who can then read a part of them.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;
/// The longest head: response fields are bounded to less than that before they come here.
pub const LARGEST_HEAD: usize = 64 * 1024;

/// A record to be stored.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// What it is found by.
    pub key: Key,
    /// What kind of record it is; of no meaning here.
    pub kind: u8,
    /// What is said of the body; of no meaning here. At most [`LARGEST_HEAD`] bytes.
    pub head: Bytes,
    /// The body in as many pieces as it came. At most [`LARGEST_BODY`] bytes together.
    pub body: Vec<Bytes>,
    /// When it is of no use any more, in seconds since 1970.
    pub expires: u64,
    /// The site that it counts for.
    pub site: u32,
}

impl NewRecord {
    /// Bytes of the body.
    pub fn body_length(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}

/// A record as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is found by.
    pub key: Key,
    /// Its kind, as it was given.
    pub kind: u8,
    /// Its head, as it was given.
    pub head: Bytes,
    /// Its body, in pieces that are not those it was given in. None is empty.
    pub body: Vec<Bytes>,
    /// When it is of no use any more, in seconds since 1970.
    pub expires: u64,
    /// Its number: of two records of one key, the one with the higher number is the newer.
    pub sequence: u64,
    /// The site that it counts for.
    pub site: u32,
}

/// A record without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHead {
    /// What it is found by.
    pub key: Key,
    /// Its kind, as it was given.
    pub kind: u8,
    /// Its head, as it was given.
    pub head: Bytes,
    /// Bytes of its body.
    pub body_length: u32,
    /// When it is of no use any more, in seconds since 1970.
    pub expires: u64,
    /// Its number: of two records of one key, the one with the higher number is the newer.
    pub sequence: u64,
    /// The site that it counts for.
    pub site: u32,
}
