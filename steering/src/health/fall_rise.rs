//! What probes say: the first result is believed at once, later ones only when enough of them agree.

/// What is thought of an origin by its probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// No probe has ended yet.
    #[default]
    Unknown,
    /// It answers as it should.
    Up,
    /// It does not.
    Down,
}

/// How far a probe went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// A connection was made.
    Connection,
    /// A request was answered.
    Exchange,
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// As it should, so far as it went.
    Passed(Depth),
    /// Not as it should.
    Failed,
    /// Nobody listens there, which leaves no doubt.
    Refused,
}

/// How many results in a row change the verdict; at least one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures.
    pub fall: u32,
    /// Successes.
    pub rise: u32,
}

/// A changed verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The first one.
    First,
    /// Down before, up now.
    Rose,
    /// Up before, down now.
    Fell,
}

/// Results in a row, and the verdict they led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FallRise {
    verdict: Verdict,
    /// Results in a row that contradict the verdict.
    against: u32,
}

impl FallRise {
    pub(super) fn verdict(self) -> Verdict {
        self.verdict
    }

    /// Whether the latest results contradict the verdict, though not yet enough of them.
    pub(super) fn is_in_doubt(self) -> bool {
        self.against > 0
    }

    /// Takes a result into account.
    pub(super) fn observe(&mut self, result: ProbeResult, thresholds: Thresholds) -> Option<Change> {
        let passed = matches!(result, ProbeResult::Passed(_));
        match (self.verdict, passed) {
            (Verdict::Unknown, true) => self.decide(Verdict::Up),
            (Verdict::Unknown, false) => self.decide(Verdict::Down),
            (Verdict::Up, true) | (Verdict::Down, false) => {
                self.against = 0;
                None
            }
            (Verdict::Up, false) if result == ProbeResult::Refused => self.decide(Verdict::Down),
            (Verdict::Up, false) => self.count(thresholds.fall, Verdict::Down),
            (Verdict::Down, true) => self.count(thresholds.rise, Verdict::Up),
        }
    }

    /// As many failures as it takes, at once.
    pub(super) fn fall(&mut self) -> Option<Change> {
        self.against = 0;
        if self.verdict == Verdict::Down { None } else { self.decide(Verdict::Down) }
    }

    /// Forgets everything: nobody probes any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn count(&mut self, needed: u32, next: Verdict) -> Option<Change> {
        self.against += 1;
        if self.against >= needed { self.decide(next) } else { None }
    }

    fn decide(&mut self, next: Verdict) -> Option<Change> {
        let before = std::mem::replace(&mut self.verdict, next);
        self.against = 0;
        Some(match (before, next) {
            (Verdict::Unknown, _) => Change::First,
            (_, Verdict::Up) => Change::Rose,
            (_, _) => Change::Fell,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results as letters: `p`assed, `f`ailed, `r`efused; the verdict after each, `U`p or `D`own.
    fn check(thresholds: Thresholds, results: &str, expected: &str) {
        let mut state = FallRise::default();
        let verdicts: String = results
            .chars()
            .map(|letter| {
                let result = match letter {
                    'p' => ProbeResult::Passed(Depth::Exchange),
                    'f' => ProbeResult::Failed,
                    _ => ProbeResult::Refused,
                };
                state.observe(result, thresholds);
                match state.verdict() {
                    Verdict::Unknown => '?',
                    Verdict::Up => 'U',
                    Verdict::Down => 'D',
                }
            })
            .collect();
        assert_eq!(verdicts, expected, "{results}");
    }

    #[test]
    fn verdicts_follow_results_in_a_row() {
        let usual = Thresholds { fall: 3, rise: 5 };
        let eager = Thresholds { fall: 1, rise: 1 };
        for (thresholds, results, expected) in [
            // The first result is believed at once.
            (usual, "p", "U"),
            (usual, "f", "D"),
            (usual, "r", "D"),
            // Fall and rise.
            (usual, "pfff", "UUUD"),
            (usual, "pffpffpfff", "UUUUUUUUUD"),
            (usual, "fpppp", "DDDDD"),
            (usual, "fppppp", "DDDDDU"),
            (usual, "fppppfppppp", "DDDDDDDDDDU"),
            // A refused connection counts as all failures that a fall takes.
            (usual, "pr", "UD"),
            (usual, "pfr", "UUD"),
            (usual, "prppppp", "UDDDDDU"),
            (eager, "pfpfr", "UDUDD"),
        ] {
            check(thresholds, results, expected);
        }
    }

    #[test]
    fn only_a_change_between_up_and_down_is_a_fall_or_a_rise() {
        let thresholds = Thresholds { fall: 1, rise: 1 };
        let mut state = FallRise::default();
        assert_eq!(state.observe(ProbeResult::Failed, thresholds), Some(Change::First));
        assert_eq!(state.fall(), None);
        assert_eq!(state.observe(ProbeResult::Passed(Depth::Connection), thresholds), Some(Change::Rose));
        assert_eq!(state.fall(), Some(Change::Fell));
        assert_eq!(state.observe(ProbeResult::Refused, thresholds), None);
    }
}
