//! What one origin is asked at the same time, and who waits for a turn: the circuit and the bounds of
//! [`OriginLimits`] under one short lock.
//!
//! Waiting is fair: first come, first served among those that could go. Whoever waits tries again by itself when it
//! is woken, so that a request that was cancelled meanwhile can neither hold a place nor lose one.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tidegate_config::model::{OriginLimits, OriginPool};
use tokio::sync::Notify;

use super::circuit::{Circuit, CircuitState, Passage};
use super::latencies::Latencies;
use super::seldom::Seldom;
use crate::telemetry::{OriginMetrics, Rejection};

/// Parts of a second whose requests may come at once where `limits.rate` bounds them: players ask in bursts, and an
/// origin that is given a rate shall not get a second's worth in one moment.
const BURSTS_PER_SECOND: u32 = 10;

/// What a request is, as far as bounds differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A request that passes.
    Pass,
    /// A fetch of the cache.
    Fill,
    /// One that the origin may hold back until what it asks for exists. It takes no place from those that are answered
    /// at once, and has as many places of its own as all of them.
    HeldBack,
}

/// What operators see of an origin's circuit and load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitView {
    /// The circuit.
    pub circuit: CircuitState,
    /// How long it lets nothing through yet.
    pub left_open: Duration,
    /// Requests under way, fills included.
    pub requests: u32,
    /// Fills under way.
    pub fills: u32,
    /// Requests that wait for their turn.
    pub pending: u32,
}

/// Circuit and load of one origin. It outlives configurations: the bounds come with each request.
pub struct OriginProtection {
    state: Mutex<State>,
    rate: ArcSwapOption<Rate>,
    /// How long its answers take.
    pub latencies: Latencies,
    /// Lines of the log on its failed connections.
    pub failed_connections: Seldom,
    metrics: Arc<OriginMetrics>,
}

struct State {
    circuit: Circuit,
    requests: u32,
    fills: u32,
    held_back: u32,
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
}

struct Waiting {
    ticket: u64,
    demand: Demand,
    turn: Arc<Notify>,
}

struct Rate {
    a_second: u32,
    limiter: DefaultDirectRateLimiter,
}

/// Why a request cannot go at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// The circuit; waiting does not help.
    Circuit,
    /// Too many at the same time, or others came before.
    Full(Rejection),
    /// The rate, for so long.
    Rate(Duration),
}

impl Obstacle {
    fn rejection(self) -> Rejection {
        match self {
            Self::Circuit => Rejection::Circuit,
            Self::Full(rejection) => rejection,
            Self::Rate(_) => Rejection::Rate,
        }
    }
}

impl OriginProtection {
    /// That of an origin that has not been asked yet.
    #[must_use]
    pub fn new(metrics: Arc<OriginMetrics>, now: Instant) -> Self {
        let circuit = Circuit::new(now);
        let state = State { circuit, requests: 0, fills: 0, held_back: 0, waiting: VecDeque::new(), next_ticket: 0 };
        Self {
            state: Mutex::new(state),
            rate: ArcSwapOption::empty(),
            latencies: Latencies::default(),
            failed_connections: Seldom::new(now),
            metrics,
        }
    }

    /// Leave to ask it now, or why not.
    pub fn admit(self: &Arc<Self>, demand: Demand, pool: &Arc<OriginPool>) -> Result<Permit, Rejection> {
        let mut state = self.state.lock();
        let ahead = state.waiting.len();
        let passage = self.attempt(&mut state, demand, ahead, &pool.limits, Instant::now());
        match passage {
            Ok(passage) => Ok(self.permit(demand, passage, pool)),
            Err(obstacle) => {
                drop(state);
                self.metrics.rejected(obstacle.rejection());
                Err(obstacle.rejection())
            }
        }
    }

    /// Whether there would be leave at this moment, its rate aside.
    #[must_use]
    pub fn has_room(&self, demand: Demand, limits: &OriginLimits, now: Instant) -> bool {
        let state = self.state.lock();
        state.circuit.passage(now) != Passage::Barred && state.room(demand, limits).is_ok()
    }

