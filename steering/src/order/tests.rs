//! What orders look like, and what is true of all of them.

use proptest::prelude::*;

use super::*;
use crate::candidate::{Priority, Proximity};
use crate::consistent_hash::{identity, sticky_seed};

/// Healthy, at this distance, with this weight.
pub(crate) fn candidate(number: u64, proximity: u32, weight: u16) -> Candidate {
    Candidate::new(identity(&format!("origin-{number}")), Proximity(proximity), weight)
}

pub(crate) fn rules(seed: u64) -> Rules {
    Rules { panic_threshold: 50, seed }
}

fn check(candidates: &[Candidate], expected: &[usize], mode: Mode) {
    for seed in 0..200 {
        let found = order(candidates, &rules(seed));
        assert_eq!((found.indices.as_slice(), found.mode), (expected, mode), "seed {seed}");
    }
}

/// How often each is first, of 20,000 orders.
fn firsts(candidates: &[Candidate]) -> Vec<usize> {
    let mut firsts = vec![0; candidates.len()];
    for seed in 0..20_000 {
        firsts[order(candidates, &rules(mix(seed))).indices[0]] += 1;
    }
    firsts
}

#[track_caller]
fn check_firsts(candidates: &[Candidate], expected: &[usize]) {
    let found = firsts(candidates);
    let close = |(found, expected): (&usize, &usize)| found.abs_diff(*expected) < 500;
    assert!(found.iter().zip(expected).all(close), "found {found:?}, expected about {expected:?}");
}

#[test]
fn nearest_healthy_origin_comes_first_and_the_worse_its_health_the_later_an_origin_comes() {
    let ill = |number, health| Candidate { health, ..candidate(number, 0, 100) };
    let candidates = [
        candidate(0, 1, 300),
        ill(1, Health::Down),
        ill(2, Health::Suspect),
        candidate(3, 0, 100),
        ill(4, Health::Ejected),
        candidate(5, 2, 300),
    ];
    check(&candidates, &[3, 0, 5, 2, 4, 1], Mode::Normal);
}

#[test]
fn what_is_unknown_counts_as_healthy() {
    let unknown = Candidate { health: Health::Unknown, ..candidate(0, 0, 1) };
    check(&[candidate(1, 1, 1), unknown], &[1, 0], Mode::Normal);
}

#[test]
fn written_order_comes_before_distance() {
    let second = Candidate { priority: Priority(1), ..candidate(0, 0, 1) };
    check(&[second, candidate(1, 9, 1)], &[1, 0], Mode::Normal);
}

#[test]
fn an_open_circuit_sends_requests_elsewhere_first() {
    let open = Candidate { circuit: Circuit::Open, ..candidate(0, 0, 1) };
    check(&[open, candidate(1, 5, 1)], &[1, 0], Mode::Normal);
    check(&[open], &[0], Mode::Normal);
}

#[test]
fn share_of_first_places_follows_weight() {
    check_firsts(&[candidate(0, 0, 30), candidate(1, 0, 10)], &[15_000, 5_000]);
    check_firsts(&[candidate(0, 0, 1), candidate(1, 0, 1), candidate(2, 0, 2)], &[5_000, 5_000, 10_000]);
}

#[test]
fn weight_zero_is_used_only_when_nothing_else_is_as_near() {
    check(&[candidate(0, 0, 0), candidate(1, 0, 1), candidate(2, 1, 1)], &[1, 0, 2], Mode::Normal);
    check_firsts(&[candidate(0, 0, 0), candidate(1, 0, 0)], &[10_000, 10_000]);
}

#[test]
fn drained_origins_get_nothing_unless_all_are() {
    let drained = |number, proximity| Candidate { duty: Duty::Drained, ..candidate(number, proximity, 100) };
    let down = Candidate { health: Health::Down, ..candidate(3, 2, 1) };
    check(&[drained(0, 0), candidate(1, 1, 1), down], &[1, 2], Mode::Normal);
    check(&[drained(0, 0), down], &[1], Mode::Panic);
    check(&[drained(0, 1), drained(1, 0)], &[1, 0], Mode::AllDrained);
    check(&[], &[], Mode::Normal);
}

#[test]
fn slow_start_takes_its_share_from_equals_by_weight() {
    let starting = Candidate { share: Share::percent(10), ..candidate(0, 0, 100) };
    check_firsts(&[starting, candidate(1, 0, 100), candidate(2, 1, 100)], &[1_818, 18_182, 0]);
}

#[test]
fn slow_start_of_one_alone_in_its_region_sends_the_rest_to_the_next() {
    let starting = Candidate { share: Share::percent(25), ..candidate(0, 0, 100) };
    check_firsts(&[starting, candidate(1, 1, 100), candidate(2, 2, 100)], &[5_000, 15_000, 0]);
    check_firsts(&[starting], &[20_000]);
    let down = Candidate { health: Health::Down, ..candidate(1, 1, 10) };
    check_firsts(&[starting, down], &[20_000, 0]);
}

