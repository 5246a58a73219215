//! The circuit of one origin: closed while it answers, open when too many of its answers are failures, half-open while
//! one trial at a time finds out whether it is back (Nygard, Release It!, 2007).
//!
//! Pure: time comes in. Who holds the lock and counts what is in flight is `admission`'s matter.

use std::time::{Duration, Instant};

use tidegate_config::model::OriginLimits;

/// Seconds of which failures are counted: `limits.failures` speaks of them.
const WINDOW_SECONDS: usize = 10;

/// What the circuit of an origin lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Everything.
    Closed,
    /// One trial at a time.
    HalfOpen,
    /// Nothing, until its time is over.
    Open,
}

impl CircuitState {
    /// Its name for operators.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// Its number in metrics.
    #[must_use]
    pub const fn figure(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// As any other.
    Free,
    /// As the one trial: what comes of it decides.
    Trial,
    /// Not now.
    Barred,
}

/// The circuit of one origin.
#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
    window: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { trial: bool },
}

impl Circuit {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { state: State::Closed, window: Window { epoch, slots: [Slot::default(); WINDOW_SECONDS] } }
    }

    /// Whether a request may go at `now`. Changes nothing; [`Self::begin`] takes the trial.
    pub(super) fn passage(&self, now: Instant) -> Passage {
        match self.state {
            State::Closed => Passage::Free,
            State::Open { until } if now < until => Passage::Barred,
            State::Open { .. } | State::HalfOpen { trial: false } => Passage::Trial,
            State::HalfOpen { trial: true } => Passage::Barred,
        }
    }

    /// A request goes by this passage.
    pub(super) fn begin(&mut self, passage: Passage) {
        if passage == Passage::Trial {
            self.state = State::HalfOpen { trial: true };
        }
    }

    /// A trial ended without telling anything, as when its client left.
    pub(super) fn abandon(&mut self) {
        if let State::HalfOpen { trial } = &mut self.state {
            *trial = false;
        }
    }

    /// A request that went by this passage was answered.
    pub(super) fn succeeded(&mut self, passage: Passage, now: Instant) {
        if passage == Passage::Trial {
            self.state = State::Closed;
            self.window.clear();
        }
        self.window.slot(now).succeeded += 1;
    }

    /// A request that went by this passage failed. What was on its way when the circuit opened decides nothing more.
    pub(super) fn failed(&mut self, passage: Passage, now: Instant, limits: &OriginLimits) {
        self.window.slot(now).failed += 1;
        let opens = match self.state {
            State::Closed => self.window.is_beyond(now, limits),
            State::HalfOpen { .. } => passage == Passage::Trial,
            State::Open { .. } => false,
        };
        if opens {
            self.state = State::Open { until: now + limits.open };
        }
    }

    /// A request that was answered at `answered` broke off after all: one failure and no success. As the trial, it
    /// proves that the origin is not back, unless others have done well since.
    pub(super) fn broke(&mut self, passage: Passage, answered: Instant, now: Instant, limits: &OriginLimits) {
        self.window.retract(answered);
        let recent = now.saturating_duration_since(answered).as_secs() < WINDOW_SECONDS as u64;
        let alone = recent && self.window.counts(now).0 == 0;
        self.failed(Passage::Free, now, limits);
        if passage == Passage::Trial && alone && self.state == State::Closed {
            self.state = State::Open { until: now + limits.open };
        }
    }

    /// How long nothing at all goes, from `now`.
    pub(super) fn left_open(&self, now: Instant) -> Duration {
        match self.state {
            State::Open { until } => until.saturating_duration_since(now),
            State::Closed | State::HalfOpen { .. } => Duration::ZERO,
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }
}

/// Successes and failures by second.
#[derive(Debug)]
struct Window {
    epoch: Instant,
    slots: [Slot; WINDOW_SECONDS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    succeeded: u64,
    failed: u64,
}

impl Window {
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs()
    }

