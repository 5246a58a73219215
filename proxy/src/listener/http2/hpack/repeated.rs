//! The last section, for the next one that differs in its path alone.
//!
//! Players ask for one piece of media after the other, with the same fields over and over. Once these are in the table,
//! and as long as it does not change, two blocks that are the same bytes but for one literal are the same fields but for
//! that one. Whoever has read the first need not read the second.

use std::ops::Range;

use super::decoder::SectionNumber;

/// A block longer than this is not kept: what repeats is in the table, and a byte or two each.
const LONGEST: usize = 1024;

/// A whole section during which the table did not change.
#[derive(Debug, Default)]
pub(super) struct LastSection {
    number: SectionNumber,
    block: Vec<u8>,
    /// Place of the path's literal.
    path: Range<usize>,
    /// Size of the section without the value of the path.
    size_of_others: usize,
    /// Of the table; nothing where no section is kept.
    changes: Option<u64>,
}

impl LastSection {
    /// Keeps a section, if it is not too long.
    pub(super) fn set(
        &mut self,
        number: SectionNumber,
        block: &[u8],
        path: Range<usize>,
        size_of_others: usize,
        changes: u64,
    ) {
        if block.len() - path.len() > LONGEST || path.len() > LONGEST {
            return;
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        (self.number, self.path, self.size_of_others, self.changes) = (number, path, size_of_others, Some(changes));
    }

    /// What stands in the place of the path's literal, where all the rest is the same and means the same.
    pub(super) fn path_literal<'b>(&self, block: &'b [u8], changes: u64) -> Option<&'b [u8]> {
        let (before, behind) = (self.block.get(..self.path.start)?, self.block.get(self.path.end..)?);
        if self.changes != Some(changes) {
            return None;
        }
        block.strip_prefix(before)?.strip_suffix(behind)
    }

    pub(super) fn number(&self) -> SectionNumber {
        self.number
    }

    pub(super) fn size_of_others(&self) -> usize {
        self.size_of_others
    }
}
