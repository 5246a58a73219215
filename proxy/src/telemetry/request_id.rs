//! Request ids: 128 bits, unique over all nodes and restarts, made here and never taken from a client, who could
//! otherwise forge lines of the log.
//!
//! The upper half is random and drawn once per process; the lower half is a counter put through a bijection, so ids
//! of one process never repeat and neighbours look unalike. One atomic addition an id, no system call. Two processes
//! share an upper half with a chance of 2⁻⁶⁴. Ids are names, not secrets: who knows the source can count on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Odd increment and multipliers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The id of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

/// Makes request ids; one per process.
#[derive(Debug)]
pub struct RequestIdSource {
    process: u64,
    counter: AtomicU64,
}

impl RequestIdSource {
    /// Seeds a source from the operating system's randomness.
    #[must_use]
    pub fn new() -> Self {
        let mut seed = [0_u8; 16];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        if provider.secure_random.fill(&mut seed).is_err() {
            // Start time and address of a value differ between processes; better than no ids at all.
            log::error!("the operating system gives no randomness; request ids are seeded by the clock");
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            seed = (now.as_nanos() ^ (u128::from(std::process::id()) << 96)).to_le_bytes();
        }
        let seed = u128::from_le_bytes(seed);
        Self::from_seed((seed >> 64) as u64, seed as u64)
    }

    /// A source whose ids are known beforehand, for tests.
    #[must_use]
    pub fn from_seed(process: u64, counter: u64) -> Self {
        Self { process, counter: AtomicU64::new(counter) }
    }

    /// The next id.
    #[must_use]
    pub fn next_id(&self) -> RequestId {
        let count = self.counter.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed);
        // Zero is no trace id, so the upper half is kept from being zero too.
        let process = u128::from(self.process | 1);
        RequestId(process << 64 | u128::from(mix(count)))
    }
}

impl Default for RequestIdSource {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestId {
    /// As a number, never zero.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// A span id for this request at this node: derived, never zero.
    #[must_use]
    pub fn span_id(self) -> u64 {
        mix((self.0 as u64) ^ ((self.0 >> 64) as u64)).max(1)
    }

    /// As 32 hexadecimal digits in a buffer of its own, for header values without a formatter.
    #[must_use]
    pub fn to_hex(self) -> [u8; 32] {
        const PAIRS: [[u8; 2]; 256] = digit_pairs();
        let mut text = [0; 32];
        let (pairs, _) = text.as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(self.0.to_be_bytes()) {
            *pair = PAIRS[usize::from(byte)];
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Every byte in hexadecimal digits.
const fn digit_pairs() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0x0f]];
        byte += 1;
    }
    pairs
}

/// The finaliser of SplitMix64, a bijection.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_one_source_never_repeat() {
        let source = RequestIdSource::from_seed(7, u64::MAX - 3);
        let ids: HashSet<_> = (0..100_000).map(|_| source.next_id()).collect();
        assert_eq!(ids.len(), 100_000);
    }

    #[test]
    fn ids_of_two_sources_differ() {
        let (first, second) = (RequestIdSource::new(), RequestIdSource::new());
        assert_ne!(first.next_id().as_u128() >> 64, second.next_id().as_u128() >> 64);
    }

    #[test]
    fn an_id_has_32_lower_case_hexadecimal_digits() {
        for (process, counter) in [(0, 0), (1, 2), (u64::MAX, u64::MAX)] {
            let id = RequestIdSource::from_seed(process, counter).next_id();
            let text = id.to_string();
            assert_eq!(text.len(), 32);
            assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{text}");
            assert_eq!(text.as_bytes(), id.to_hex());
            assert_ne!(id.as_u128(), 0);
            assert_ne!(id.span_id(), 0);
        }
    }
}
