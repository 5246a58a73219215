//! What requests meet, counted against an origin: a failed connection makes it suspect, failures in a row eject it,
//! and after both a trial brings it back or keeps it out.

use std::time::Duration;

use super::fall_rise::Depth;
use super::moment::Moment;
use crate::candidate::Health;

/// How long a failed connection or an answer that did not come counts before a trial. Short: most causes pass, and
/// a trial costs one request at most.
const SUSPICION: Duration = Duration::from_secs(5);

/// When requests eject an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRules {
    /// Failures in a row that do; 0 for never.
    pub consecutive_failures: u32,
    /// Length of the first ejection; the n-th is n times as long.
    pub first: Duration,
    /// Length of the longest.
    pub longest: Duration,
    /// Share of a pool that may be ejected at once, in percent. One origin always may, the last usable one never.
    pub max_ejected: u8,
}

/// The other origins of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peers {
    /// How many there are.
    pub others: usize,
    /// How many of them are ejected, those on trial included.
    pub ejected: usize,
    /// How many of them are usable without a second thought.
    pub usable: usize,
}

impl Peers {
    /// These and one more of this health.
    #[must_use]
    pub fn with(self, health: Health) -> Self {
        Self {
            others: self.others + 1,
            ejected: self.ejected + usize::from(health == Health::Ejected),
            usable: self.usable + usize::from(matches!(health, Health::Healthy | Health::Unknown)),
        }
    }

    /// Whether one more may be ejected.
    fn allow_ejection(self, rules: &EjectionRules) -> bool {
        let share = (self.ejected + 1) * 100 <= (self.others + 1) * usize::from(rules.max_ejected);
        self.usable > 0 && (self.ejected == 0 || share)
    }
}

/// Whether an origin gets requests, as far as requests know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// It does.
    #[default]
    Free,
    /// A request failed a moment ago, at this depth; on trial from `until` on.
    Suspect { until: Moment, failed_at: Depth },
    /// It failed too often; on trial from `until` on.
    Ejected { until: Moment },
}

/// What success changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleared {
    /// Nothing that matters to others.
    Nothing,
    /// It had been ejected and comes back.
    Ejection,
}

/// Passive state of one origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ejection {
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    /// How many ejections of late count for the length of the next one.
    times: u32,
    /// When the latest ejection ended or will.
    ended: Moment,
    /// Ejections in all.
    total: u64,
}

impl Ejection {
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// A failure that is no reason to avoid the origin by itself.
    pub(super) fn failed(&mut self, rules: &EjectionRules, peers: Peers, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        match self.phase {
            // What had been sent before it was ejected says nothing new.
            Phase::Ejected { until } if now < until => {}
            // A failed trial needs no further ones.
            Phase::Ejected { .. } => self.eject(rules, now),
            Phase::Suspect { until, failed_at } if now >= until => self.fail_trial(failed_at, rules, peers, now),
            Phase::Free | Phase::Suspect { .. } => self.eject_if_due(rules, peers, now),
        }
    }

    /// A failure after which the next requests should go elsewhere.
    pub(super) fn avoid(&mut self, failed_at: Depth, rules: &EjectionRules, peers: Peers, now: Moment) {
        if !matches!(self.phase, Phase::Ejected { .. }) {
            self.phase = Phase::Suspect { until: now + SUSPICION, failed_at };
        }
        self.failed(rules, peers, now);
    }

    /// A failure that leaves no doubt: as many as it takes, at once.
    pub(super) fn refused(&mut self, rules: &EjectionRules, peers: Peers, now: Moment) {
        self.failures = self.failures.max(rules.consecutive_failures.saturating_sub(1));
        self.avoid(Depth::Connection, rules, peers, now);
    }

    /// A request succeeded. One that began before an ejection does not end it.
    pub(super) fn succeeded(&mut self, now: Moment) -> Cleared {
        self.failures = 0;
        match self.phase {
            Phase::Free => Cleared::Nothing,
            Phase::Suspect { .. } => {
                self.phase = Phase::Free;
                Cleared::Nothing
            }
            Phase::Ejected { until } if now < until => Cleared::Nothing,
            Phase::Ejected { .. } => self.clear(),
        }
    }

    /// A probe passed at this depth: it knows of no reason for a suspicion that is not deeper.
    pub(super) fn confirmed(&mut self, depth: Depth) {
        if matches!(self.phase, Phase::Suspect { failed_at, .. } if failed_at <= depth) {
            self.failures = 0;
            self.phase = Phase::Free;
        }
    }

    /// Forgets what requests met, as probes have seen the origin go and come back since.
    pub(super) fn clear(&mut self) -> Cleared {
        let before = std::mem::take(&mut self.phase);
        self.failures = 0;
        if matches!(before, Phase::Ejected { .. }) { Cleared::Ejection } else { Cleared::Nothing }
    }

    fn fail_trial(&mut self, failed_at: Depth, rules: &EjectionRules, peers: Peers, now: Moment) {
        self.phase = Phase::Suspect { until: now + SUSPICION, failed_at };
        self.eject_if_due(rules, peers, now);
    }

    fn eject_if_due(&mut self, rules: &EjectionRules, peers: Peers, now: Moment) {
        let due = rules.consecutive_failures > 0 && self.failures >= rules.consecutive_failures;
        if due && peers.allow_ejection(rules) {
            self.eject(rules, now);
        }
    }

    fn eject(&mut self, rules: &EjectionRules, now: Moment) {
        let quiet = (now - self.ended).as_nanos() / rules.longest.as_nanos().max(1);
        let forgotten = if self.times == 0 { 0 } else { u32::try_from(quiet).unwrap_or(u32::MAX) };
        self.times = self.times.saturating_sub(forgotten).saturating_add(1);
        let length = rules.first.saturating_mul(self.times).min(rules.longest);
        self.ended = now + length;
        self.failures = 0;
        self.total += 1;
        self.phase = Phase::Ejected { until: self.ended };
    }
}

#[cfg(test)]
mod tests;
