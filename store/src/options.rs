//! What a volume is told when it is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| since_1970().as_secs())
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Descriptors of data and index files that one volume holds open at once, at most. A process has 1,024 of them where
/// nobody said otherwise, and connections need them more.
const OPEN_FILES: usize = 128;

/// How to open a volume.
#[derive(Clone)]
pub struct VolumeOptions {
    /// Its directory, which is made where its parent exists.
    pub directory: PathBuf,
    /// Bytes that everything in the directory may take together.
    pub capacity: u64,
    /// Descriptors of segments that are held open at once.
    pub open_files: usize,
    /// What time it is.
    pub clock: Clock,
    /// Where sequences come from; volumes whose records are compared share one.
    pub sequences: Arc<Sequences>,
}

impl VolumeOptions {
    /// A volume in this directory, of at most so many bytes, by itself.
    pub fn new(directory: impl Into<PathBuf>, capacity: u64) -> Self {
        Self {
            directory: directory.into(),
            capacity,
            open_files: OPEN_FILES,
            clock: system_clock(),
            sequences: Arc::new(Sequences::starting_now()),
        }
    }
}

/// Numbers that only grow: of two records of one key the one with the higher number is the newer.
///
/// They begin with the microseconds since 1970, so that they go on growing through a restart even for who cannot read
/// what was given before, and are raised by what is found on disk, so that they do when the clock was set back.
#[derive(Debug)]
pub struct Sequences(AtomicU64);

/// Numbers above are none that were ever given: microseconds reach them in 146,000 years.
const HIGHEST_SEQUENCE: u64 = 1 << 62;

impl Sequences {
    /// Numbers from the present moment on.
    pub fn starting_now() -> Self {
        Self::starting_at(u64::try_from(since_1970().as_micros()).unwrap_or_default())
    }

    /// Numbers from this one on.
    pub fn starting_at(first: u64) -> Self {
        Self(AtomicU64::new(first.clamp(1, HIGHEST_SEQUENCE)))
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Has all numbers to come be higher than this one, which was given before. `false`: it cannot have been.
    pub(crate) fn observe(&self, given: u64) -> bool {
        if given >= HIGHEST_SEQUENCE {
            return false;
        }
        self.0.fetch_max(given + 1, Ordering::Relaxed);
        true
    }
}

/// How much of a volume a site may have, and how much it keeps though nobody reads it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Below this, records are carried over unread.
    pub floor: u64,
    /// Above this, nothing new is stored and nothing carried over.
    pub ceiling: u64,
}
