//! One origin by probes and requests together, and whole pools under everything that can happen.

use proptest::prelude::*;

use super::*;

const PASSED: ProbeResult = ProbeResult::Passed(Depth::Exchange);
const PEERS: Peers = Peers { others: 3, ejected: 0, usable: 3 };

fn rules() -> HealthRules {
    HealthRules {
        probes: Some(Thresholds { fall: 3, rise: 2 }),
        slow_start: Duration::from_secs(100),
        ejection: EjectionRules {
            consecutive_failures: 3,
            first: Duration::from_secs(30),
            longest: Duration::from_secs(300),
            max_ejected: 50,
        },
    }
}

fn without_probes() -> HealthRules {
    HealthRules { probes: None, ..rules() }
}

fn at(seconds: u64) -> Moment {
    Moment::after(Duration::from_secs(seconds))
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Probe(ProbeResult),
    Request(Report),
}

use Event::{Probe, Request};

fn play(rules: &HealthRules, joined: Joined, events: &[(u64, Event)]) -> HealthState {
    let mut state = HealthState::new(joined, at(0));
    for &(second, event) in events {
        match event {
            Probe(result) => state.probed(result, rules, at(second)),
            Request(report) => state.reported(report, rules, PEERS, at(second)),
        }
    }
    state
}

/// What is thought at `second`: health, share, whether on trial.
fn check(rules: &HealthRules, events: &[(u64, Event)], second: u64, expected: (Health, u8, bool)) {
    let view = play(rules, Joined::WithPool, events).view(rules, at(second));
    assert_eq!((view.health, view.share.as_percent(), view.trial), expected, "{events:?} at {second}: {view:?}");
}

#[test]
fn whoever_starts_serves_at_once_at_full_share() {
    check(&rules(), &[], 0, (Health::Unknown, 100, false));
    check(&rules(), &[(0, Probe(PASSED))], 0, (Health::Healthy, 100, false));
    check(&rules(), &[(0, Probe(ProbeResult::Failed))], 0, (Health::Down, 100, false));
}

#[test]
fn coming_up_again_or_joining_later_starts_slowly() {
    let down_and_up = [(0, Probe(ProbeResult::Failed)), (1, Probe(PASSED)), (2, Probe(PASSED))];
    for (second, share) in [(2, 10), (52, 55), (102, 100)] {
        check(&rules(), &down_and_up, second, (Health::Healthy, share, false));
    }
    let late = play(&rules(), Joined::Later, &[(0, Probe(PASSED))]);
    assert_eq!(late.view(&rules(), at(50)).share.as_percent(), 55);
}

#[test]
fn a_refused_request_is_a_full_fall_until_probes_say_otherwise() {
    let refused = [(0, Probe(PASSED)), (1, Request(Report::Refused))];
    check(&rules(), &refused, 1, (Health::Down, 100, false));
    check(&rules(), &refused, 9_999, (Health::Down, 100, false));
    let back = [&refused[..], &[(2, Probe(PASSED)), (3, Probe(PASSED))]].concat();
    check(&rules(), &back, 3, (Health::Healthy, 10, false));
}

#[test]
fn without_probes_a_refused_origin_comes_back_by_trial() {
    let refused = [(0, Request(Report::Refused))];
    check(&without_probes(), &refused, 29, (Health::Ejected, 100, false));
    check(&without_probes(), &refused, 30, (Health::Ejected, 100, true));
    let back = [refused[0], (30, Request(Report::Succeeded))];
    check(&without_probes(), &back, 30, (Health::Unknown, 10, false));
    let still_dead = [refused[0], (30, Request(Report::Refused))];
    check(&without_probes(), &still_dead, 89, (Health::Ejected, 100, false));
}

#[test]
fn a_request_and_a_probe_that_both_fail_leave_no_doubt() {
    let hanging = [(0, Probe(PASSED)), (1, Request(Report::TimedOut))];
    check(&rules(), &hanging, 1, (Health::Suspect, 100, false));
    assert!(play(&rules(), Joined::WithPool, &hanging).wants_probe_soon());
    let confirmed = [&hanging[..], &[(2, Probe(ProbeResult::Failed))]].concat();
    check(&rules(), &confirmed, 2, (Health::Down, 100, false));
    let denied = [&hanging[..], &[(2, Probe(PASSED))]].concat();
    check(&rules(), &denied, 2, (Health::Healthy, 100, false));
    // A connection alone says nothing about answers.
    let shallow = [&hanging[..], &[(2, Probe(ProbeResult::Passed(Depth::Connection)))]].concat();
    check(&rules(), &shallow, 2, (Health::Suspect, 100, false));
}

#[test]
fn probes_that_pass_do_not_end_an_ejection_but_a_fall_and_a_rise_do() {
    let errors = [(0, Probe(PASSED)); 1];
    let error = (1, Request(Report::GatewayError));
    let ejected = [&errors[..], &[error; 3], &[(2, Probe(PASSED)), (3, Probe(PASSED))]].concat();
    check(&rules(), &ejected, 4, (Health::Ejected, 100, false));
    let fell = (4, Probe(ProbeResult::Refused));
    let rose = [&ejected[..], &[fell, (5, Probe(PASSED)), (6, Probe(PASSED))]].concat();
    check(&rules(), &rose, 6, (Health::Healthy, 10, false));
}

#[test]
fn whoever_flaps_stays_out_longer_and_then_starts_slowly() {
    let up = (0, Probe(PASSED));
    let flap = [(0, Probe(ProbeResult::Refused)), up, up];
    let twice = [&[up][..], &flap, &flap].concat();
    check(&rules(), &twice, 0, (Health::Healthy, 10, false));
    let thrice = [&twice[..], &flap].concat();
    check(&rules(), &thrice, 599, (Health::Down, 100, false));
    check(&rules(), &thrice, 600, (Health::Healthy, 10, false));
    check(&rules(), &thrice, 700, (Health::Healthy, 100, false));
}

