//! The state of a device and how it changes: what it can be asked for, and why.
//!
//! Owns: the transitions, as a pure table of the two things a state is made of (what the last operations said, and
//! whether one hangs). Not: the operations.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::watcher::DeviceState;

/// Reads that the device refused count for so long.
const READ_ERRORS_WITHIN: Duration = Duration::from_secs(60);
/// Numbers of the system's errors (Linux), where the standard library has no stable name for them.
const EDQUOT: i32 = 122;
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// What is known of a device.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Never [`DeviceState::Stalled`].
    base: DeviceState,
    why: String,
    /// Why it counts as stalled.
    stalled: Option<String>,
    /// Writes had stopped and a probe was written: the next record tells.
    trial: bool,
    read_errors: VecDeque<Instant>,
    pub(crate) since: Instant,
}

/// What a read that was refused says of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// Nothing: this process has too few descriptors.
    OfThisProcess,
    /// That it has a bad spot.
    Bearable,
    /// That it is of no use.
    TooMany,
}

impl Condition {
    pub(crate) fn opening() -> Self {
        Self {
            base: DeviceState::Opening,
            why: String::new(),
            stalled: None,
            trial: false,
            read_errors: VecDeque::new(),
            since: Instant::now(),
        }
    }

    pub(crate) fn state(&self) -> DeviceState {
        match (&self.base, &self.stalled) {
            (DeviceState::Closed, _) | (_, None) => self.base,
            (_, Some(_)) => DeviceState::Stalled,
        }
    }

    pub(crate) fn why(&self) -> &str {
        match &self.stalled {
            Some(why) if self.base != DeviceState::Closed => why,
            _ => &self.why,
        }
    }

    /// Whether records may be queued.
    pub(crate) fn writable(&self) -> bool {
        self.stalled.is_none() && (self.base == DeviceState::Working || self.trial && self.writes_stopped())
    }

    /// Whether it is read only until a record can be written again.
    pub(crate) fn writes_stopped(&self) -> bool {
        matches!(self.base, DeviceState::Full | DeviceState::ReadOnly | DeviceState::WritesFailing)
    }

    /// Whether it cannot be used, whatever hangs besides.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.base, DeviceState::Failed | DeviceState::Closed)
    }

    pub(crate) fn on_trial(&self) -> bool {
        self.trial
    }

    pub(crate) fn became(&mut self, base: DeviceState, why: impl Into<String>) {
        if self.base == DeviceState::Closed {
            return;
        }
        self.base = base;
        self.why = why.into();
        self.trial = false;
        if base == DeviceState::Failed || base == DeviceState::Recovering {
            self.read_errors.clear();
        }
    }

    /// The device refused a write.
    pub(crate) fn write_failed(&mut self, error: &io::Error, why: String) {
        if self.base == DeviceState::Working || self.writes_stopped() {
            self.became(stopped_by(error), why);
        }
    }

    /// A record was written.
    pub(crate) fn write_worked(&mut self) {
        if self.writes_stopped() {
            self.became(DeviceState::Working, "a record could be written again");
        }
    }

    /// What a probe wrote is there.
    pub(crate) fn probe_worked(&mut self) {
        self.trial = self.writes_stopped();
    }

    /// The device refused a read.
    pub(crate) fn read_failed(&mut self, error: &io::Error, now: Instant, most: usize) -> ReadFailure {
        if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
            return ReadFailure::OfThisProcess;
        }
        self.read_errors.retain(|then| now.saturating_duration_since(*then) < READ_ERRORS_WITHIN);
        self.read_errors.push_back(now);
        if self.read_errors.len() >= most.max(1) { ReadFailure::TooMany } else { ReadFailure::Bearable }
    }

    pub(crate) fn hangs(&mut self, why: Option<String>) {
        // The first reason stays: it is what an operator looks for.
        match why {
            Some(_) if self.stalled.is_some() => {}
            why => self.stalled = why,
        }
    }
}

fn stopped_by(error: &io::Error) -> DeviceState {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DeviceState::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => DeviceState::ReadOnly,
        _ if error.raw_os_error() == Some(EDQUOT) => DeviceState::Full,
        _ => DeviceState::WritesFailing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{EACCES, EIO, ENOSPC, EROFS};

    fn working() -> Condition {
        let mut condition = Condition::opening();
        condition.became(DeviceState::Working, "");
        condition
    }

    fn error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    #[test]
    fn what_the_system_says_to_a_write_is_the_state() {
        for (number, state) in [
            (ENOSPC, DeviceState::Full),
            (EDQUOT, DeviceState::Full),
            (EROFS, DeviceState::ReadOnly),
            (EACCES, DeviceState::ReadOnly),
            (EIO, DeviceState::WritesFailing),
            (EMFILE, DeviceState::WritesFailing),
        ] {
            let mut condition = working();
            condition.write_failed(&error(number), "why".into());
            assert_eq!((condition.state(), condition.why(), condition.writable()), (state, "why", false), "{number}");
        }
    }

    #[test]
    fn writes_are_back_when_a_record_was_written_and_not_before() {
        let mut condition = working();
        condition.write_failed(&error(ENOSPC), String::new());
        condition.probe_worked();
        assert_eq!((condition.state(), condition.writable()), (DeviceState::Full, true));
        condition.write_failed(&error(ENOSPC), String::new());
        assert_eq!((condition.state(), condition.writable()), (DeviceState::Full, false));
        condition.probe_worked();
        condition.write_worked();
        assert_eq!((condition.state(), condition.writable()), (DeviceState::Working, true));
    }

    #[test]
    fn a_device_that_hangs_is_stalled_and_then_what_it_was() {
        for base in [DeviceState::Opening, DeviceState::Working, DeviceState::Full, DeviceState::Failed] {
            let mut condition = Condition::opening();
            condition.became(base, "before");
            condition.hangs(Some("a read".into()));
            condition.hangs(Some("a write".into()));
            assert_eq!((condition.state(), condition.why()), (DeviceState::Stalled, "a read"));
            assert!(!condition.writable());
            condition.hangs(None);
            assert_eq!((condition.state(), condition.why()), (base, "before"));
        }
    }

    #[test]
    fn many_refused_reads_within_a_while_are_too_many() {
        let (mut condition, start) = (working(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, number, expected) in [
            (0, EIO, ReadFailure::Bearable),
            (10, EIO, ReadFailure::Bearable),
            (11, EMFILE, ReadFailure::OfThisProcess),
            (65, EIO, ReadFailure::Bearable),
            (66, EIO, ReadFailure::TooMany),
        ] {
            assert_eq!(condition.read_failed(&error(number), at(second), 3), expected, "at {second}");
        }
    }

    #[test]
    fn a_write_that_fails_on_a_failed_device_changes_nothing() {
        let mut condition = working();
        condition.became(DeviceState::Failed, "gone");
        condition.write_failed(&error(EIO), "late".into());
        condition.write_worked();
        assert_eq!((condition.state(), condition.why()), (DeviceState::Failed, "gone"));
    }

    #[test]
    fn a_closed_device_stays_closed() {
        let mut condition = working();
        condition.became(DeviceState::Closed, "");
        condition.became(DeviceState::Working, "");
        condition.hangs(Some("a read".into()));
        assert_eq!(condition.state(), DeviceState::Closed);
    }
}
