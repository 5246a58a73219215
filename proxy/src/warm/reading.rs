//! How far the reading of one URL is, told by who reads and seen by who asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of one body that is read.
#[derive(Debug, Default)]
pub struct Reading {
    read: AtomicU64,
    /// Zero where it is not known.
    length: AtomicU64,
}

impl Reading {
    /// The body has so many bytes, where that is known.
    pub fn expect(&self, length: Option<u64>) {
        self.length.store(length.unwrap_or_default(), Ordering::Relaxed);
    }

    /// So many bytes more were read.
    pub fn came(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes read so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the whole, where known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        Some(self.length.load(Ordering::Relaxed)).filter(|length| *length > 0)
    }
}
