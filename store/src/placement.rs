//! Where a record goes: weighted rendezvous hashing of its key among the devices that can be written.
//!
//! Owns: the choice, as a pure function. Not: who can be written (`device`), nor where a record is looked for: the
//! indexes of all devices are asked, so a choice that changes (a device away, another capacity) loses nothing stored.
//!
//! Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); the weighting by
//! `-weight / ln(u)` is Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).

use sha2::{Digest, Sha256};

use crate::key::Key;

/// A stable 64-bit hash of a key or of a device's name: the same on every machine and in every release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlacementHash(pub(crate) u64);

impl PlacementHash {
    /// The same as of the key's bytes, which need not be hashed for it once more.
    pub(crate) fn of_key(key: &Key) -> Self {
        let mut first = [0_u8; 8];
        first.copy_from_slice(&key.digest().0[..8]);
        Self(u64::from_le_bytes(first))
    }

    pub(crate) fn of(text: &[u8]) -> Self {
        let digest = Sha256::digest(text);
        let mut first = [0_u8; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(first))
    }
}

/// One that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Its place in the list of devices; what is answered.
    pub(crate) device: usize,
    pub(crate) name: PlacementHash,
    /// Its capacity, in any unit that is the same for all.
    pub(crate) weight: u64,
}

/// The candidate for this key; `None` when there is none.
pub(crate) fn choose(key: PlacementHash, candidates: impl IntoIterator<Item = Candidate>) -> Option<usize> {
    candidates
        .into_iter()
        .filter(|candidate| candidate.weight > 0)
        .map(|candidate| (score(key, candidate), candidate.device))
        .max_by(|left, right| left.0.total_cmp(&right.0).then(right.1.cmp(&left.1)))
        .map(|(_, device)| device)
}

#[expect(clippy::cast_precision_loss, reason = "a score needs no more than the 52 bits that a double has")]
fn score(key: PlacementHash, candidate: Candidate) -> f64 {
    /// 2^53: what a double counts exactly.
    const STEPS: f64 = 9_007_199_254_740_992.0;
    let mixed = mix(key.0 ^ candidate.name.0.rotate_left(31));
    // Within (0, 1): half a step off zero, whose logarithm is not finite.
    let uniform = ((mixed >> 11) as f64 + 0.5) / STEPS;
    -(candidate.weight as f64) / uniform.ln()
}

/// The finaliser of splitmix64: every bit of the input changes half of the output's.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 20_000;

    fn devices(weights: &[u64]) -> Vec<Candidate> {
        let candidate = |(device, weight): (usize, &u64)| Candidate {
            device,
            name: PlacementHash::of(format!("/disk/{device}").as_bytes()),
            weight: *weight,
        };
        weights.iter().enumerate().map(candidate).collect()
    }

    fn choices(candidates: &[Candidate]) -> Vec<Option<usize>> {
        let key = |number: usize| PlacementHash::of(format!("https://example.test/{number}").as_bytes());
        (0..KEYS).map(|number| choose(key(number), candidates.iter().copied())).collect()
    }

    #[test]
    fn keys_are_shared_out_by_capacity() {
        for weights in [vec![1, 1], vec![1, 3], vec![2, 3, 5], vec![0, 1, 1], vec![4 << 40, 1 << 40]] {
            let chosen = choices(&devices(&weights));
            let total: u64 = weights.iter().sum();
            for (device, weight) in weights.iter().enumerate() {
                let got = chosen.iter().filter(|choice| **choice == Some(device)).count();
                let due = KEYS * usize::try_from(*weight * 1000 / total).unwrap() / 1000;
                assert!(got.abs_diff(due) < KEYS / 50, "device {device} of {weights:?} has {got} keys, {due} are due");
            }
        }
    }

    #[test]
    fn a_device_that_goes_moves_its_own_keys_alone() {
        let all = devices(&[2, 3, 5]);
        let without: Vec<Candidate> = all.iter().copied().filter(|candidate| candidate.device != 1).collect();
        for (before, after) in choices(&all).into_iter().zip(choices(&without)) {
            assert!(before == Some(1) || before == after, "a key moved from {before:?} to {after:?}");
        }
    }

    #[test]
    fn nothing_to_choose_from_is_no_choice() {
        assert_eq!(choose(PlacementHash::of(b"key"), []), None);
        assert_eq!(choose(PlacementHash::of(b"key"), devices(&[0])), None);
    }
}
