//! What the engine asks of the store on disk: records by key, read without waiting for long, written without waiting at all.
//!
//! Owns the seam and what a record is. Which devices there are, and how they fail, is the store's.

use bytes::Bytes;
use futures::future::BoxFuture;

/// Most bytes of a record's head.
pub(super) const LARGEST_HEAD: usize = 64 << 10;

/// Most bytes of a record's body.
pub(super) const LARGEST_BODY: usize = 4 << 20;

/// What a record holds. The numbers are part of what is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A stored response, with its body unless that is in parts.
    Object = 1,
    /// The same, in slices.
    Head = 2,
    /// One slice.
    Slice = 3,
    /// A part of a body that is too large for one record.
    Part = 4,
    /// How a key varies.
    Varies = 5,
    /// Which queries of a path are the same.
    Search = 6,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Object, Self::Head, Self::Slice, Self::Part, Self::Varies, Self::Search];

    /// The kind with this number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name, in metrics and answers to operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Head => "head",
            Self::Slice => "slice",
            Self::Part => "part",
            Self::Varies => "vary",
            Self::Search => "search",
        }
    }
}

/// A record.
#[derive(Debug, Clone)]
pub struct DiskRecord {
    /// What it is found by.
    pub key: Bytes,
    /// What it holds.
    pub kind: Kind,
    /// What is known of it.
    pub head: Bytes,
    /// Its bytes.
    pub body: Vec<Bytes>,
    /// From when on nobody has use of it, in seconds since 1970.
    pub expires: u64,
    /// Whose it is, see [`site_tag`].
    pub site: u32,
}

/// The store took no record: it is too large, or too many wait to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken;

/// What came of pinning a record, or of letting it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// It is done.
    Done,
    /// There is no such record.
    NotThere,
    /// It is not written yet.
    Waiting,
    /// Too much is pinned already.
    TooMuch,
}

/// The store beneath the memory tier.
pub trait DiskTier: Send + Sync + 'static {
    /// Whether there may be a record under this key. Does not wait.
    fn may_have(&self, key: &[u8]) -> bool;
    /// Notes that somebody asked for this key: what is asked for once only may not be worth its place.
    fn was_asked(&self, key: &[u8]);
    /// Whether a record under this key would be taken: where room is scarce, not what was asked for once only.
    fn admits(&self, key: &[u8]) -> bool;
    /// Whether a record under this key waits to be written; no where it is or was not taken.
    fn is_queued(&self, key: &[u8]) -> bool;
    /// The record under this key; nothing also where it cannot be read, or not in time.
    fn read(&self, key: Bytes) -> BoxFuture<'static, Option<DiskRecord>>;
    /// The same where it costs less than to have another thread read it; nothing says nothing.
    fn read_now(&self, _: &[u8]) -> Option<DiskRecord> {
        None
    }
    /// Takes a record to be written. What was there before is not read any more from now on.
    fn write(&self, record: DiskRecord) -> Result<(), NotTaken>;
    /// Forgets a record.
    fn remove(&self, key: &[u8]);
    /// Has a record stay whatever else wants its room, or lets it go again.
    fn pin(&self, key: &[u8], pinned: bool) -> Pinning;
    /// Has all records looked at in the background, as some were purged; nothing where room is made by no one.
    fn sweep(&self) {}
}

/// What stands for a site in records (FNV-1a of its name).
#[must_use]
pub fn site_tag(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
