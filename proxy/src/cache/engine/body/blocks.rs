//! A complete body: blocks of one size, so that an offset finds its block by division.

use bytes::{Bytes, BytesMut};

/// Size of a block, and so the largest piece that one read hands out: bounds what a write to a client holds back.
pub(super) const BLOCK: usize = 1 << 20;

/// Bodies from this length on may keep the rest of a record of theirs: its head is no longer than this.
const WORTH_ITS_RECORD: usize = 64 << 10;

pub(super) struct Whole {
    /// All but the last have [`BLOCK`] bytes.
    pub(super) blocks: Box<[Bytes]>,
    pub(super) length: u64,
}

impl Whole {
    /// Copies the pieces: a piece may be a view into a larger buffer that would stay in memory, unaccounted, with it.
    pub(super) fn gather(pieces: Vec<Bytes>) -> Self {
        let total: usize = pieces.iter().map(Bytes::len).sum();
        let mut blocks = Vec::with_capacity(total.div_ceil(BLOCK));
        let mut left = total;
        let mut current = BytesMut::with_capacity(left.min(BLOCK));
        for mut piece in pieces {
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(BLOCK - current.len()));
                current.extend_from_slice(&part);
                left -= part.len();
                if current.len() == BLOCK {
                    let next = BytesMut::with_capacity(left.min(BLOCK));
                    blocks.push(std::mem::replace(&mut current, next).freeze());
                }
            }
        }
        if !current.is_empty() {
            blocks.push(current.freeze());
        }
        Self { blocks: blocks.into_boxed_slice(), length: total as u64 }
    }

    /// The pieces as they are, where they have their buffers nearly to themselves, as records that were read whole; copied
    /// where they are short, or no blocks can be cut out of them.
    pub(super) fn cut(pieces: Vec<Bytes>) -> Self {
        let total: usize = pieces.iter().map(Bytes::len).sum();
        let Some((_, all_but_last)) = pieces.split_last() else { return Self::gather(pieces) };
        if total < WORTH_ITS_RECORD || all_but_last.iter().any(|piece| piece.len() % BLOCK != 0) {
            return Self::gather(pieces);
        }
        let mut blocks = Vec::with_capacity(total.div_ceil(BLOCK));
        for mut piece in pieces {
            while !piece.is_empty() {
                blocks.push(piece.split_to(piece.len().min(BLOCK)));
            }
        }
        Self { blocks: blocks.into_boxed_slice(), length: total as u64 }
    }

    /// At most `limit` bytes at `position`; `None` at the end.
    pub(super) fn slice(&self, position: u64, limit: usize) -> Option<Bytes> {
        let block = self.blocks.get(usize::try_from(position / BLOCK as u64).ok()?)?;
        let offset = usize::try_from(position % BLOCK as u64).ok()?;
        let end = block.len().min(offset.saturating_add(limit));
        (offset < end).then(|| block.slice(offset..end))
    }
}
