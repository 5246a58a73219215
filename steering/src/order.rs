//! The order in which the origins of a pool are tried.
//!
//! Nearest region first; within a region a weighted shuffle that the caller's seed decides; whoever failed a
//! moment ago goes last but is never left out, so that a pool is never empty.

/// How near a candidate is: the rank of its region as seen from the edge, 0 the edge's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proximity(pub u32);

/// What is known of a candidate's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Nothing speaks against it.
    Usable,
    /// A connection to it failed a moment ago.
    Suspect,
}

/// One origin, as far as steering cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// How near it is.
    pub proximity: Proximity,
    /// Its share within its region; 0 only when no other is left there.
    pub weight: u16,
    /// Its state.
    pub condition: Condition,
}

/// Indices of all candidates in the order to try them. Every candidate appears exactly once.
#[must_use]
pub fn order(candidates: &[Candidate], seed: u64) -> Vec<usize> {
    let mut ranked: Vec<(Condition, Proximity, u64, usize)> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| {
            (candidate.condition, candidate.proximity, draw(candidate.weight, seed, index), index)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(.., index)| index).collect()
}

/// Weighted rendezvous draw, smaller wins: the exponential variate -ln(u)/weight in fixed point, so that the
/// chance of coming first is proportional to the weight (Efraimidis and Spirakis, 2006).
fn draw(weight: u16, seed: u64, index: usize) -> u64 {
    if weight == 0 {
        return u64::MAX;
    }
    let random = mix(seed ^ mix(index as u64 + 1));
    // 53 random bits in (0, 1]: never zero, so that the logarithm is finite.
    let uniform = ((random >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let scaled = -uniform.ln() / f64::from(weight) * 1e12;
    scaled as u64
}

/// SplitMix64's finaliser (Steele, Lea and Flood, 2014): spreads consecutive seeds over all bits.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(proximity: u32, weight: u16, condition: Condition) -> Candidate {
        Candidate { proximity: Proximity(proximity), weight, condition }
    }

    #[test]
    fn nearest_usable_origin_comes_first_and_suspects_come_last() {
        let candidates = [
            candidate(1, 100, Condition::Usable),
            candidate(0, 100, Condition::Suspect),
            candidate(0, 1, Condition::Usable),
        ];
        for seed in 0..100 {
            assert_eq!(order(&candidates, seed), [2, 0, 1], "seed {seed}");
        }
    }

    #[test]
    fn every_candidate_appears_exactly_once() {
        let candidates: Vec<Candidate> =
            (0..7).map(|number| candidate(number % 3, u16::try_from(number).unwrap(), Condition::Usable)).collect();
        for seed in 0..50 {
            let mut indices = order(&candidates, seed);
            indices.sort_unstable();
            assert_eq!(indices, (0..7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn share_of_first_places_follows_weight() {
        let candidates = [candidate(0, 30, Condition::Usable), candidate(0, 10, Condition::Usable)];
        let first = (0..20_000).filter(|&seed| order(&candidates, seed)[0] == 0).count();
        assert!((14_500..15_500).contains(&first), "expected about 15,000 of 20,000, found {first}");
    }

    #[test]
    fn weight_zero_is_used_only_when_nothing_else_is_near() {
        let candidates = [candidate(0, 0, Condition::Usable), candidate(0, 1, Condition::Usable)];
        for seed in 0..100 {
            assert_eq!(order(&candidates, seed), [1, 0]);
        }
    }
}
