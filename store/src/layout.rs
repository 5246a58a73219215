//! Where what is on disk: names of files, and how a capacity is divided among them.

use crate::journal::{ENTRY, HEADING};

/// Records begin at multiples of this, so that four bytes name a place in a segment, and no cache line is shared.
pub(crate) const UNIT: u64 = 64;

/// Version of everything in a volume's directory. Another one is not read: what a cache holds can be fetched again.
pub(crate) const FORMAT_VERSION: u32 = 2;

pub(crate) const SUPERBLOCK: &str = "superblock";
pub(crate) const LOCK: &str = "lock";
pub(crate) const SEGMENTS: &str = "segments";
pub(crate) const STATE: &str = "state";
/// What a file is called until it is whole.
pub(crate) const UNFINISHED: &str = ".new";

const MIB: u64 = 1024 * 1024;
/// Small enough that reclaiming one takes a moment, large enough that a terabyte has a few thousand.
const LARGEST_SEGMENT: u64 = 64 * MIB;
const SMALLEST_SEGMENT: u64 = MIB;
/// Segments that small capacities are divided into: reclaim takes one at a time, and that should be little of the whole.
const SEGMENTS_WANTED: u64 = 16;
/// Fewer do not work: four are open, two are kept free, and something must be there to reclaim.
const LEAST_SEGMENTS: u64 = 8;
/// An index has at most this part of its segment: enough for records of 1,170 bytes or more. Segments of smaller ones end
/// when their index is full.
const JOURNAL_PART: u64 = 16;
/// What each segment's files take beyond their bytes: the rest of a block, names in directories.
const FILE_OVERHEAD: u64 = 8 * 1024;
/// Superblock, lock, directories, the rests of the last blocks of state.
const FIXED: u64 = 256 * 1024;
/// State has this part of the capacity, within bounds: a purge log of a quarter of a million lines is about 30 MiB.
const STATE_PART: u64 = 16;
const LEAST_STATE: u64 = 256 * 1024;
const MOST_STATE: u64 = 256 * MIB;

/// The least capacity that a volume works with.
pub(crate) const LEAST_CAPACITY: u64 = 10 * MIB;

/// How a capacity is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) capacity: u64,
    pub(crate) segment_size: u64,
    /// The most bytes an index file may have.
    pub(crate) journal_size: u64,
    pub(crate) segments: u32,
    /// Bytes that all state may take.
    pub(crate) state_room: u64,
}

impl Geometry {
    /// The size of segments of a new volume.
    pub(crate) fn segment_size_for(capacity: u64) -> u64 {
        (capacity / SEGMENTS_WANTED / MIB * MIB).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT)
    }

    /// A capacity in segments of a size; `None`: they would be too few, or no volume has such segments. State that is
    /// there already and needs more room than usual, as the capacity was larger, takes it from the segments.
    pub(crate) fn of(capacity: u64, segment_size: u64, state_needs: u64) -> Option<Self> {
        if !(SMALLEST_SEGMENT..=LARGEST_SEGMENT).contains(&segment_size) || !segment_size.is_multiple_of(MIB) {
            return None;
        }
        let state_room = (capacity / STATE_PART).clamp(LEAST_STATE, MOST_STATE).max(state_needs.min(capacity / 2));
        let journal_size = segment_size / JOURNAL_PART;
        let segments = capacity.saturating_sub(state_room + FIXED) / (segment_size + journal_size + FILE_OVERHEAD);
        if segments < LEAST_SEGMENTS {
            return None;
        }
        let segments = u32::try_from(segments).unwrap_or(MOST_SEGMENTS).min(MOST_SEGMENTS);
        Some(Self { capacity, segment_size, journal_size, segments, state_room })
    }
}

impl Geometry {
    /// Entries that an index has room for.
    fn entries(&self) -> u64 {
        (self.journal_size - HEADING as u64) / ENTRY as u64
    }

    /// Records whose removal an index is kept room for. More are removed by a write among the data.
    pub(crate) fn most_killed(&self) -> u64 {
        self.entries() / 8
    }

    /// Records that a segment may have.
    pub(crate) fn most_records(&self) -> u64 {
        self.entries() - self.most_killed()
    }
}

/// As many as file names have digits for: 64 TB.
const MOST_SEGMENTS: u32 = 999_999;

/// One of the two files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Data,
    Journal,
}

pub(crate) fn segment_file(segment: u32, part: Part) -> String {
    match part {
        Part::Data => format!("{segment:06}.data"),
        Part::Journal => format!("{segment:06}.index"),
    }
}

/// Which segment's file a name is; `None` for names that we never give.
pub(crate) fn parse_segment_file(name: &str) -> Option<(u32, Part)> {
    let (number, part) = match name.split_once('.')? {
        (number, "data") => (number, Part::Data),
        (number, "index") => (number, Part::Journal),
        _ => return None,
    };
    let valid = number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| valid)?, part))
}

/// Bytes that something takes when the next begins at a multiple of [`UNIT`].
pub(crate) fn padded(length: u32) -> u64 {
    u64::from(length).next_multiple_of(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_volume_may_write_is_within_its_capacity() {
        for capacity in [LEAST_CAPACITY, 16 * MIB, 100 * MIB, 1000 * MIB, 1 << 40, 1 << 50] {
            let geometry = Geometry::of(capacity, Geometry::segment_size_for(capacity), 0).expect("is large enough");
            let all =
                u64::from(geometry.segments) * (geometry.segment_size + geometry.journal_size) + geometry.state_room;
            assert!(all <= capacity, "{capacity}: {geometry:?}");
            assert!(geometry.segments == MOST_SEGMENTS || all > capacity / 2, "{capacity}: {geometry:?}");
        }
    }

    #[test]
    fn a_capacity_that_is_too_small_has_no_geometry() {
        assert_eq!(Geometry::of(LEAST_CAPACITY / 2, MIB, 0), None);
        assert_eq!(Geometry::of(1 << 30, MIB + 1, 0), None);
        assert_eq!(Geometry::of(1 << 30, 1 << 40, 0), None);
    }

    #[test]
    fn only_names_that_we_give_are_ours() {
        for part in [Part::Data, Part::Journal] {
            assert_eq!(parse_segment_file(&segment_file(17, part)), Some((17, part)));
        }
        for foreign in ["17.data", "000017.dat", "+00017.data", "000017.data~", "000017", "0000017.data", ".data"] {
            assert_eq!(parse_segment_file(foreign), None, "{foreign}");
        }
    }
}