#[test]
fn what_probes_said_means_nothing_where_nobody_probes_and_is_forgotten() {
    let mut state = play(&rules(), Joined::WithPool, &[(0, Probe(ProbeResult::Failed))]);
    assert_eq!(state.view(&without_probes(), at(1)).health, Health::Unknown);
    state.forget_probes();
    assert_eq!(state.view(&rules(), at(1)).health, Health::Unknown);
}

#[test]
fn success_has_nothing_to_change_only_while_nothing_is_wrong() {
    let state = |events: &[(u64, Event)]| play(&rules(), Joined::WithPool, events);
    assert!(state(&[(0, Probe(PASSED))]).is_clean());
    assert!(!state(&[(0, Request(Report::GatewayError))]).is_clean());
    assert!(state(&[(0, Request(Report::GatewayError)), (0, Request(Report::Succeeded))]).is_clean());
    assert!(!state(&[(0, Request(Report::Unreachable))]).is_clean());
}

/// What the others of a pool are at this moment.
fn peers(pool: &[HealthState], me: usize, rules: &HealthRules, now: Moment) -> Peers {
    let others = pool.iter().enumerate().filter(|(index, _)| *index != me);
    let healths = others.map(|(_, state)| state.view(rules, now).health);
    healths.fold(Peers::default(), |peers, health| peers.with(health))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Probe(PASSED)),
        Just(Probe(ProbeResult::Passed(Depth::Connection))),
        Just(Probe(ProbeResult::Failed)),
        Just(Probe(ProbeResult::Refused)),
        Just(Request(Report::Refused)),
        Just(Request(Report::Unreachable)),
        Just(Request(Report::TimedOut)),
        Just(Request(Report::GatewayError)),
        Just(Request(Report::GatewayError)),
        Just(Request(Report::Succeeded)),
    ]
}

fn any_rules() -> impl Strategy<Value = HealthRules> {
    let thresholds = (1_u32..4, 1_u32..4).prop_map(|(fall, rise)| Thresholds { fall, rise });
    let probes = prop::option::of(thresholds);
    (probes, 0_u64..200, 0_u32..4, 1_u64..60, 0_u8..=100).prop_map(|(probes, slow, failures, first, share)| {
        HealthRules {
            probes,
            slow_start: Duration::from_secs(slow),
            ejection: EjectionRules {
                consecutive_failures: failures,
                first: Duration::from_secs(first),
                longest: Duration::from_secs(first * 10),
                max_ejected: share,
            },
        }
    })
}

proptest! {
    #[test]
    fn requests_never_eject_the_last_usable_origin_nor_more_than_allowed(
        rules in any_rules(),
        size in 1_usize..8,
        events in prop::collection::vec((0_usize..8, event(), 0_u64..20), 1..200),
    ) {
        let mut pool = vec![HealthState::new(Joined::WithPool, at(0)); size];
        let mut now = at(0);
        for (index, event, pause) in events {
            now = now + Duration::from_secs(pause);
            let index = index % size;
            let before = peers(&pool, usize::MAX, &rules, now);
            let was_ejected = pool[index].view(&rules, now).health == Health::Ejected;
            let around = peers(&pool, index, &rules, now);
            match event {
                Probe(result) => pool[index].probed(result, &rules, now),
                Request(report) => pool[index].reported(report, &rules, around, now),
            }
            let after = peers(&pool, usize::MAX, &rules, now);
            if after.ejected > before.ejected && !was_ejected && matches!(event, Request(_)) {
                prop_assert!(after.usable > 0, "{event:?} ejected the last usable one");
                let allowed = (size * usize::from(rules.ejection.max_ejected) / 100).max(1);
                prop_assert!(after.ejected <= allowed, "{} of {size} are ejected", after.ejected);
            }
        }
    }

    #[test]
    fn nobody_stays_out_for_ever_once_all_is_well(
        rules in any_rules(),
        events in prop::collection::vec((event(), 0_u64..20), 0..100),
    ) {
        let mut state = HealthState::new(Joined::WithPool, at(0));
        let mut now = at(0);
        for (event, pause) in events {
            now = now + Duration::from_secs(pause);
            match event {
                Probe(result) => state.probed(result, &rules, now),
                Request(report) => state.reported(report, &rules, PEERS, now),
            }
        }
        // Every five seconds a probe, and a request when it is its turn; longer than flaps and ejections last.
        for _ in 0..(2 * 1_800 / 5) {
            now = now + Duration::from_secs(5);
            state.probed(PASSED, &rules, now);
            let view = state.view(&rules, now);
            if view.trial || matches!(view.health, Health::Healthy | Health::Unknown) {
                state.reported(Report::Succeeded, &rules, PEERS, now);
            }
        }
        let view = state.view(&rules, now);
        prop_assert!(matches!(view.health, Health::Healthy | Health::Unknown), "{view:?}");
        prop_assert_eq!(view.share, Share::FULL);
    }

    #[test]
    fn the_same_events_lead_to_the_same_state(
        rules in any_rules(),
        events in prop::collection::vec((event(), 0_u64..20), 0..50),
    ) {
        let run = || {
            let mut state = HealthState::new(Joined::Later, at(0));
            let mut now = at(0);
            for (event, pause) in &events {
                now = now + Duration::from_secs(*pause);
                match *event {
                    Probe(result) => state.probed(result, &rules, now),
                    Request(report) => state.reported(report, &rules, PEERS, now),
                }
            }
            (state, state.view(&rules, now))
        };
        prop_assert_eq!(run(), run());
    }
}
