//! Passive ejection, one origin at a time.

use super::*;

const RULES: EjectionRules = EjectionRules {
    consecutive_failures: 3,
    first: Duration::from_secs(30),
    longest: Duration::from_secs(300),
    max_ejected: 10,
};

/// Enough others to spare one.
const PEERS: Peers = Peers { others: 9, ejected: 0, usable: 9 };

fn at(seconds: u64) -> Moment {
    Moment::after(Duration::from_secs(seconds))
}

/// What happens at a second: `f`ailure, `a`void (at the depth of an exchange), `r`efused, `s`uccess.
fn play(events: &[(u64, char)], rules: &EjectionRules, peers: Peers) -> Ejection {
    let mut state = Ejection::default();
    for &(second, event) in events {
        match event {
            'f' => state.failed(rules, peers, at(second)),
            'a' => state.avoid(Depth::Exchange, rules, peers, at(second)),
            'r' => state.refused(rules, peers, at(second)),
            _ => drop(state.succeeded(at(second))),
        }
    }
    state
}

fn check(events: &[(u64, char)], expected: Phase) {
    assert_eq!(play(events, &RULES, PEERS).phase(), expected, "{events:?}");
}

fn ejected_until(second: u64) -> Phase {
    Phase::Ejected { until: at(second) }
}

fn suspect_until(second: u64, failed_at: Depth) -> Phase {
    Phase::Suspect { until: at(second), failed_at }
}

#[test]
fn failures_in_a_row_eject_and_success_resets() {
    check(&[(0, 'f'), (0, 'f')], Phase::Free);
    check(&[(0, 'f'), (0, 'f'), (1, 'f')], ejected_until(31));
    check(&[(0, 'f'), (0, 'f'), (0, 's'), (1, 'f'), (1, 'f')], Phase::Free);
    check(&[(0, 'r')], ejected_until(30));
}

#[test]
fn an_answer_that_does_not_come_makes_suspect_until_success() {
    check(&[(0, 'a')], suspect_until(5, Depth::Exchange));
    check(&[(0, 'a'), (1, 's')], Phase::Free);
    // A trial fails: suspect again, and ejected once it was too often.
    check(&[(0, 'a'), (6, 'a')], suspect_until(11, Depth::Exchange));
    check(&[(0, 'a'), (6, 'f')], suspect_until(11, Depth::Exchange));
    check(&[(0, 'a'), (6, 'a'), (12, 'f')], ejected_until(42));
}

#[test]
fn an_ejection_ends_by_a_trial_and_a_failed_trial_prolongs_it() {
    let begin = [(0, 'f'), (0, 'f'), (0, 'f')];
    let with = |more: &[(u64, char)]| [&begin[..], more].concat();
    // What began before the ejection changes nothing.
    check(&with(&[(1, 's'), (2, 'f'), (3, 'a')]), ejected_until(30));
    check(&with(&[(30, 's')]), Phase::Free);
    check(&with(&[(30, 'f')]), ejected_until(90));
    check(&with(&[(30, 'f'), (90, 'a')]), ejected_until(180));
}

#[test]
fn ejections_grow_to_a_bound_and_shrink_again_in_quiet_times() {
    let mut state = Ejection::default();
    let mut lengths = Vec::new();
    let mut now = at(0);
    for _ in 0..12 {
        state.refused(&RULES, PEERS, now);
        let Phase::Ejected { until } = state.phase() else { panic!("{state:?}") };
        lengths.push((until - now).as_secs());
        now = until;
        assert_eq!(state.succeeded(now), Cleared::Ejection);
    }
    assert_eq!(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    // Each quiet time as long as the longest ejection takes one off; twelve are counted.
    now = now + 11 * RULES.longest;
    state.refused(&RULES, PEERS, now);
    assert_eq!(state.phase(), Phase::Ejected { until: now + Duration::from_secs(60) });
    assert_eq!(state.total(), 13);
}

#[test]
fn the_pool_decides_whether_one_more_may_be_ejected() {
    let half = EjectionRules { max_ejected: 50, ..RULES };
    let none = EjectionRules { max_ejected: 0, ..RULES };
    let never = EjectionRules { consecutive_failures: 0, ..RULES };
    let peers = |others, ejected, usable| Peers { others, ejected, usable };
    for (rules, peers, expected) in [
        (RULES, peers(0, 0, 0), false),
        (RULES, peers(1, 0, 1), true),
        // The last usable one, whatever the others are out for.
        (RULES, peers(9, 0, 0), false),
        (half, peers(3, 1, 0), false),
        // The share, which one may always exceed.
        (none, peers(9, 0, 9), true),
        (RULES, peers(9, 1, 8), false),
        (RULES, peers(19, 1, 18), true),
        (half, peers(3, 1, 2), true),
        (half, peers(3, 2, 1), false),
        (never, peers(9, 0, 9), false),
    ] {
        let phase = play(&[(0, 'f'), (0, 'f'), (0, 'f')], &rules, peers).phase();
        assert_eq!(matches!(phase, Phase::Ejected { .. }), expected, "{rules:?} {peers:?}");
    }
}

#[test]
fn who_may_not_be_ejected_is_suspect_at_least() {
    let phase = play(&[(0, 'r')], &RULES, Peers::default()).phase();
    assert_eq!(phase, suspect_until(5, Depth::Connection));
}

#[test]
fn a_probe_clears_only_suspicions_that_it_goes_as_deep_as() {
    for (failed_at, probed, expected) in [
        (Depth::Connection, Depth::Connection, true),
        (Depth::Connection, Depth::Exchange, true),
        (Depth::Exchange, Depth::Exchange, true),
        // A stopped process still has its connections made by the kernel.
        (Depth::Exchange, Depth::Connection, false),
    ] {
        let mut state = Ejection::default();
        state.avoid(failed_at, &RULES, PEERS, at(0));
        state.confirmed(probed);
        assert_eq!(state.phase() == Phase::Free, expected, "{failed_at:?} {probed:?}");
    }
    let mut state = play(&[(0, 'r')], &RULES, PEERS);
    state.confirmed(Depth::Exchange);
    assert_eq!(state.phase(), ejected_until(30), "probes pass while requests fail: its term stays");
}
