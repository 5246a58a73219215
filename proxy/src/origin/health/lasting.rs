//! What is known of one origin, whatever the configuration in force: its state, and how it got there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tidegate_config::ids::{OriginName, PoolName};
use tidegate_steering::Health;
use tidegate_steering::health::{HealthRules, HealthState, Joined, Moment, View};
use tokio::sync::Notify;

use crate::telemetry::ProbeOutcome;

/// How a probe ended, for operators.
#[derive(Debug, Clone)]
pub(in crate::origin) struct LastProbe {
    /// When it began.
    pub at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: ProbeOutcome,
    /// What was wrong.
    pub error: Option<String>,
    /// The addresses that the origin has.
    pub addresses: Vec<SocketAddr>,
}

/// What is known of an origin beside its state.
#[derive(Debug, Clone)]
pub(in crate::origin) struct HealthFacts {
    /// Whether it is in service: usable, ejected or down.
    pub(super) announced: Standing,
    /// Since when.
    pub since: SystemTime,
    pub(super) since_instant: Instant,
    /// What went wrong last, by whatever means it was found out.
    pub last_error: Option<String>,
    /// The latest probe.
    pub last_probe: Option<LastProbe>,
    /// When the latest probe began, for the next one's turn.
    pub(super) probed_at: Option<Instant>,
}

/// Health as far as it is worth a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Usable,
    Ejected,
    Down,
}

impl From<Health> for Standing {
    fn from(health: Health) -> Self {
        match health {
            // A suspicion is short, and the failure that caused it has its own line.
            Health::Healthy | Health::Unknown | Health::Suspect => Self::Usable,
            Health::Ejected => Self::Ejected,
            Health::Down => Self::Down,
        }
    }
}

/// Everything of one origin that lasts.
pub(super) struct LastingHealth {
    pool: PoolName,
    origin: OriginName,
    epoch: Instant,
    /// What requests read.
    state: ArcSwap<HealthState>,
    /// Guards changes of the state; requests do not wait for it unless something is wrong.
    facts: Mutex<HealthFacts>,
    /// Until when a trial request is under way, in milliseconds since the epoch; 0 for none.
    trial: AtomicU64,
    /// Wakes whoever probes it.
    pub(super) doubted: Notify,
}

impl LastingHealth {
    pub(super) fn new(pool: &PoolName, origin: &OriginName, epoch: Instant, joined: Joined) -> Self {
        let now = Instant::now();
        let state = HealthState::new(joined, Moment::after(now.saturating_duration_since(epoch)));
        let facts = HealthFacts {
            announced: Standing::Usable,
            since: SystemTime::now(),
            since_instant: now,
            last_error: None,
            last_probe: None,
            probed_at: None,
        };
        Self {
            pool: pool.clone(),
            origin: origin.clone(),
            epoch,
            state: ArcSwap::from_pointee(state),
            facts: Mutex::new(facts),
            trial: AtomicU64::new(0),
            doubted: Notify::new(),
        }
    }

    pub(super) fn moment(&self, now: Instant) -> Moment {
        Moment::after(now.saturating_duration_since(self.epoch))
    }

    /// The state as it is. Wait-free.
    pub(super) fn state(&self) -> HealthState {
        **self.state.load()
    }

    pub(super) fn view(&self, rules: &HealthRules, now: Instant) -> View {
        self.state.load().view(rules, self.moment(now))
    }

    pub(super) fn facts(&self) -> HealthFacts {
        self.facts.lock().clone()
    }

    /// Changes the state, puts it in force for every thread at once, and tells what that meant.
    pub(super) fn change(
        &self,
        rules: &HealthRules,
        now: Instant,
        change: impl FnOnce(&mut HealthState, &mut HealthFacts, Moment),
    ) -> HealthState {
        let mut facts = self.facts.lock();
        let mut state = self.state();
        change(&mut state, &mut facts, self.moment(now));
        self.state.store(Arc::new(state));
        self.announce(&state.view(rules, self.moment(now)), &mut facts, now);
        state
    }

    /// Takes the one trial that may be under way, for so long at most.
    pub(super) fn claim_trial(self: &Arc<Self>, now: Instant, patience: Duration) -> Option<Trial> {
        let milliseconds = |moment: Moment| u64::try_from(moment.since_start().as_millis()).unwrap_or(u64::MAX);
        let taken_until = self.trial.load(Ordering::Acquire);
        let now = self.moment(now);
        let until = milliseconds(now + patience).max(1);
        if taken_until > milliseconds(now) {
            return None;
        }
        self.trial.compare_exchange(taken_until, until, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(Trial { origin: Arc::clone(self), until })
    }

    /// A request told what came of it, so another trial may begin.
    pub(super) fn end_trial(&self) {
        self.trial.store(0, Ordering::Release);
    }

    fn announce(&self, view: &View, facts: &mut HealthFacts, now: Instant) {
        let standing = Standing::from(view.health);
        if standing == facts.announced {
            return;
        }
        let before = std::mem::replace(&mut facts.announced, standing);
        let lasted = now.saturating_duration_since(facts.since_instant).as_secs_f64();
        (facts.since, facts.since_instant) = (SystemTime::now(), now);
        let (pool, origin) = (self.pool.as_str(), self.origin.as_str());
        let error = facts.last_error.as_deref().unwrap_or("none");
        let reason = reason_label(view);
        match standing {
            Standing::Usable => {
                let was = before.label();
                log::info!(
                    pool, origin, reason, last_error = error, seconds:% = format_args!("{lasted:.1}");
                    "the origin is up again after it was {was}"
                );
            }
            Standing::Ejected | Standing::Down => {
                let is = standing.label();
                log::warn!(
                    pool, origin, reason, last_error = error, seconds:% = format_args!("{lasted:.1}");
                    "the origin is {is}; seconds say how long it had been {}", before.label()
                );
            }
        }
    }
}

impl Standing {
    const fn label(self) -> &'static str {
        match self {
            Self::Usable => "up",
            Self::Ejected => "ejected",
            Self::Down => "down",
        }
    }
}

/// The one request that may find out whether an origin works again. Dropped without a report, because its request never
/// asked the origin or ended without a word on it, it makes room for another trial; but never for somebody else's: a
/// request that is no trial may end at any time.
pub struct Trial {
    origin: Arc<LastingHealth>,
    until: u64,
}

impl Trial {
    pub(super) fn is_of(&self, origin: &Arc<LastingHealth>) -> bool {
        Arc::ptr_eq(&self.origin, origin)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Nothing to do where it was reported, or its time is over and another one has begun.
        let _ended = self.origin.trial.compare_exchange(self.until, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Why it is as it is, in one word for programs.
pub(super) fn reason_label(view: &View) -> &'static str {
    use tidegate_steering::health::Reason;
    match view.reason {
        Reason::NothingKnown => "nothing_known",
        Reason::Works => "works",
        Reason::SlowStart => "slow_start",
        Reason::Fails => "fails",
        Reason::Flaps { .. } => "flaps",
        Reason::Suspected { .. } => "suspected",
        Reason::Ejected { .. } => "ejected",
    }
}