#[test]
fn slow_start_sends_nothing_to_spares_elsewhere() {
    let starting = |number, distance| Candidate { share: Share::percent(25), ..candidate(number, distance, 100) };
    check_firsts(&[starting(0, 0), candidate(1, 1, 0)], &[20_000, 0]);
    check_firsts(&[starting(0, 0), candidate(1, 1, 0), candidate(2, 2, 100)], &[5_000, 0, 15_000]);
    check_firsts(&[starting(0, 0), starting(1, 1), candidate(2, 2, 0)], &[16_250, 3_750, 0]);
    let down = Candidate { health: Health::Down, ..candidate(0, 0, 100) };
    check(&[down, candidate(1, 1, 0)], &[1, 0], Mode::Panic);
}

#[test]
fn slow_start_of_all_keeps_the_nearest_ahead() {
    let starting = |number, distance| Candidate { share: Share::percent(50), ..candidate(number, distance, 100) };
    check_firsts(&[starting(0, 0), starting(1, 1)], &[15_000, 5_000]);
}

#[test]
fn panic_begins_below_the_threshold_and_counts_what_is_not_drained() {
    let healthy = |number, weight| candidate(number, 0, weight);
    let down = |number, weight| Candidate { health: Health::Down, ..candidate(number, 0, weight) };
    let drained = Candidate { duty: Duty::Drained, ..candidate(9, 0, 1_000) };
    let check = |candidates: &[Candidate], threshold, expected| {
        assert_eq!(mode(candidates, threshold), expected, "{candidates:?} below {threshold} %");
    };
    check(&[healthy(0, 1), down(1, 1)], 50, Mode::Normal);
    check(&[healthy(0, 1), down(1, 1)], 51, Mode::Panic);
    check(&[healthy(0, 49), down(1, 51)], 50, Mode::Panic);
    check(&[healthy(0, 1), down(1, 1), drained], 50, Mode::Normal);
    check(&[down(0, 1)], 0, Mode::Normal);
    check(&[down(0, 1)], 1, Mode::Panic);
    check(&[down(0, 0), healthy(1, 0), healthy(2, 0)], 50, Mode::Normal);
    check(&[down(0, 0), down(1, 0), healthy(2, 0)], 50, Mode::Panic);
    check(&[healthy(0, u16::MAX), down(1, u16::MAX), down(2, u16::MAX)], 50, Mode::Panic);
}

#[test]
fn in_panic_first_attempts_spread_and_second_ones_go_to_what_works() {
    let down = |number, distance| Candidate { health: Health::Down, ..candidate(number, distance, 100) };
    let pool = [candidate(0, 1, 100), down(1, 1), down(2, 1), down(3, 0)];
    check_firsts(&pool, &[6_667, 6_667, 6_667, 0]);
    for seed in 0..200 {
        let found = order(&pool, &rules(seed)).indices;
        assert!(found[..2].contains(&0), "what works is among the first two of {found:?}");
        assert_eq!(found[3], 3, "the distance where nothing works comes last");
    }
    check_firsts(&[down(0, 1), down(1, 0), down(2, 0)], &[0, 10_000, 10_000]);
}

#[test]
fn the_same_key_finds_the_same_origin_until_that_one_is_gone() {
    let mut candidates: Vec<Candidate> = (0..5).map(|number| candidate(number, 0, 100)).collect();
    let seed = sticky_seed(b"/films/1.m3u8");
    let first = order(&candidates, &rules(seed)).indices;
    assert_eq!(order(&candidates, &rules(seed)).indices, first);
    candidates[first[0]].health = Health::Ejected;
    let second = order(&candidates, &rules(seed)).indices;
    assert_eq!(second[0], first[1], "the next in line takes its keys");
    candidates[first[0]].health = Health::Healthy;
    assert_eq!(order(&candidates, &rules(seed)).indices, first);
}

/// Priority, proximity, weight, share, health, duty and circuit, as numbers.
type Facts = (u32, u32, u16, u8, usize, u8, u8);

