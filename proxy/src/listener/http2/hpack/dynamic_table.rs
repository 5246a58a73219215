//! The dynamic table (RFC 7541 section 2.3.2): what the client has entered, newest first.

use std::collections::VecDeque;

use super::field::{Field, Name, OVERHEAD};

/// A field of the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) field: Field,
    /// Its name once more: other fields may have it, although this one is malformed.
    pub(super) name: Name,
    pub(super) name_length: usize,
    /// As tables and sections count it.
    pub(super) size: usize,
}

/// Entries as long as they fit. Each counts 32 bytes more than its text, so that there are 128 at most in 4096 bytes.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    size: usize,
    /// What the client has said it uses, up to the limit.
    max_size: usize,
    limit: usize,
}

impl DynamicTable {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size: limit, limit }
    }

    /// The entry entered so many entries ago.
    #[inline]
    pub(super) fn get(&self, age: usize) -> Option<&Entry> {
        self.entries.get(age)
    }

    /// Enters a field and drops the oldest ones. One that is longer than the table leaves it empty (RFC 7541 section 4.4).
    pub(super) fn enter(&mut self, entry: Entry) {
        if !self.would_hold(entry.size) {
            self.clear();
            return;
        }
        self.shrink(self.max_size - entry.size);
        self.size += entry.size;
        self.entries.push_front(entry);
    }

    /// Resizes it; whether it may be that large.
    pub(super) fn resize(&mut self, max_size: usize) -> bool {
        if max_size > self.limit {
            return false;
        }
        self.max_size = max_size;
        self.shrink(max_size);
        true
    }

    fn shrink(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size -= oldest.size;
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.size = 0;
    }

    /// Whether a field of this size would stay.
    pub(super) fn would_hold(&self, size: usize) -> bool {
        size <= self.max_size
    }
}

/// The size of a field as tables and sections count it.
pub(super) const fn size_of(name_length: usize, value_length: usize) -> usize {
    name_length + value_length + OVERHEAD
}
