//! Weighted rendezvous hashing: one draw for each candidate from a seed and what the candidate is known by.
//!
//! With a seed by chance it is a weighted shuffle; with the hash of a key as its seed the same key finds the same
//! candidate, and when one comes or goes only the keys that it gains or loses move (Thaler and Ravishankar, 1998;
//! weights by Schindelhauer and Schomaker, 2005). Hashes are the same in every process and version: edges agree.

use crate::split_mix::SplitMix64;

/// Hash of a name, by which a candidate is known.
#[must_use]
pub fn identity(name: &str) -> u64 {
    hash(name.as_bytes())
}

/// Hash of what ties requests together, to be the seed of their order.
#[must_use]
pub fn sticky_seed(key: &[u8]) -> u64 {
    hash(key)
}

/// FNV-1a over the bytes, then spread over all bits. Neither is a secret: who wants requests at one origin can send
/// the same one again and again anyway.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// A draw, smaller wins: the exponential variate -ln(u)/weight in fixed point, so that the chance of coming first is
/// proportional to the weight (Efraimidis and Spirakis, 2006).
pub(crate) fn draw(weight: u32, seed: u64, identity: u64) -> u64 {
    // At most -ln(2^-53) = 36.8, so that the product stays below 2^63; and fine enough that equal draws do not happen.
    const SCALE: f64 = 1e17;
    (-uniform(seed, identity).ln() / f64::from(weight.max(1)) * SCALE) as u64
}

/// A number in (0, 1] with 53 random bits: never zero, so that its logarithm is finite.
pub(crate) fn uniform(seed: u64, identity: u64) -> f64 {
    let random = mix(seed ^ mix(identity));
    ((random >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Spreads consecutive seeds over all bits.
pub(crate) fn mix(value: u64) -> u64 {
    SplitMix64::from_seed(value).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_same_in_every_version() {
        assert_eq!(identity("eu-1"), 11_651_727_332_271_231_526);
        assert_eq!(sticky_seed(b"/films/1.m3u8"), 15_584_430_991_349_569_671);
    }

    #[test]
    fn draws_of_the_greatest_weights_still_differ() {
        let mut draws: Vec<u64> = (0..10_000).map(|number| draw(6_553_500, 7, number)).collect();
        draws.sort_unstable();
        draws.dedup();
        assert_eq!(draws.len(), 10_000);
    }
}
