//! All that is known of one origin's health, and what follows from it.

use std::time::Duration;

use super::damping::Damping;
use super::ejection::{Cleared, Ejection, EjectionRules, Peers, Phase};
use super::fall_rise::{Change, Depth, FallRise, ProbeResult, Thresholds, Verdict};
use super::moment::Moment;
use super::slow_start;
use crate::candidate::{Health, Share};

/// What an operator set for the origins of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRules {
    /// How many probes change the verdict; nothing is probed without.
    pub probes: Option<Thresholds>,
    /// From coming up to the full share.
    pub slow_start: Duration,
    /// When requests eject.
    pub ejection: EjectionRules,
}

/// When an origin came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// Together with its pool: whoever starts must serve, at full share.
    WithPool,
    /// Later, beside origins that serve already: its share grows.
    Later,
}

/// What a request to the origin met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Nobody listens there.
    Refused,
    /// No connection for another reason.
    Unreachable,
    /// A connection, and then nothing in time.
    TimedOut,
    /// An answer that is a gateway error, or none that is whole.
    GatewayError,
    /// An answer.
    Succeeded,
}

/// Why an origin is seen as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No probe has ended, and no request has failed.
    NothingKnown,
    /// Probes pass, or requests do.
    Works,
    /// Works again, with a share that grows.
    SlowStart,
    /// Probes fail, or a connection was refused.
    Fails,
    /// Works at the moment, but has fallen too often.
    Flaps {
        /// When it may come back.
        until: Moment,
    },
    /// A request failed a moment ago.
    Suspected {
        /// When one request may try again.
        until: Moment,
    },
    /// Requests failed in a row.
    Ejected {
        /// When one request may try again.
        until: Moment,
    },
}

/// What to think of an origin at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// For steering.
    pub health: Health,
    /// How much of its weight it gets.
    pub share: Share,
    /// Whether one request may try it, although it is suspect or ejected.
    pub trial: bool,
    /// Why.
    pub reason: Reason,
}

/// Health of one origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthState {
    probes: FallRise,
    ejection: Ejection,
    damping: Damping,
    /// When it came up, unless that was at the start.
    came_up: Option<Moment>,
}

impl HealthState {
    /// An origin of which nothing is known.
    #[must_use]
    pub fn new(joined: Joined, now: Moment) -> Self {
        let came_up = (joined == Joined::Later).then_some(now);
        Self { probes: FallRise::default(), ejection: Ejection::default(), damping: Damping::default(), came_up }
    }

    /// A probe ended.
    pub fn probed(&mut self, result: ProbeResult, rules: &HealthRules, now: Moment) {
        let Some(thresholds) = rules.probes else { return };
        let confirmed_failure = result == ProbeResult::Failed && self.is_suspect();
        // A request and a probe that fail independently of each other leave no doubt.
        let change = if confirmed_failure { self.probes.fall() } else { self.probes.observe(result, thresholds) };
        if let ProbeResult::Passed(depth) = result
            && self.probes.verdict() == Verdict::Up
        {
            self.ejection.confirmed(depth);
        }
        self.changed(change, now);
    }

    /// A request ended. `peers` are the other origins of the pool.
    pub fn reported(&mut self, report: Report, rules: &HealthRules, peers: Peers, now: Moment) {
        let ejection = &rules.ejection;
        match report {
            Report::Refused if rules.probes.is_some() => {
                let change = self.probes.fall();
                self.changed(change, now);
            }
            Report::Refused => self.ejection.refused(ejection, peers, now),
            Report::Unreachable => self.ejection.avoid(Depth::Connection, ejection, peers, now),
            Report::TimedOut => self.ejection.avoid(Depth::Exchange, ejection, peers, now),
            Report::GatewayError => self.ejection.failed(ejection, peers, now),
            Report::Succeeded => {
                if self.ejection.succeeded(now) == Cleared::Ejection {
                    self.came_up = Some(now);
                }
            }
        }
    }

    /// Nobody probes it any more; what probes said is no longer known.
    pub fn forget_probes(&mut self) {
        self.probes.forget();
    }

    /// What to think of it now.
    #[must_use]
    pub fn view(&self, rules: &HealthRules, now: Moment) -> View {
        let view = |health, reason| View { health, share: Share::FULL, trial: false, reason };
        let passive = |health, until, reason| View { trial: now >= until, ..view(health, reason) };
        if self.verdict(rules) == Verdict::Down {
            return view(Health::Down, Reason::Fails);
        }
        if let Some(until) = self.damping.held_until(now) {
            return view(Health::Down, Reason::Flaps { until });
        }
        match self.ejection.phase() {
            Phase::Ejected { until } => passive(Health::Ejected, until, Reason::Ejected { until }),
            Phase::Suspect { until, .. } => passive(Health::Suspect, until, Reason::Suspected { until }),
            Phase::Free => self.usable(rules, now),
        }
    }

    /// Whether the next probe should not wait for its turn: it is coming back, or a request doubts it.
    #[must_use]
    pub fn wants_probe_soon(&self) -> bool {
        (self.probes.verdict() == Verdict::Down && self.probes.is_in_doubt()) || self.is_suspect()
    }

    /// Whether a success has nothing to change.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.ejection.phase() == Phase::Free && self.ejection.failures() == 0
    }

    /// Failures of requests in a row.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.ejection.failures()
    }

    /// How often requests have ejected it.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejection.total()
    }

    /// What its falls add up to, decayed.
    #[must_use]
    pub fn flap_penalty(&self, now: Moment) -> f64 {
        self.damping.penalty(now)
    }

    fn is_suspect(&self) -> bool {
        matches!(self.ejection.phase(), Phase::Suspect { .. })
    }

    /// That of the probes. Where there are none it is unknown: a late request of other rules may still have said something.
    fn verdict(&self, rules: &HealthRules) -> Verdict {
        rules.probes.map_or(Verdict::Unknown, |_| self.probes.verdict())
    }

    fn usable(&self, rules: &HealthRules, now: Moment) -> View {
        let share = self.came_up.map_or(Share::FULL, |from| slow_start::share(from, rules.slow_start, now));
        let (health, works) = match self.verdict(rules) {
            Verdict::Unknown => (Health::Unknown, Reason::NothingKnown),
            Verdict::Up | Verdict::Down => (Health::Healthy, Reason::Works),
        };
        let reason = if share == Share::FULL { works } else { Reason::SlowStart };
        View { health, share, trial: false, reason }
    }

    fn changed(&mut self, change: Option<Change>, now: Moment) {
        match change {
            None | Some(Change::First) => {}
            Some(Change::Fell) => self.damping.fell(now),
            Some(Change::Rose) => {
                self.ejection.clear();
                self.came_up = Some(self.damping.held_until(now).unwrap_or(now));
            }
        }
    }
}

#[cfg(test)]
mod tests;
