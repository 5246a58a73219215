//! From header blocks to fields (RFC 7541 sections 3 and 6).

use super::dynamic_table::{DynamicTable, Entry, size_of};
use super::field::{Field, Indexing, Name};
use super::static_table::{ENTRIES, LENGTH};
use super::{huffman, integer};

/// What is kept for strings that are coded: targets and cookies are shorter, nearly all.
const LONGEST_PLACE: usize = 4 << 10;

/// Decodes the header blocks of one connection, all of them and in order.
#[derive(Debug)]
pub(in crate::listener::http2) struct Decoder {
    table: DynamicTable,
    /// Strings that are coded, while they are read.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// What became of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener::http2) enum Section {
    Whole,
    /// It is longer than it may be. Its fields were given up to there.
    TooLarge,
}

/// A block that cannot be read, and so no block after it (`COMPRESSION_ERROR`, RFC 9113 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::listener::http2) enum DecodeError {
    #[error("header block ends within a field")]
    Truncated,
    #[error("integer is too long")]
    Integer,
    #[error("no field has this index")]
    Index,
    #[error("wrongly coded string")]
    Huffman,
    #[error("table size update is too large or behind a field")]
    TableSize,
}

impl From<huffman::BadCode> for DecodeError {
    fn from(_: huffman::BadCode) -> Self {
        Self::Huffman
    }
}

/// Gives fields as long as the section is not too large.
struct Giver<F> {
    /// Bytes that the section may still have.
    left: usize,
    section: Section,
    field: F,
}

impl<F: FnMut(Field)> Giver<F> {
    /// Whether the next field, of this size, is given.
    #[inline]
    fn admits(&mut self, size: usize) -> bool {
        match self.left.checked_sub(size) {
            Some(left) if self.section == Section::Whole => {
                self.left = left;
                true
            }
            _ => {
                self.section = Section::TooLarge;
                false
            }
        }
    }
}

impl Decoder {
    /// Begins a connection. The table has so many bytes at most, `SETTINGS_HEADER_TABLE_SIZE`.
    pub(in crate::listener::http2) fn new(table_bytes: usize) -> Self {
        Self { table: DynamicTable::new(table_bytes), name: Vec::new(), value: Vec::new() }
    }

    /// Gives the fields of a whole block in their order, up to so many bytes as RFC 9113 section 6.5.2 counts them. The
    /// table follows the client beyond these, too.
    pub(in crate::listener::http2) fn decode(
        &mut self,
        block: &[u8],
        max_section: usize,
        field: impl FnMut(Field),
    ) -> Result<Section, DecodeError> {
        let mut giver = Giver { left: max_section, section: Section::Whole, field };
        let mut rest = block;
        self.resize_table(&mut rest)?;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            // RFC 7541 section 6: 1 indexed; 01 entered; 001 size; 0001 never indexed; 0000 not indexed.
            if first & 0x80 != 0 {
                let index = integer::read(*first, 7, &mut rest)?;
                self.give_indexed(index, &mut giver)?;
            } else if first & 0x40 != 0 {
                self.enter_literal(*first, &mut rest, &mut giver)?;
            } else if first & 0x20 != 0 {
                return Err(DecodeError::TableSize);
            } else {
                self.give_literal(*first, &mut rest, &mut giver)?;
            }
        }
        self.drop_long_strings();
        Ok(giver.section)
    }

    /// A connection does not keep the memory of the longest string it ever had.
    fn drop_long_strings(&mut self) {
        for place in [&mut self.name, &mut self.value] {
            if place.len() > LONGEST_PLACE {
                *place = Vec::new();
            }
        }
    }

    /// Updates stand in front of all fields (RFC 7541 section 4.2).
    fn resize_table(&mut self, rest: &mut &[u8]) -> Result<(), DecodeError> {
        while let Some((first, behind)) = rest.split_first()
            && first & 0xe0 == 0x20
        {
            *rest = behind;
            let size = integer::read(*first, 5, rest)?;
            if !self.table.resize(size) {
                return Err(DecodeError::TableSize);
            }
        }
        Ok(())
    }

    fn give_indexed(&self, index: usize, giver: &mut Giver<impl FnMut(Field)>) -> Result<(), DecodeError> {
        if let Some(entry) = ENTRIES.get(index.wrapping_sub(1)) {
            if giver.admits(entry.size) {
                (giver.field)(entry.field.clone());
            }
            return Ok(());
        }
        let entry = index.checked_sub(LENGTH + 1).and_then(|age| self.table.get(age)).ok_or(DecodeError::Index)?;
        if giver.admits(entry.size) {
            (giver.field)(entry.field.clone());
        }
        Ok(())
    }

    fn enter_literal(
        &mut self,
        first: u8,
        rest: &mut &[u8],
        giver: &mut Giver<impl FnMut(Field)>,
    ) -> Result<(), DecodeError> {
        let index = integer::read(first, 6, rest)?;
        let (name, name_length) = self.name(index, rest)?;
        let bytes = string(rest, &mut self.value)?;
        let size = size_of(name_length, bytes.len());
        let admitted = giver.admits(size);
        if !admitted && !self.table.would_hold(size) {
            self.table.clear();
            return Ok(());
        }
        let field = name.with(bytes, Indexing::Allowed);
        if admitted {
            (giver.field)(field.clone());
        }
        self.table.enter(Entry { field, name, name_length, size });
        Ok(())
    }

    /// Gives a field that is not entered.
    fn give_literal(
        &mut self,
        first: u8,
        rest: &mut &[u8],
        giver: &mut Giver<impl FnMut(Field)>,
    ) -> Result<(), DecodeError> {
        let index = integer::read(first, 4, rest)?;
        let (name, name_length) = self.name(index, rest)?;
        let bytes = string(rest, &mut self.value)?;
        if giver.admits(size_of(name_length, bytes.len())) {
            let indexing = if first & 0x10 != 0 { Indexing::Never } else { Indexing::Allowed };
            (giver.field)(name.with(bytes, indexing));
        }
        Ok(())
    }

    /// The name of a literal: that of another field, or behind it; and its length.
    fn name(&mut self, index: usize, rest: &mut &[u8]) -> Result<(Name, usize), DecodeError> {
        if index == 0 {
            let bytes = string(rest, &mut self.name)?;
            return Ok((Name::of(bytes), bytes.len()));
        }
        if let Some(entry) = ENTRIES.get(index - 1) {
            return Ok((entry.name.clone(), entry.name_length));
        }
        let entry = index.checked_sub(LENGTH + 1).and_then(|age| self.table.get(age)).ok_or(DecodeError::Index)?;
        Ok((entry.name.clone(), entry.name_length))
    }
}

/// The next string (RFC 7541 section 5.2), in `place` if it was coded.
fn string<'a, 'b: 'a>(rest: &mut &'b [u8], place: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    let (first, behind) = rest.split_first().ok_or(DecodeError::Truncated)?;
    *rest = behind;
    let length = integer::read(*first, 7, rest)?;
    let (bytes, behind) = rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *rest = behind;
    if first & 0x80 == 0 {
        return Ok(bytes);
    }
    Ok(huffman::decode(bytes, place)?)
}
