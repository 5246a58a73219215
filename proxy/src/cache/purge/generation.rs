//! Numbers of purges.

use std::fmt;
use std::time::SystemTime;

/// The number of a purge; each one has a greater one than all before it, also those of earlier runs of the node. What is
/// stored bears the generation that was the latest when its fetch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// One that is greater than all of earlier runs, where clocks go forward and nobody purges more than a million times a
    /// second: the microseconds of Unix time.
    #[must_use]
    pub fn by(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which history of purges a generation belongs to. Numbers of another one, of a node whose record of purges was lost or
/// of whom a directory was brought here, say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage(pub u64);
