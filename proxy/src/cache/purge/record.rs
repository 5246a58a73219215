//! Purges as they are noted: numbers and hashes, no texts.

use super::generation::Generation;
use super::scope::Mode;

/// When and how something was purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Its number.
    pub generation: Generation,
    /// What becomes of what it is about.
    pub mode: Mode,
    /// When it was, in Unix seconds.
    pub at: u32,
}

/// What was purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Everything,
    /// Some tag; only in the record of a table.
    SomeTag,
    /// A host, path or URL by its hash; in the record of a table a tag, too.
    Named(u64),
    /// A tag by its hash.
    Tag(u64),
    Prefix {
        hash: u64,
        host: u64,
        length: u32,
    },
    /// A path or URL of a site, by the hashes of both, of which clients say that it has changed.
    Changed {
        site: u64,
        hash: u64,
    },
    /// All hashes that have this place among those that are not told apart any more.
    Slot(u32),
    /// The same of what clients say of a site.
    ChangedSlot {
        site: u64,
        slot: u32,
    },
    /// Nothing: generations up to this one have been given out.
    Nothing,
}

/// One purge, or one entry of the table of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeRecord {
    pub(super) stamp: Stamp,
    pub(super) subject: Subject,
}

/// Bytes of a record: generation, subject's hash, hash of its host or site, length, time, kind, mode, and two that are zero.
pub(super) const RECORD_BYTES: usize = 8 + 8 + 8 + 4 + 4 + 1 + 1 + 2;

impl PurgeRecord {
    /// Its number.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.stamp.generation
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let (kind, hash, host, length) = match self.subject {
            Subject::Everything => (1, 0, 0, 0),
            Subject::SomeTag => (2, 0, 0, 0),
            Subject::Named(hash) => (3, hash, 0, 0),
            Subject::Prefix { hash, host, length } => (4, hash, host, length),
            Subject::Changed { site, hash } => (5, hash, site, 0),
            Subject::Slot(slot) => (6, 0, 0, slot),
            Subject::ChangedSlot { site, slot } => (7, 0, site, slot),
            Subject::Nothing => (8, 0, 0, 0),
            Subject::Tag(hash) => (9, hash, 0, 0),
        };
        bytes.extend_from_slice(&self.stamp.generation.0.to_le_bytes());
        bytes.extend_from_slice(&u64::to_le_bytes(hash));
        bytes.extend_from_slice(&u64::to_le_bytes(host));
        bytes.extend_from_slice(&u32::to_le_bytes(length));
        bytes.extend_from_slice(&self.stamp.at.to_le_bytes());
        bytes.extend_from_slice(&[kind, u8::from(self.stamp.mode == Mode::Soft), 0, 0]);
    }

    /// `None` for what is no record that this version knows.
    pub(super) fn read(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let long = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let short = |at: usize| bytes[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let (hash, host, length) = (long(8)?, long(16)?, short(24)?);
        let subject = match bytes[32] {
            1 => Subject::Everything,
            2 => Subject::SomeTag,
            3 => Subject::Named(hash),
            4 => Subject::Prefix { hash, host, length },
            5 => Subject::Changed { site: host, hash },
            6 => Subject::Slot(length),
            7 => Subject::ChangedSlot { site: host, slot: length },
            8 => Subject::Nothing,
            9 => Subject::Tag(hash),
            _ => return None,
        };
        let mode = match bytes[33] {
            0 => Mode::Hard,
            1 => Mode::Soft,
            _ => return None,
        };
        Some(Self { stamp: Stamp { generation: Generation(long(0)?), mode, at: short(28)? }, subject })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_back_as_they_were_written(
            (generation, hash, host) in any::<(u64, u64, u64)>(),
            (length, at, soft, kind) in (any::<u32>(), any::<u32>(), any::<bool>(), 0..9_usize),
        ) {
            let subjects = [
                Subject::Everything,
                Subject::SomeTag,
                Subject::Named(hash),
                Subject::Prefix { hash, host, length },
                Subject::Changed { site: host, hash },
                Subject::Slot(length),
                Subject::ChangedSlot { site: host, slot: length },
                Subject::Nothing,
                Subject::Tag(hash),
            ];
            let mode = if soft { Mode::Soft } else { Mode::Hard };
            let stamp = Stamp { generation: Generation(generation), mode, at };
            let record = PurgeRecord { stamp, subject: subjects[kind] };
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            prop_assert_eq!(PurgeRecord::read(bytes.first_chunk().unwrap()), Some(record));
            prop_assert_eq!(bytes.len(), RECORD_BYTES);
        }

        #[test]
        fn what_is_no_record_is_none(bytes in any::<[u8; 36]>()) {
            if let Some(read) = PurgeRecord::read(&bytes) {
                prop_assert!((1..=9).contains(&bytes[32]) && bytes[33] < 2, "{:?}", read);
            }
        }
    }
}
