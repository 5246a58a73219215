//! Bodies of any size whose every byte can be computed, so that neither side has to keep them.

use std::sync::OnceLock;

/// Length of the repeated block: a prime, so that a body shifted, cut or doubled at any round number of bytes
/// differs from the true one.
const PERIOD: usize = 65_521;

/// The bytes of a deterministic body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
}

impl Pattern {
    /// The pattern of this seed; different seeds start at different places of the block.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The bytes from `start` up to `end`.
    #[must_use]
    pub fn bytes(self, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
        let mut position = start;
        while position < end {
            let piece = self.piece(position, end - position);
            bytes.extend_from_slice(piece);
            position += piece.len() as u64;
        }
        bytes
    }

    /// Whether `bytes` are what stands at `start`; else the first offset that differs.
    ///
    /// # Errors
    /// The absolute offset of the first wrong byte.
    pub fn check(self, start: u64, bytes: &[u8]) -> Result<(), u64> {
        let mut done = 0;
        while done < bytes.len() {
            let expected = self.piece(start + done as u64, (bytes.len() - done) as u64);
            let found = &bytes[done..done + expected.len()];
            if found != expected {
                let wrong = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
                return Err(start + (done + wrong) as u64);
            }
            done += expected.len();
        }
        Ok(())
    }

    /// A run of at most `limit` bytes that starts at `position`.
    fn piece(self, position: u64, limit: u64) -> &'static [u8] {
        let shift = self.seed.wrapping_mul(7_919) % PERIOD as u64;
        let start = usize::try_from((position + shift) % PERIOD as u64).unwrap_or(0);
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(PERIOD - start);
        &block()[start..start + length]
    }
}

/// Pseudo-random bytes of a splitmix64 generator.
fn block() -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let mut state: u64 = 0x7469_6465_6761_7465;
        let next = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 56) as u8
        };
        std::iter::repeat_with(next).take(PERIOD).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_into_the_same_bytes_as_the_whole() {
        let pattern = Pattern::new(3);
        let whole = pattern.bytes(0, 200_000);
        let mut joined = pattern.bytes(0, 65_520);
        joined.extend(pattern.bytes(65_520, 131_043));
        joined.extend(pattern.bytes(131_043, 200_000));
        assert!(whole == joined);
        assert_eq!(pattern.check(0, &whole), Ok(()));
    }

    #[test]
    fn a_shifted_body_is_noticed() {
        let pattern = Pattern::new(0);
        let mut bytes = pattern.bytes(65_536, 131_072);
        assert!(pattern.check(0, &bytes).is_err());
        bytes[100] ^= 1;
        assert_eq!(pattern.check(65_536, &bytes), Err(65_636));
    }
}
