//! What happens on devices, told to whoever counts and logs it: this crate does neither.

use std::fmt;
use std::time::Duration;

use crate::figures::{Reclaimed, Recovered};
use crate::volume::Origin;

/// Is told what happens. Called from the devices' own threads, and of reads that needed no waiting on the thread of who
/// asked, often: it must be quick and must not call the store.
pub trait Watcher: Send + Sync {
    /// Something happened on the device of this directory.
    fn saw(&self, device: &str, event: &Event<'_>);
}

/// A watcher that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn saw(&self, _: &str, _: &Event<'_>) {}
}

/// Something that happened on a device.
#[derive(Debug)]
pub enum Event<'a> {
    /// It is in another state. Worth a log line: the states of a device that works well do not change.
    State {
        /// Before.
        from: DeviceState,
        /// Now.
        to: DeviceState,
        /// Why, in words for the operator.
        why: &'a str,
    },
    /// Its volume was opened.
    Opened(&'a Origin),
    /// Its index was read.
    Recovered(&'a Recovered),
    /// Everything stored was forgotten, since the device missed more removals than were noted for it.
    Cleared,
    /// A read ended.
    Read {
        /// How.
        outcome: ReadOutcome,
        /// Bytes of the record, if there is one.
        bytes: u64,
        /// How long it waited for a thread.
        waited: Duration,
        /// How long the device took.
        took: Duration,
    },
    /// A record was written.
    Written {
        /// Bytes of its body.
        bytes: u64,
        /// How long it waited for its turn.
        waited: Duration,
        /// How long the device took.
        took: Duration,
    },
    /// A record that had been accepted was not written.
    NotWritten {
        /// Why.
        why: NotWritten,
    },
    /// Records that were queued when writes stopped are not written.
    QueueDropped {
        /// How many.
        records: u64,
    },
    /// What replaced a pinned record is not pinned: more than half of the device would be.
    PinLost,
    /// Room was made.
    Reclaimed(&'a Reclaimed),
    /// All that is stored was looked at.
    Swept {
        /// Records that were looked at.
        seen: u64,
        /// Records that went because their time was over.
        expired: u64,
        /// Records that the keeper let go.
        dropped: u64,
    },
    /// A record was found to be damaged.
    Corrupt {
        /// In what way.
        why: &'a str,
    },
    /// Its file system has less room than its capacity. It works on in what there is.
    LacksRoom {
        /// How much less, and what can be done.
        why: &'a str,
    },
    /// The device refused an operation, which did not change its state by itself.
    Refused {
        /// The operation and what the system said.
        why: &'a str,
    },
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadOutcome {
    /// With the record.
    Found,
    /// The record went meanwhile, or was another key's.
    Gone,
    /// The record is damaged.
    Corrupt,
    /// The device refused.
    Failed,
    /// It took longer than anybody waits.
    Late,
}

impl ReadOutcome {
    /// All outcomes, for metrics that begin with 0.
    pub const ALL: [Self; 5] = [Self::Found, Self::Gone, Self::Corrupt, Self::Failed, Self::Late];

    /// The outcome as a word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Gone => "gone",
            Self::Corrupt => "corrupt",
            Self::Failed => "failed",
            Self::Late => "late",
        }
    }
}

/// Why a record that had been accepted was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotWritten {
    /// It was removed or replaced before its turn came.
    Cancelled,
    /// Its site has as much as it may have.
    AboveCeiling,
    /// It is larger than this device takes.
    TooLarge,
    /// The device refused.
    Failed,
}

impl NotWritten {
    /// All reasons, for metrics that begin with 0.
    pub const ALL: [Self; 4] = [Self::Cancelled, Self::AboveCeiling, Self::TooLarge, Self::Failed];

    /// The reason as a word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::AboveCeiling => "above_ceiling",
            Self::TooLarge => "too_large",
            Self::Failed => "failed",
        }
    }
}

/// What can be done with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// Its directory is being opened: nothing yet.
    Opening,
    /// Its index is being read: nothing is found yet.
    Recovering,
    /// Everything.
    Working,
    /// There is no room in the file system: it is read only, until a record can be written again.
    Full,
    /// It may not be written: it is read only, until a record can be written again.
    ReadOnly,
    /// Writes fail for another reason: it is read only, until a record can be written again.
    WritesFailing,
    /// An operation hangs: nothing is asked of it until that comes back.
    Stalled,
    /// It cannot be opened, or too many reads failed: it is tried again from time to time.
    Failed,
    /// The store is closed.
    Closed,
}

impl DeviceState {
    /// All states, for metrics that show each.
    pub const ALL: [Self; 9] = [
        Self::Opening,
        Self::Recovering,
        Self::Working,
        Self::Full,
        Self::ReadOnly,
        Self::WritesFailing,
        Self::Stalled,
        Self::Failed,
        Self::Closed,
    ];

    /// The state as a word for metrics and log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Recovering => "recovering",
            Self::Working => "working",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::WritesFailing => "writes_failing",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
