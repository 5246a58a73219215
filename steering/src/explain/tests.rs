//! Explanations say what orders do.

use proptest::prelude::*;

use super::*;
use crate::candidate::Duty;
use crate::order::order;
use crate::order::tests::{candidate, candidates, rules};

fn reasons(candidates: &[Candidate]) -> Vec<Reason> {
    explain(candidates, &rules(1)).iter().map(|explanation| explanation.reason).collect()
}

#[test]
fn every_candidate_has_its_reason() {
    let ill = |number, health| Candidate { health, ..candidate(number, 0, 0) };
    let open = Candidate { circuit: Circuit::Open, ..candidate(6, 0, 1) };
    let drained = Candidate { duty: Duty::Drained, ..candidate(7, 0, 1) };
    let all = [
        candidate(0, 0, 1),
        candidate(1, 1, 1),
        candidate(2, 0, 0),
        ill(3, Health::Suspect),
        ill(4, Health::Ejected),
        ill(5, Health::Down),
        open,
        drained,
    ];
    let expected = [
        Reason::Nearest,
        Reason::Farther,
        Reason::Spare,
        Reason::Suspect,
        Reason::Ejected,
        Reason::Down,
        Reason::CircuitOpen,
        Reason::Drained,
    ];
    assert_eq!(reasons(&all), expected);
    assert_eq!(explain(&all, &rules(1))[7].rank, None);
}

#[test]
fn panic_slow_start_and_a_drained_pool_are_explained() {
    let down = |number| Candidate { health: Health::Down, ..candidate(number, 0, 1) };
    let pool = [down(0), candidate(1, 0, 1), down(2)];
    assert_eq!(reasons(&pool), [Reason::Panic, Reason::Nearest, Reason::Panic]);
    assert!(explain(&pool, &rules(1)).iter().all(|explanation| explanation.panic));
    let drained = Candidate { duty: Duty::Drained, ..candidate(0, 0, 1) };
    assert_eq!(reasons(&[drained]), [Reason::AllDrained]);
    let starting = Candidate { share: Share::percent(10), ..candidate(0, 0, 30) };
    let deferred = (0..100).map(|seed| explain(&[starting, candidate(1, 1, 1)], &rules(seed)));
    let deferred = deferred.filter(|found| found[0].reason == Reason::SlowStart && found[0].rank == Some(1)).count();
    assert!((80..100).contains(&deferred), "{deferred} of 100 beyond a share of 10 %");
    assert_eq!(explain(&[starting], &rules(1))[0].effective_weight, 300);
}

#[test]
fn labels_are_words_of_their_own() {
    let mut labels = Reason::ALL.map(Reason::label);
    labels.sort_unstable();
    assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn ranks_are_the_places_of_the_order(candidates in candidates(), seed: u64, panic_threshold in 0..=100_u8) {
        let rules = Rules { panic_threshold, seed };
        let mut ranked: Vec<(usize, usize)> = explain(&candidates, &rules)
            .iter()
            .enumerate()
            .filter_map(|(index, explanation)| Some((explanation.rank?, index)))
            .collect();
        ranked.sort_unstable();
        let ranked: Vec<usize> = ranked.into_iter().map(|(_, index)| index).collect();
        prop_assert_eq!(ranked, order(&candidates, &rules).indices);
    }

    #[test]
    fn reasons_tell_apart_what_works(candidates in candidates(), seed: u64) {
        for (candidate, explanation) in candidates.iter().zip(explain(&candidates, &rules(seed))) {
            let fine = [Reason::Nearest, Reason::Farther, Reason::Spare, Reason::SlowStart];
            let drained = [Reason::Drained, Reason::AllDrained].contains(&explanation.reason);
            prop_assert_eq!(drained, candidate.duty == Duty::Drained);
            prop_assert!(drained || fine.contains(&explanation.reason) == candidate.is_usable());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn first_shares_are_what_many_orders_come_to(candidates in candidates()) {
        prop_assume!(!candidates.is_empty());
        const ORDERS: u64 = 4_000;
        let mut firsts = vec![0_u32; candidates.len()];
        for seed in 0..ORDERS {
            firsts[order(&candidates, &rules(crate::consistent_hash::mix(seed))).indices[0]] += 1;
        }
        for (index, explanation) in explain(&candidates, &rules(0)).iter().enumerate() {
            let found = f64::from(firsts[index]) / ORDERS as f64;
            prop_assert!((found - explanation.first_share).abs() < 0.05, "{index}: found {found}, {explanation:?}");
        }
    }
}