    /// Waits for leave to ask it, until `deadline` and no longer than `limits.pending_timeout`.
    pub async fn wait(
        self: &Arc<Self>,
        demand: Demand,
        pool: &Arc<OriginPool>,
        deadline: Option<Instant>,
    ) -> Result<Permit, Rejection> {
        let limits = &pool.limits;
        let outcome = match Ticket::draw(self, demand, limits) {
            Some(ticket) => {
                let end = Instant::now() + limits.pending_timeout;
                ticket.turn(limits, deadline.map_or(end, |deadline| deadline.min(end))).await
            }
            None => Err(Rejection::PendingFull),
        };
        match outcome {
            Ok(passage) => Ok(self.permit(demand, passage, pool)),
            Err(rejection) => {
                self.metrics.rejected(rejection);
                Err(rejection)
            }
        }
    }

    /// What operators see.
    #[must_use]
    pub fn view(&self, now: Instant) -> CircuitView {
        let state = self.state.lock();
        CircuitView {
            circuit: state.circuit.state(),
            left_open: state.circuit.left_open(now),
            requests: state.requests,
            fills: state.fills,
            pending: u32::try_from(state.waiting.len()).unwrap_or(u32::MAX),
        }
    }

    /// The same for the operator's listener.
    #[must_use]
    pub fn report(&self, now: Instant) -> serde_json::Value {
        let view = self.view(now);
        serde_json::json!({
            "state": view.circuit.label(),
            "left_open_ms": u64::try_from(view.left_open.as_millis()).unwrap_or(u64::MAX),
            "in_flight": view.requests,
            "fills": view.fills,
            "pending": view.pending,
        })
    }

    /// Takes a place for a request that so many wait ahead of.
    fn attempt(
        &self,
        state: &mut State,
        demand: Demand,
        ahead: usize,
        limits: &OriginLimits,
        now: Instant,
    ) -> Result<Passage, Obstacle> {
        let passage = state.circuit.passage(now);
        if passage == Passage::Barred {
            return Err(Obstacle::Circuit);
        }
        state.room(demand, limits).map_err(Obstacle::Full)?;
        if state.waiting.iter().take(ahead).any(|waiting| state.room(waiting.demand, limits).is_ok()) {
            // They have room, so only the rate can hold them for longer than a moment.
            let why = if limits.rate.is_some() { Rejection::Rate } else { Rejection::Requests };
            return Err(Obstacle::Full(why));
        }
        self.within_rate(limits.rate).map_err(Obstacle::Rate)?;
        state.circuit.begin(passage);
        *state.places(demand) += 1;
        state.fills += u32::from(demand == Demand::Fill);
        self.metrics.in_flight(1);
        self.tell_circuit(state);
        Ok(passage)
    }

    fn within_rate(&self, rate: Option<u32>) -> Result<(), Duration> {
        let Some(a_second) = rate.and_then(NonZeroU32::new) else { return Ok(()) };
        let mut limiter = self.rate.load_full();
        if limiter.as_ref().is_none_or(|rate| rate.a_second != a_second.get()) {
            limiter = Some(Arc::new(Rate::new(a_second)));
            self.rate.store(limiter.clone());
        }
        let Some(limiter) = limiter else { return Ok(()) };
        limiter.limiter.check().map_err(|later| later.wait_time_from(DefaultClock::default().now()))
    }

    fn permit(self: &Arc<Self>, demand: Demand, passage: Passage, pool: &Arc<OriginPool>) -> Permit {
        Permit { protection: Arc::clone(self), pool: Arc::clone(pool), demand, passage: Some(passage), answered: None }
    }

    fn tell_circuit(&self, state: &State) {
        self.metrics.circuit(state.circuit.state().figure());
    }
}

impl State {
    fn room(&self, demand: Demand, limits: &OriginLimits) -> Result<(), Rejection> {
        let taken = if demand == Demand::HeldBack { self.held_back } else { self.requests };
        if taken >= limits.requests {
            Err(Rejection::Requests)
        } else if demand == Demand::Fill && self.fills >= limits.fills {
            Err(Rejection::Fills)
        } else {
            Ok(())
        }
    }

    fn places(&mut self, demand: Demand) -> &mut u32 {
        if demand == Demand::HeldBack { &mut self.held_back } else { &mut self.requests }
    }

