//! A name's life on a clock of our own.

use std::net::IpAddr;

use super::*;

struct Life {
    remembered: Remembered,
    start: Instant,
}

impl Life {
    fn new() -> Self {
        Self { remembered: Remembered::default(), start: Instant::now() }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn step(&self, seconds: f64) -> Step {
        self.remembered.step(self.at(seconds))
    }

    /// A look-up from one time to another.
    fn looked_up(&self, from: f64, to: f64, found: Found) {
        let flight = self.remembered.begin(self.at(from)).expect("no other look-up");
        self.remembered.end(&question(), found, self.at(to), flight);
    }

    #[track_caller]
    fn check(&self, seconds: f64, expected: &str) {
        let step = match self.step(seconds) {
            Step::Use(_) => "use".to_owned(),
            Step::UseAndRefresh(_) => "refresh".to_owned(),
            Step::UseStale(_) => "stale".to_owned(),
            Step::Refuse(Refusal::Nothing(reason) | Refusal::Failed(reason)) => reason,
            Step::Refuse(Refusal::TimedOut) => "timed out".to_owned(),
            Step::Begin => "begin".to_owned(),
            Step::Wait(_, until) => format!("wait until {:.1}", until.duration_since(self.start).as_secs_f64()),
        };
        assert_eq!(step, expected, "at {seconds} s");
    }
}

fn question() -> Question {
    Question { name: "media.example".to_owned(), services: false }
}

fn found(ttl: u64) -> Found {
    let address = IpAddr::from([192, 0, 2, 1]);
    Found::Records(Records::Addresses(vec![address]), Duration::from_secs(ttl))
}

fn nothing(ttl: u64) -> Found {
    Found::Nothing("none".to_owned(), Duration::from_secs(ttl))
}

fn failed() -> Found {
    Found::Failed("broken".to_owned())
}

#[test]
fn an_answer_lives_as_long_as_its_records_say_and_is_refreshed_before() {
    let life = Life::new();
    life.check(0.0, "begin");
    life.looked_up(0.0, 0.0, found(100));
    life.check(79.0, "use");
    life.check(81.0, "refresh");
    life.check(101.0, "begin");
}

#[test]
fn the_life_of_an_answer_has_bounds() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(0));
    life.check(0.5, "use");
    life.check(1.1, "begin");
    life.looked_up(2.0, 2.0, found(1_000_000));
    life.check(2_000.0, "use");
    life.check(3_603.0, "begin");
}

#[test]
fn one_look_up_serves_all_who_wait() {
    let life = Life::new();
    let flight = life.remembered.begin(life.at(0.0)).unwrap();
    assert!(life.remembered.begin(life.at(0.1)).is_none());
    life.check(0.1, "wait until 5.0");
    let Step::Wait(ended, _) = life.step(0.2) else { panic!("not waiting") };
    life.remembered.end(&question(), found(10), life.at(1.0), flight);
    assert!(ended.has_changed().is_err(), "waiters are woken");
    life.check(1.0, "use");
}

#[test]
fn a_look_up_under_way_is_not_begun_again_by_a_refresh() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(100));
    life.check(90.0, "refresh");
    let _flight = life.remembered.begin(life.at(90.0)).unwrap();
    life.check(90.1, "use");
}

#[test]
fn a_lost_look_up_does_not_ground_the_name() {
    let life = Life::new();
    drop(life.remembered.begin(life.at(0.0)).unwrap());
    life.check(0.1, "begin");
}

#[test]
fn a_stale_answer_is_used_while_dns_fails() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(10));
    life.looked_up(11.0, 11.5, failed());
    life.check(12.0, "stale");
    life.check(16.6, "begin");
    life.looked_up(16.6, 17.0, failed());
    life.check(3_609.0, "begin");
    life.looked_up(3_609.0, 3_609.0, failed());
    life.check(3_609.5, "stale");
    life.check(3_611.0, "broken");
    life.looked_up(3_620.0, 3_620.0, found(10));
    life.check(3_621.0, "use");
}

#[test]
fn a_request_waits_only_a_moment_for_dns_that_is_silent_when_there_is_a_stale_answer() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(10));
    let _flight = life.remembered.begin(life.at(20.0)).unwrap();
    life.check(20.0, "wait until 21.8");
    life.check(21.8, "stale");
    life.check(24.0, "stale");
}

#[test]
fn a_failing_refresh_pauses_and_disturbs_nobody() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(100));
    life.looked_up(81.0, 82.0, failed());
    life.check(83.0, "use");
    life.check(88.0, "refresh");
}

#[test]
fn that_there_is_nothing_is_remembered_for_its_own_time() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, nothing(30));
    life.check(29.0, "none");
    life.check(31.0, "begin");
    life.looked_up(31.0, 31.0, nothing(86_400));
    life.check(90.0, "none");
    life.check(92.0, "begin");
}

#[test]
fn that_there_is_nothing_any_more_ends_the_old_answer() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(10));
    life.looked_up(11.0, 11.0, nothing(30));
    life.check(12.0, "none");
}

#[test]
fn a_failure_without_an_answer_pauses_shortly() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, failed());
    life.check(0.5, "broken");
    life.check(1.1, "begin");
}

#[test]
fn a_new_configuration_asks_anew_and_serves_on_meanwhile() {
    let life = Life::new();
    life.looked_up(0.0, 0.0, found(1_000));
    life.remembered.refresh_when_used(life.at(10.0));
    life.check(10.0, "refresh");
    let negative = Life::new();
    negative.looked_up(0.0, 0.0, nothing(30));
    negative.remembered.refresh_when_used(negative.at(10.0));
    negative.check(10.0, "begin");
}

#[test]
fn a_name_is_forgettable_once_nobody_uses_it() {
    let life = Life::new();
    life.check(0.0, "begin");
    life.looked_up(0.0, 0.0, found(10));
    assert!(!life.remembered.is_forgettable(life.at(599.0)));
    assert!(life.remembered.is_forgettable(life.at(601.0)));
}