prop_compose! {
    pub(crate) fn candidates()(facts in prop::collection::vec((0..3_u32, 0..3_u32, 0..4_u16, 1..=100_u8, 0..5_usize, 0..8_u8, 0..8_u8), 0..9)) -> Vec<Candidate> {
        const HEALTH: [Health; 5] =
            [Health::Healthy, Health::Unknown, Health::Suspect, Health::Ejected, Health::Down];
        let make = |(number, (priority, proximity, weight, share, health, duty, circuit)): (usize, Facts)| Candidate {
            priority: Priority(priority),
            share: Share::percent(share),
            health: HEALTH[health],
            duty: if duty == 0 { Duty::Drained } else { Duty::Active },
            circuit: if circuit == 0 { Circuit::Open } else { Circuit::Closed },
            ..candidate(number as u64, proximity, weight)
        };
        facts.into_iter().enumerate().map(make).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_candidate_appears_once_and_a_pool_is_never_empty(
        candidates in candidates(), seed: u64, panic_threshold in 0..=100_u8
    ) {
        let found = order(&candidates, &Rules { panic_threshold, seed });
        let active = |(_, candidate): &(usize, &Candidate)| candidate.duty == Duty::Active;
        let mut expected: Vec<usize> = candidates.iter().enumerate().filter(active).map(|(index, _)| index).collect();
        if expected.is_empty() {
            expected = (0..candidates.len()).collect();
            prop_assert!(candidates.is_empty() || found.mode == Mode::AllDrained);
        }
        let mut indices = found.indices;
        indices.sort_unstable();
        prop_assert_eq!(indices, expected);
    }

    #[test]
    fn what_does_not_work_comes_first_only_in_panic_or_when_nothing_works(candidates in candidates(), seed: u64) {
        let found = order(&candidates, &rules(seed));
        let usable = |index: &usize| candidates[*index].is_usable();
        if found.mode == Mode::Normal {
            prop_assert!(found.indices.is_sorted_by_key(|index| standing(&candidates[*index])));
        }
        // Whatever the mode: what works is reached by the second attempt, before all that does not.
        let after_first = found.indices.get(1..).unwrap_or_default();
        prop_assert!(after_first.is_sorted_by_key(|index| !usable(index)), "{found:?}");
    }

    #[test]
    fn the_same_arguments_give_the_same_order_however_candidates_are_listed(
        candidates in candidates(), seed: u64, rotation in 0..9_usize, reversed: bool
    ) {
        let found = order(&candidates, &rules(seed));
        prop_assert_eq!(&found, &order(&candidates, &rules(seed)));
        let mut listed = candidates.clone();
        listed.rotate_left(rotation.min(candidates.len()));
        if reversed {
            listed.reverse();
        }
        let identities = |candidates: &[Candidate], found: &Order| -> Vec<u64> {
            found.indices.iter().map(|index| candidates[*index].identity).collect()
        };
        let other = order(&listed, &rules(seed));
        prop_assert_eq!(identities(&candidates, &found), identities(&listed, &other));
        prop_assert_eq!(found.mode, other.mode);
    }

    /// Minimal movement: what comes or goes moves only the keys that it gains or loses.
    #[test]
    fn an_origin_that_goes_leaves_the_order_of_all_others_as_it_was(weights in prop::collection::vec(0..4_u16, 1..9), gone in 0..9_usize, seed: u64) {
        let numbered = weights.iter().enumerate();
        let all: Vec<Candidate> = numbered.map(|(number, weight)| candidate(number as u64, 0, *weight)).collect();
        let gone = gone % all.len();
        let mut without = order(&all, &rules(seed)).indices;
        without.retain(|index| *index != gone);
        let mut fewer = all.clone();
        fewer.remove(gone);
        let found = order(&fewer, &rules(seed)).indices;
        let found: Vec<usize> = found.into_iter().map(|index| index + usize::from(index >= gone)).collect();
        prop_assert_eq!(found, without);
    }

    /// More weight draws keys to an origin and drives none between others.
    #[test]
    fn a_weight_that_grows_moves_keys_only_towards_it(weights in prop::collection::vec(1..4_u16, 2..9), grows in 0..9_usize, seed: u64) {
        let numbered = weights.iter().enumerate();
        let before: Vec<Candidate> = numbered.map(|(number, weight)| candidate(number as u64, 0, *weight)).collect();
        let grows = grows % before.len();
        let mut after = before.clone();
        after[grows].weight += 3;
        let (before, after) = (order(&before, &rules(seed)).indices[0], order(&after, &rules(seed)).indices[0]);
        prop_assert!(after == before || after == grows);
    }

    /// Taking a verdict of DOWN back never moves its target further from the front.
    #[test]
    fn a_target_that_comes_up_never_gets_a_later_place(candidates in candidates(), which in 0..9_usize, seed: u64) {
        prop_assume!(!candidates.is_empty());
        let which = which % candidates.len();
        let place_of = |health| {
            let mut candidates = candidates.clone();
            candidates[which] = Candidate { health, share: Share::FULL, circuit: Circuit::Closed, ..candidates[which] };
            let found = order(&candidates, &rules(seed));
            found.indices.iter().position(|index| *index == which)
        };
        let (down, up) = (place_of(Health::Down), place_of(Health::Healthy));
        prop_assert!(up <= down, "{down:?} while down, {up:?} once up");
    }
}
