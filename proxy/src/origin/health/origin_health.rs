//! The health of one origin, by the rules of one configuration: what requests report and what they are told.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tidegate_steering::health::{HealthState, Moment, Peers, ProbeResult, Report, View};

use super::lasting::{HealthFacts, LastProbe, LastingHealth, Trial, reason_label};
use super::registry::PoolHealth;
use crate::telemetry::{OriginMetrics, ProbeOutcome};

/// The health of one origin.
pub struct OriginHealth {
    pool: Arc<PoolHealth>,
    place: usize,
    lasting: Arc<LastingHealth>,
    metrics: Arc<OriginMetrics>,
    /// The longest that a trial request may be under way.
    trial_patience: Duration,
}

impl OriginHealth {
    pub(super) fn new(
        pool: Arc<PoolHealth>,
        place: usize,
        lasting: Arc<LastingHealth>,
        metrics: Arc<OriginMetrics>,
        trial_patience: Duration,
    ) -> Self {
        Self { pool, place, lasting, metrics, trial_patience }
    }

    /// A request found no connection; `refused` when nobody listens there.
    pub fn connection_failed(&self, refused: bool) {
        if refused {
            self.report(Report::Refused, "a request's connection was refused");
        } else {
            self.report(Report::Unreachable, "a request got no connection");
        }
    }

    /// A request got a connection, and then no answer in time.
    pub fn timed_out(&self) {
        self.report(Report::TimedOut, "a request was not answered in time");
    }

    /// A request was answered by a gateway error, or its exchange broke off.
    pub fn gateway_error(&self) {
        self.report(Report::GatewayError, "a request met a gateway error");
    }

    /// A request was answered. Costs one load while nothing is wrong.
    pub fn succeeded(&self) {
        if !self.lasting.state().is_clean() {
            self.change(Report::Succeeded, None);
        }
    }

    /// What to think of it now.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        self.lasting.view(&self.pool.rules, now)
    }

    /// Why it is seen so, in one word.
    #[must_use]
    pub fn reason(view: &View) -> &'static str {
        reason_label(view)
    }

    /// Takes the one trial of an origin that is suspect or ejected; none when another request has it.
    pub(in crate::origin) fn claim_trial(&self, now: Instant) -> Option<Trial> {
        self.lasting.claim_trial(now, self.trial_patience)
    }

    /// Whether this is a trial of it.
    #[must_use]
    pub fn is_tried_by(&self, trial: &Trial) -> bool {
        trial.is_of(&self.lasting)
    }

    /// Nobody probes it any more, and what probes found out nobody would ever take back.
    pub(super) fn forget_probes(&self) {
        self.lasting.change(&self.pool.rules, Instant::now(), |state, _, _| state.forget_probes());
    }

    /// The state itself, for what views leave out.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.lasting.state()
    }

    /// What its falls add up to.
    #[must_use]
    pub fn flap_penalty(&self, now: Instant) -> f64 {
        self.lasting.state().flap_penalty(self.lasting.moment(now))
    }

    /// How it got where it is.
    #[must_use]
    pub(in crate::origin) fn facts(&self) -> HealthFacts {
        self.lasting.facts()
    }

    /// A probe ended.
    pub(super) fn probed(&self, result: ProbeResult, probe: LastProbe, began: Instant) {
        self.metrics.probed(probe.outcome, probe.duration);
        self.lasting.change(&self.pool.rules, Instant::now(), |state, facts, moment| {
            state.probed(result, &self.pool.rules, moment);
            if probe.outcome != ProbeOutcome::Passed {
                facts.last_error.clone_from(&probe.error);
            }
            facts.last_probe = Some(probe);
            facts.probed_at = Some(began);
        });
    }

    /// When the latest probe began.
    pub(super) fn probed_at(&self) -> Option<Instant> {
        self.lasting.facts().probed_at
    }

    /// Resolves when a request doubts it.
    pub(super) async fn doubted(&self) {
        self.lasting.doubted.notified().await;
    }

    /// A moment of its state as the time of day, for operators.
    #[must_use]
    pub fn wall_clock(&self, moment: Moment) -> SystemTime {
        let now = self.lasting.moment(Instant::now());
        let wall = SystemTime::now();
        if moment > now { wall + (moment - now) } else { wall - (now - moment) }
    }

    fn report(&self, report: Report, error: &str) {
        let state = self.change(report, Some(error));
        if state.wants_probe_soon() {
            self.lasting.doubted.notify_one();
        }
    }

    fn change(&self, report: Report, error: Option<&str>) -> HealthState {
        let _one_at_a_time = self.pool.decisions.lock();
        let now = Instant::now();
        let peers = self.peers(now);
        self.lasting.end_trial();
        self.lasting.change(&self.pool.rules, now, |state, facts, moment| {
            let ejections = state.ejections();
            state.reported(report, &self.pool.rules, peers, moment);
            if let Some(error) = error {
                facts.last_error = Some(error.to_owned());
            }
            if state.ejections() > ejections {
                self.metrics.ejected();
            }
        })
    }

    fn peers(&self, now: Instant) -> Peers {
        let others = self.pool.members.iter().enumerate().filter(|(place, _)| *place != self.place);
        others.fold(Peers::default(), |peers, (_, other)| peers.with(other.view(&self.pool.rules, now).health))
    }
}