    fn slot(&mut self, now: Instant) -> &mut Slot {
        let second = self.second(now);
        let slot = &mut self.slots[(second % WINDOW_SECONDS as u64) as usize];
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot
    }

    /// Takes a success back, unless its second is over and forgotten.
    fn retract(&mut self, succeeded: Instant) {
        let second = self.second(succeeded);
        let slot = self.slots.iter_mut().find(|slot| slot.second == second);
        slot.into_iter().for_each(|slot| slot.succeeded = slot.succeeded.saturating_sub(1));
    }

    fn clear(&mut self) {
        self.slots = [Slot::default(); WINDOW_SECONDS];
    }

    /// Successes and failures that still count.
    fn counts(&self, now: Instant) -> (u64, u64) {
        let second = self.second(now);
        let recent = self.slots.iter().filter(|slot| second - slot.second.min(second) < WINDOW_SECONDS as u64);
        recent.fold((0, 0), |(ok, bad), slot| (ok + slot.succeeded, bad + slot.failed))
    }

    fn is_beyond(&self, now: Instant, limits: &OriginLimits) -> bool {
        let (succeeded, failed) = self.counts(now);
        let all = succeeded + failed;
        limits.failures > 0
            && all >= u64::from(limits.failures_floor.max(1))
            && failed * 100 >= all * u64::from(limits.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(failures: u8, floor: u32) -> OriginLimits {
        let mut limits = OriginLimits::default();
        (limits.failures, limits.failures_floor, limits.open) = (failures, floor, Duration::from_secs(5));
        limits
    }

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    /// Lets so many answers of each kind come at one moment.
    fn answers(circuit: &mut Circuit, now: Instant, (succeeded, failed): (u32, u32), limits: &OriginLimits) {
        for _ in 0..succeeded {
            circuit.succeeded(Passage::Free, now);
        }
        for _ in 0..failed {
            circuit.failed(Passage::Free, now, limits);
        }
    }

    #[test]
    fn circuit_opens_at_the_share_of_failures_and_not_below_the_floor() {
        let cases = [
            ((10, 10), 50, 20, CircuitState::Open),
            ((11, 9), 50, 20, CircuitState::Closed),
            ((0, 19), 50, 20, CircuitState::Closed),
            ((0, 20), 50, 20, CircuitState::Open),
            ((0, 500), 0, 20, CircuitState::Closed),
            ((0, 1), 50, 0, CircuitState::Open),
        ];
        for (counts, failures, floor, expected) in cases {
            let start = Instant::now();
            let mut circuit = Circuit::new(start);
            answers(&mut circuit, start, counts, &limits(failures, floor));
            assert_eq!(circuit.state(), expected, "{counts:?} {failures} {floor}");
        }
    }

    #[test]
    fn failures_older_than_the_window_count_no_more() {
        let start = Instant::now();
        let limits = limits(50, 20);
        let mut circuit = Circuit::new(start);
        answers(&mut circuit, start, (0, 19), &limits);
        answers(&mut circuit, after(start, 10_000), (0, 1), &limits);
        assert_eq!(circuit.state(), CircuitState::Closed);
        answers(&mut circuit, after(start, 19_999), (0, 19), &limits);
        assert_eq!(circuit.state(), CircuitState::Open);
        // Also where no other second has taken their place.
        for (later, expected) in [(12_999, CircuitState::Open), (14_000, CircuitState::Closed)] {
            let mut circuit = Circuit::new(start);
            answers(&mut circuit, after(start, 3_000), (0, 19), &limits);
            answers(&mut circuit, after(start, later), (0, 1), &limits);
            assert_eq!(circuit.state(), expected, "{later}");
        }
    }

    #[test]
    fn open_circuit_lets_one_trial_at_a_time_through_after_its_time() {
        let start = Instant::now();
        let limits = limits(50, 1);
        let mut circuit = Circuit::new(start);
        answers(&mut circuit, start, (0, 1), &limits);
        assert_eq!(circuit.passage(after(start, 4_999)), Passage::Barred);
        let now = after(start, 5_000);
        assert_eq!(circuit.passage(now), Passage::Trial);
        circuit.begin(Passage::Trial);
        assert_eq!((circuit.passage(now), circuit.state()), (Passage::Barred, CircuitState::HalfOpen));
        circuit.abandon();
        assert_eq!(circuit.passage(now), Passage::Trial, "a trial that told nothing makes room for the next");
        circuit.begin(Passage::Trial);
        circuit.failed(Passage::Trial, now, &limits);
        assert_eq!((circuit.passage(now), circuit.state()), (Passage::Barred, CircuitState::Open));
        let now = after(start, 10_000);
        circuit.begin(circuit.passage(now));
        circuit.succeeded(Passage::Trial, now);
        assert_eq!((circuit.passage(now), circuit.state()), (Passage::Free, CircuitState::Closed));
    }

    #[test]
    fn requests_from_before_decide_nothing_while_the_circuit_is_not_closed() {
        let start = Instant::now();
        let limits = limits(50, 1);
        let mut circuit = Circuit::new(start);
        answers(&mut circuit, start, (0, 1), &limits);
        circuit.succeeded(Passage::Free, start);
        assert_eq!(circuit.state(), CircuitState::Open);
        circuit.begin(circuit.passage(after(start, 5_000)));
        circuit.failed(Passage::Free, after(start, 5_000), &limits);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        assert_eq!(circuit.left_open(start), Duration::ZERO);
    }

    #[test]
    fn answer_that_breaks_off_is_one_failure_and_no_success() {
        let start = Instant::now();
        let limits = limits(60, 4);
        let mut circuit = Circuit::new(start);
        for number in 1..=4 {
            assert_eq!(circuit.state(), CircuitState::Closed, "{number}");
            circuit.succeeded(Passage::Free, start);
            circuit.broke(Passage::Free, start, after(start, 1_500), &limits);
        }
        assert_eq!(circuit.state(), CircuitState::Open);
        let now = after(start, 7_000);
        circuit.begin(circuit.passage(now));
        circuit.succeeded(Passage::Trial, now);
        assert_eq!(circuit.state(), CircuitState::Closed, "a trial that has been answered lets others go");
        circuit.broke(Passage::Trial, now, now, &limits);
        assert_eq!(circuit.state(), CircuitState::Open, "and takes that back when it breaks off");
    }

    #[test]
    fn trial_that_breaks_off_late_opens_nothing_for_those_who_did_well_since() {
        let (start, limits) = (Instant::now(), limits(60, 4));
        let tried = || {
            let mut circuit = Circuit::new(start);
            circuit.succeeded(Passage::Trial, start);
            circuit
        };
        for (answers, at) in [(1, 100), (100, 59_000)] {
            let mut circuit = tried();
            for _ in 0..answers {
                circuit.succeeded(Passage::Free, after(start, at));
            }
            circuit.broke(Passage::Trial, start, after(start, at + 1_000), &limits);
            assert_eq!(circuit.state(), CircuitState::Closed, "{answers} answers");
        }
        let mut circuit = tried();
        circuit.broke(Passage::Trial, start, after(start, 30_000), &limits);
        assert_eq!(circuit.state(), CircuitState::Closed, "long ago");
    }

    #[test]
    fn closing_forgets_what_opened_it() {
        let start = Instant::now();
        let limits = limits(50, 3);
        let mut circuit = Circuit::new(start);
        answers(&mut circuit, start, (0, 3), &limits);
        let now = after(start, 5_000);
        circuit.begin(circuit.passage(now));
        circuit.succeeded(Passage::Trial, now);
        answers(&mut circuit, now, (0, 1), &limits);
        assert_eq!(circuit.state(), CircuitState::Closed);
    }
}
