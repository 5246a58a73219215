//! Records by key, on directories of devices that may fail; they survive a restart and `kill -9`.
//!
//! Owns files, their format, what is kept in them and what makes room. Knows nothing of HTTP and of what its records
//! mean: heads are bytes, and whether a record is still worth its room says the caller's [`Keeper`].

mod figures;
pub mod io;
mod keeper;
mod key;
mod options;
mod record;
mod volume;

pub use figures::{DiscardReason, Discarded, Reclaimed, Recovered, RecoveryProgress, VolumeFigures};
pub use keeper::{EntryView, Fate, KeepAll, Keeper};
pub use key::{Key, KeyTooLong, LONGEST_KEY};
pub use options::{Clock, Sequences, Share, VolumeOptions, system_clock};
pub use record::{LARGEST_BODY, LARGEST_HEAD, NewRecord, Record, RecordHead};
pub use volume::{
    AppendError, Appended, Cursor, Lookup, OpenError, Origin, Outcome, Place, ReadError, StateBlob, StateError, Volume,
};
