//! What a volume's functions take and answer.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use crate::figures::Reclaimed;
use crate::layout::{UNIT, padded};

/// Where a record stands. It is only good for the volume that gave it, and the record may be gone when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(crate) hash: u64,
    pub(crate) segment: u32,
    /// Which use of the segment; told of records that are forgotten only.
    pub(crate) epoch: u64,
    /// In units of 64 bytes.
    pub(crate) unit: u32,
    /// Bytes on disk.
    pub length: u32,
    /// The record's number: of two records of one key, the one with the higher number is the newer.
    pub sequence: u64,
    /// When it is of no use any more, in seconds since 1970; beyond the year 2106 that year is told.
    pub expires: u64,
    /// The site that it counts for.
    pub site: u32,
    /// Its kind.
    pub kind: u8,
    /// How often it was read since it was written or carried over.
    pub reads: u8,
    /// Whether it is kept whatever else wants its room.
    pub pinned: bool,
}

/// What the index says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The index is not read yet.
    Unknown,
    /// There is no record, or its time is over.
    Absent,
    /// There is one, unless two keys have the same hash.
    Present(Place),
}

/// What became of a record to be stored.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Whether it is stored.
    pub outcome: Outcome,
    /// Segments that had to be reclaimed for it, whether it is stored or not.
    pub reclaimed: Vec<Reclaimed>,
    /// Whether it replaced a record that was pinned and is not itself: more than half of the volume would be.
    pub lost_its_pin: bool,
    /// That the file system has less room than the capacity, in words, when that is found out.
    pub lacks_room: Option<String>,
}

/// Whether a record is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is, here.
    Stored(Place),
    /// Its site has as much as it may have.
    AboveCeiling,
    /// Its caller did not want it any more when it was written.
    Cancelled,
}

/// How a volume came to be what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// There was none in its directory.
    Created,
    /// It was there.
    Opened,
    /// There was one that cannot be used any more; it is begun anew, empty.
    Renewed {
        /// Why, in words.
        why: String,
    },
}

/// A volume cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another volume of this one, has the directory.
    #[error("{directory} is in use by another process: stop that one, or give each node a directory of its own")]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory does not exist, nor does the one above.
    #[error("{directory} does not exist and cannot be made: make it, or mount what belongs there")]
    Missing {
        /// The directory.
        directory: PathBuf,
    },
    /// There is something at the place of a volume's superblock that is none.
    #[error("{path} is no file of Tidegate: name an empty directory, or remove that file if nothing needs it")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could put files there, to have others written over or read back.
    #[error(
        "{who} may write to {directory}, which only the node's user and its groups may: name a new directory in it, and the node makes it for itself"
    )]
    Shared {
        /// The directory.
        directory: PathBuf,
        /// Who may.
        who: String,
    },
    /// The capacity is too small to work with.
    #[error("a disk cache needs at least {least} bytes, {capacity} are configured")]
    TooSmall {
        /// What was configured.
        capacity: u64,
        /// What is needed at least.
        least: u64,
    },
    /// The system refused something.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A record cannot be stored. What it was to replace is gone nevertheless: it is out of date.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The index is not read yet, so that nobody knows which segments are free.
    #[error("the index of this volume is not read yet")]
    Recovering,
    /// It is larger than any record may be, or than a segment of this volume.
    #[error("{part} of {length} bytes is too large: at most {most} bytes")]
    TooLarge {
        /// What is too large: the head, the body, or the whole.
        part: &'static str,
        /// Its bytes.
        length: usize,
        /// What is allowed.
        most: usize,
    },
    /// The device refused.
    #[error("cannot {operation} segment {segment}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which segment.
        segment: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// A record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what was written. It is forgotten already.
    #[error("a record of segment {segment} is damaged: {what}")]
    Corrupt {
        /// In which segment.
        segment: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The device refused. The record may be readable another time.
    #[error("cannot read from segment {segment}: {source}")]
    Io {
        /// From which segment.
        segment: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// What was saved and appended under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateBlob {
    /// What was saved last, then what was appended since, each as it was given.
    pub parts: Vec<Bytes>,
    /// Bytes between and after these that are damaged: something that was said to be durable is lost. Told until the
    /// next save.
    pub unreadable_bytes: u64,
    /// Bytes of a last part that was being appended when the process or the power ended. It had not been said to be
    /// durable.
    pub torn_tail_bytes: u64,
}

/// State cannot be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A name has 1 to 32 of `a`-`z`, `0`-`9`, `-` and `_`.
    #[error("{name:?} is no name for state: 1 to 32 of a-z, 0-9, - and _")]
    Name {
        /// The name.
        name: String,
    },
    /// State of all names would take more than is set aside for it.
    #[error("state would take {length} bytes, {most} are set aside for it")]
    NoRoom {
        /// What would be taken.
        length: u64,
        /// What may be.
        most: u64,
    },
    /// The device refused.
    #[error("cannot {operation} state {name}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a walk over all records goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) shard: u32,
    pub(crate) slot: u32,
}

impl Place {
    /// Whether this is the very same copy.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (self.segment, self.unit, self.sequence) == (other.segment, other.unit, other.sequence)
    }

    /// Bytes it takes of its segment.
    pub(crate) fn padded(&self) -> u64 {
        padded(self.length)
    }

    /// Where its bytes begin in the segment.
    pub(crate) fn offset(&self) -> u64 {
        u64::from(self.unit) * UNIT
    }
}
