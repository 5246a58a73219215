//! Records by key, on directories of devices that may fail; they survive a restart and `kill -9`.
//!
//! Owns files, their format, what is kept in them and what makes room. Knows nothing of HTTP and of what its records
//! mean: heads are bytes, and whether a record is still worth its room says the caller's [`Keeper`].

mod checksum;
mod device;
pub mod faults;
mod fields;
mod figures;
mod index;
pub mod io;
mod journal;
mod keeper;
mod key;
mod layout;
mod options;
mod placement;
mod record;
mod segments;
mod sketch;
mod store;
mod superblock;
mod volume;
mod watcher;

pub use figures::{DiscardReason, Discarded, Reclaimed, Recovered, RecoveryProgress, VolumeFigures};
pub use keeper::{EntryView, Fate, KeepAll, Keeper};
pub use key::{Key, KeyTooLong, LONGEST_KEY};
pub use options::{Clock, Sequences, Share, VolumeOptions, system_clock};
pub use record::{LARGEST_BODY, LARGEST_HEAD, NewRecord, Record, RecordHead};
pub use store::{
    Closed, DeviceFigures, DeviceOptions, Found, Limits, Listed, Listing, Loaded, NoCursor, Pinning, Refused, Saved,
    StateCopy, Store, StoreCursor, StoreFigures, StoreOptions,
};
pub use volume::{
    AppendError, Appended, Cursor, Lookup, OpenError, Origin, Outcome, Place, ReadError, StateBlob, StateError, Swept,
    Volume,
};
pub use watcher::{DeviceState, Event, NotWritten, ReadOutcome, Unwatched, Watcher};
