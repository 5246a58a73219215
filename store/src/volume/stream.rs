//! Which of the segments being filled a record goes to: what expires together should go together.

/// Segments being filled at once.
pub(super) const STREAMS: usize = 4;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Records of less than ten minutes: live media. Such a segment is worth nothing soon, and costs nothing then.
    Brief,
    /// Records of less than a day.
    Day,
    /// All others.
    Long,
    /// Records that were carried over: they stayed once, they are likely to stay again.
    Carried,
}

const BRIEF: u64 = 10 * 60;
const DAY: u64 = 24 * 60 * 60;

impl Stream {
    pub(super) const ALL: [Self; STREAMS] = [Self::Brief, Self::Day, Self::Long, Self::Carried];

    /// The stream of records that live for so many seconds.
    pub(super) fn of_life(seconds: u64) -> Self {
        match seconds {
            0..BRIEF => Self::Brief,
            BRIEF..DAY => Self::Day,
            DAY.. => Self::Long,
        }
    }

    pub(super) fn number(self) -> u32 {
        self as u32
    }
}
