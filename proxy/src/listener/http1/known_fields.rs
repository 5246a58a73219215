//! The header fields that a connection's last plain request had.
//!
//! Players and browsers send the same ones with one target after the other. Owns their bytes, so that the same bytes need
//! not be judged again, and the number by which whoever else made something of them knows them again.

use crate::listener::FieldsNumber;

/// Longest section that is kept. Browsers send some 700 bytes; with 65,536 connections these are 128 MiB at the very
/// most.
pub(super) const MOST_KNOWN: usize = 2 << 10;

/// The last fields, with their empty line.
#[derive(Debug, Default)]
pub(super) struct KnownFields {
    section: Vec<u8>,
    number: u64,
}

impl KnownFields {
    /// The last fields; nothing before the first ones, and where they are too long.
    pub(super) fn section(&self) -> &[u8] {
        &self.section
    }

    /// The number of these fields, which were accepted: that of the last ones where they are the same.
    pub(super) fn number(&mut self, section: &[u8]) -> Option<FieldsNumber> {
        if section != self.section {
            self.number += 1;
            self.section.clear();
            if section.len() > MOST_KNOWN {
                return None;
            }
            self.section.extend_from_slice(section);
        }
        Some(FieldsNumber(self.number))
    }
}
