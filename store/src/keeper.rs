//! Who says whether a record is still worth its room: the caller, who alone knows what heads mean.

use crate::key::Key;

/// Judges records whose room is wanted.
pub trait Keeper: Send + Sync {
    /// What is to become of a record. Called from the thread that writes, for many records in a row: it must be quick.
    fn keeps(&self, view: &EntryView<'_>) -> Fate;
}

/// A record as its judge sees it.
#[derive(Debug)]
pub struct EntryView<'a> {
    /// Its key.
    pub key: &'a Key,
    /// Its head, as it was given.
    pub head: &'a [u8],
    /// Its kind, as it was given.
    pub kind: u8,
    /// The site it belongs to.
    pub site: u32,
    /// When it expires, in seconds since 1970.
    pub expires: u64,
    /// How often it was read since it was written or carried over; no more than 255 are counted.
    pub reads: u8,
}

/// What is to become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes, even where it is pinned.
    Drop,
    /// It stays if there is room.
    Keep,
    /// It stays, and is pinned from now on.
    KeepPinned,
}

/// A keeper that has no opinion.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepAll;

impl Keeper for KeepAll {
    fn keeps(&self, _: &EntryView<'_>) -> Fate {
        Fate::Keep
    }
}
