//! What a volume tells of itself: figures, what became of a recovery, what a reclaim cost.

use std::time::Duration;

/// How far a recovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Segments whose index was read.
    pub segments_done: u32,
    /// Segments there are.
    pub segments: u32,
    /// Records found so far.
    pub records: u64,
}

/// What a recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that can be read again.
    pub records: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// What was found and is not used, by reason; reasons that did not occur are left out.
    pub discarded: Vec<Discarded>,
    /// Segments that could neither be read nor emptied: with the next restart they may bring back what is removed from now
    /// on. Who cannot bear that must not use the volume.
    pub unemptied: u64,
    /// How long it took.
    pub took: Duration,
}

/// How much was discarded for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discarded {
    /// Why.
    pub reason: DiscardReason,
    /// How many entries, segments or files.
    pub count: u64,
}

/// Why something found on disk is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiscardReason {
    /// An entry of an index whose checksum is wrong, or that was cut off.
    DamagedEntry,
    /// An entry of an earlier use of its segment.
    OtherEpoch,
    /// An entry that points outside of its segment's data.
    OutOfBounds,
    /// A record whose time is over.
    Expired,
    /// A record that was removed or replaced.
    Removed,
    /// A record of which there is a newer one.
    Superseded,
    /// A segment whose index does not say whose it is: damaged, or copied from elsewhere.
    ForeignSegment,
    /// A segment whose files could not be read.
    UnreadableSegment,
    /// A segment beyond what the capacity allows.
    BeyondCapacity,
    /// A file that is not ours; it is left alone.
    ForeignFile,
}

impl DiscardReason {
    /// All reasons, for metrics that begin with 0.
    pub const ALL: [Self; 10] = [
        Self::DamagedEntry,
        Self::OtherEpoch,
        Self::OutOfBounds,
        Self::Expired,
        Self::Removed,
        Self::Superseded,
        Self::ForeignSegment,
        Self::UnreadableSegment,
        Self::BeyondCapacity,
        Self::ForeignFile,
    ];

    /// The reason as a word for metrics and log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DamagedEntry => "damaged_entry",
            Self::OtherEpoch => "other_epoch",
            Self::OutOfBounds => "out_of_bounds",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Superseded => "superseded",
            Self::ForeignSegment => "foreign_segment",
            Self::UnreadableSegment => "unreadable_segment",
            Self::BeyondCapacity => "beyond_capacity",
            Self::ForeignFile => "foreign_file",
        }
    }
}

/// What was done to make a segment free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Which segment.
    pub segment: u32,
    /// Seconds since it was begun: how old its records were at most.
    pub age: u64,
    /// Records that went though they could have been served.
    pub evicted: u64,
    /// Their bytes.
    pub evicted_bytes: u64,
    /// Records that went because their time was over.
    pub expired: u64,
    /// Records that the keeper let go.
    pub dropped: u64,
    /// Records that were written anew.
    pub carried: u64,
    /// Their bytes.
    pub carried_bytes: u64,
    /// Records that were to be carried over and could not be read.
    pub corrupt: u64,
}

/// A volume at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeFigures {
    /// Bytes it may take.
    pub capacity: u64,
    /// Bytes of a segment's data.
    pub segment_size: u64,
    /// Segments that the capacity allows.
    pub segments: u32,
    /// Segments with nothing in them.
    pub free_segments: u32,
    /// Bytes of the capacity for which the file system has no room.
    pub roomless_bytes: u64,
    /// Records that can be found.
    pub records: u64,
    /// Their bytes on disk.
    pub living_bytes: u64,
    /// Bytes of those that are pinned.
    pub pinned_bytes: u64,
    /// Bytes of records that callers gave.
    pub appended_bytes: u64,
    /// Bytes that were written anew when segments were reclaimed.
    pub carried_bytes: u64,
    /// Bytes written to files, of whatever kind. Divided by `appended_bytes` it is the write amplification.
    pub written_bytes: u64,
    /// Segments reclaimed.
    pub reclaimed_segments: u64,
    /// Records that went though they could have been served.
    pub evicted: u64,
    /// Records found to be damaged when they were read.
    pub corrupt: u64,
    /// Bytes of state blobs.
    pub state_bytes: u64,
    /// Bytes that state may take, with what is set aside for replacing the largest blob: the others and twice the largest
    /// have room in it.
    pub state_room: u64,
    /// Bytes of memory that the index takes.
    pub index_memory: u64,
    /// Bytes of living records by site, those with most first.
    pub sites: Vec<(u32, u64)>,
}