    /// A place came free, or someone ahead left. Of each kind the first may be able to go.
    fn wake_next(&self) {
        for demand in [Demand::Pass, Demand::Fill, Demand::HeldBack] {
            if let Some(first) = self.waiting.iter().find(|waiting| waiting.demand == demand) {
                first.turn.notify_one();
            }
        }
    }

    fn wake_all(&self) {
        self.waiting.iter().for_each(|waiting| waiting.turn.notify_one());
    }
}

impl Rate {
    fn new(a_second: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(a_second.get() / BURSTS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        Self { a_second: a_second.get(), limiter: RateLimiter::direct(Quota::per_second(a_second).allow_burst(burst)) }
    }
}

/// A place among those that wait; given back when dropped.
struct Ticket<'a> {
    protection: &'a OriginProtection,
    number: u64,
    demand: Demand,
    turn: Arc<Notify>,
}

impl<'a> Ticket<'a> {
    fn draw(protection: &'a OriginProtection, demand: Demand, limits: &OriginLimits) -> Option<Self> {
        let mut state = protection.state.lock();
        if state.waiting.len() >= limits.pending as usize {
            return None;
        }
        let (number, turn) = (state.next_ticket, Arc::new(Notify::new()));
        state.next_ticket += 1;
        state.waiting.push_back(Waiting { ticket: number, demand, turn: Arc::clone(&turn) });
        protection.metrics.pending(1);
        Some(Self { protection, number, demand, turn })
    }

    async fn turn(self, limits: &OriginLimits, end: Instant) -> Result<Passage, Rejection> {
        loop {
            let obstacle = match self.attempt(limits) {
                Ok(passage) => return Ok(passage),
                Err(Obstacle::Circuit) => return Err(Rejection::Circuit),
                Err(obstacle) => obstacle,
            };
            let until = match obstacle {
                Obstacle::Rate(wait) => end.min(Instant::now() + wait),
                Obstacle::Full(_) | Obstacle::Circuit => end,
            };
            let woken = tokio::time::timeout_at(until.into(), self.turn.notified()).await.is_ok();
            if !woken && Instant::now() >= end {
                return Err(Rejection::PendingTimeout);
            }
        }
    }

    fn attempt(&self, limits: &OriginLimits) -> Result<Passage, Obstacle> {
        let mut state = self.protection.state.lock();
        let ahead = state.waiting.iter().position(|waiting| waiting.ticket == self.number).unwrap_or(0);
        self.protection.attempt(&mut state, self.demand, ahead, limits, Instant::now())
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.protection.state.lock();
        state.waiting.retain(|waiting| waiting.ticket != self.number);
        self.protection.metrics.pending(-1);
        state.wake_next();
    }
}

/// Leave to ask an origin; its place is free again when this is dropped.
pub struct Permit {
    protection: Arc<OriginProtection>,
    pool: Arc<OriginPool>,
    demand: Demand,
    /// Until its outcome is told.
    passage: Option<Passage>,
    /// Its passage and when it was answered: what breaks off later was no answer.
    answered: Option<(Passage, Instant)>,
}

impl Permit {
    /// The origin answered.
    pub fn succeeded(&mut self, now: Instant) {
        if let Some(passage) = self.passage.take() {
            let mut state = self.protection.state.lock();
            state.circuit.succeeded(passage, now);
            self.answered = Some((passage, now));
            self.protection.tell_circuit(&state);
            state.wake_next();
        }
    }

    /// It failed, maybe after it had begun to answer. Counts once.
    pub fn failed(&mut self, now: Instant) {
        let (passage, answered) = (self.passage.take(), self.answered.take());
        let mut state = self.protection.state.lock();
        match (passage, answered) {
            (Some(passage), _) => state.circuit.failed(passage, now, &self.pool.limits),
            (None, Some((passage, at))) => state.circuit.broke(passage, at, now, &self.pool.limits),
            (None, None) => return,
        }
        self.protection.tell_circuit(&state);
        if state.circuit.state() == CircuitState::Open {
            state.wake_all();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.protection.state.lock();
        if self.passage == Some(Passage::Trial) {
            state.circuit.abandon();
        }
        *state.places(self.demand) -= 1;
        state.fills -= u32::from(self.demand == Demand::Fill);
        self.protection.metrics.in_flight(-1);
        state.wake_next();
    }
}

#[cfg(test)]
mod tests;
