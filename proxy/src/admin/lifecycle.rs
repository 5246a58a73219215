//! What the node wants of the world: nothing yet, traffic, no new clients, or to end.
//!
//! ```text
//! Starting ──▶ Active ◀──▶ DnsOut ◀──▶ ConnectionDrain        any of them ──▶ Stopping
//! ```
//!
//! Intentions (started, drain, stop) are set by the server and the operator; the state follows from them, so that a
//! drain asked for during the start holds. Readers take one atomic load. Requests in flight are not known here.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tidegate_config::ids::NodeName;
use tokio::sync::watch;

use crate::listener::Signals;

/// Where the node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleState {
    /// Not all listeners serve yet.
    Starting,
    /// Serving, and wants clients.
    Active,
    /// Serving, and tells DNS to send clients elsewhere.
    DnsOut,
    /// As before, and sends connected clients away as their requests end.
    ConnectionDrain,
    /// Accepts nothing more and ends when requests in flight have. Final.
    Stopping,
}

/// How far a drain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainPhase {
    /// Readiness fails; everything else goes on.
    Dns,
    /// Connections are asked to close, too.
    Connections,
}

/// Whether the node wants clients, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Whether DNS should send clients here.
    pub ready: bool,
    /// The state this follows from.
    pub state: LifecycleState,
    /// Why it is not ready.
    pub reason: Option<&'static str>,
}

/// The life of one node.
#[derive(Debug)]
pub struct Lifecycle {
    state: AtomicU8,
    intentions: Mutex<Intentions>,
    drain: watch::Sender<bool>,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Intentions {
    started: bool,
    drain: Option<DrainPhase>,
    stopping: bool,
}

impl LifecycleState {
    const ALL: [Self; 5] = [Self::Starting, Self::Active, Self::DnsOut, Self::ConnectionDrain, Self::Stopping];

    /// Its name in answers and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Active => "active",
            Self::DnsOut => "dns_out",
            Self::ConnectionDrain => "connection_drain",
            Self::Stopping => "stopping",
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("the node is starting"),
            Self::Active => None,
            Self::DnsOut => Some("drained by the operator: new clients go elsewhere"),
            Self::ConnectionDrain => Some("drained by the operator: connections are closing"),
            Self::Stopping => Some("the node is stopping"),
        }
    }
}

impl Lifecycle {
    /// A node that is starting.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(LifecycleState::Starting as u8),
            intentions: Mutex::default(),
            drain: watch::Sender::new(false),
            stop: watch::Sender::new(false),
        }
    }

    /// The signals for listeners and connections.
    #[must_use]
    pub fn signals(&self) -> Signals {
        Signals { drain: self.drain.subscribe(), stop: self.stop.subscribe() }
    }

    /// All listeners serve.
    pub fn started(&self) -> LifecycleState {
        self.change(|intentions| intentions.started = true)
    }

    /// Drains, or changes how far a drain goes, back also.
    pub fn drain(&self, phase: DrainPhase) -> LifecycleState {
        self.change(|intentions| intentions.drain = Some(phase))
    }

    /// Ends a drain.
    pub fn undrain(&self) -> LifecycleState {
        self.change(|intentions| intentions.drain = None)
    }

    /// Begins the end.
    pub fn stop(&self) -> LifecycleState {
        self.change(|intentions| intentions.stopping = true)
    }

    /// Changes an intention and draws the conclusions, in the order in which the changes come.
    fn change(&self, apply: impl FnOnce(&mut Intentions)) -> LifecycleState {
        let mut intentions = self.intentions.lock();
        let before = intentions.state();
        apply(&mut intentions);
        let state = intentions.state();
        self.state.store(state as u8, Ordering::Release);
        let drains = matches!(state, LifecycleState::ConnectionDrain | LifecycleState::Stopping);
        send_change(&self.drain, drains);
        send_change(&self.stop, state == LifecycleState::Stopping);
        if state != before {
            log::info!(from = before.label(), to = state.label(); "the node's state changed");
        }
        state
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> LifecycleState {
        let index = usize::from(self.state.load(Ordering::Acquire));
        // Only discriminants are ever stored.
        LifecycleState::ALL.get(index).copied().unwrap_or(LifecycleState::Stopping)
    }

    /// Whether the node wants clients now.
    #[must_use]
    pub fn verdict(&self) -> Readiness {
        let state = self.state();
        Readiness { ready: state == LifecycleState::Active, state, reason: state.reason() }
    }

    /// [`Self::verdict`] as a JSON body of a few hundred bytes at most. Checkers read only the first 5,120 bytes.
    #[must_use]
    pub fn verdict_json(&self, node: &NodeName) -> Bytes {
        let verdict = self.verdict();
        let reason = verdict.reason;
        to_bytes(&Verdict { ready: Some(verdict.ready), live: None, state: verdict.state.label(), reason, node })
    }

    /// The answer to whether the process is alive, which is always yes, as a JSON body.
    #[must_use]
    pub fn live_json(&self, node: &NodeName) -> Bytes {
        to_bytes(&Verdict { ready: None, live: Some(true), state: self.state().label(), reason: None, node })
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Intentions {
    fn state(&self) -> LifecycleState {
        match (self.stopping, self.drain, self.started) {
            (true, _, _) => LifecycleState::Stopping,
            (false, Some(DrainPhase::Connections), _) => LifecycleState::ConnectionDrain,
            (false, Some(DrainPhase::Dns), _) => LifecycleState::DnsOut,
            (false, None, true) => LifecycleState::Active,
            (false, None, false) => LifecycleState::Starting,
        }
    }
}

#[derive(Serialize)]
struct Verdict<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(serialize_with = "name_as_text")]
    node: &'a NodeName,
}

fn name_as_text<S: serde::Serializer>(name: &NodeName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

fn to_bytes(verdict: &Verdict<'_>) -> Bytes {
    // Texts, booleans and nothing else: cannot fail.
    Bytes::from(serde_json::to_vec(verdict).unwrap_or_default())
}

/// Wakes receivers only when the value is another one.
fn send_change(sender: &watch::Sender<bool>, value: bool) {
    sender.send_if_modified(|current| std::mem::replace(current, value) != value);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Step = fn(&Lifecycle) -> LifecycleState;
    const START: Step = Lifecycle::started;
    const DRAIN_DNS: Step = |lifecycle| lifecycle.drain(DrainPhase::Dns);
    const DRAIN_CONNECTIONS: Step = |lifecycle| lifecycle.drain(DrainPhase::Connections);
    const UNDRAIN: Step = Lifecycle::undrain;
    const STOP: Step = Lifecycle::stop;

    fn check(steps: &[Step], state: LifecycleState, drain: bool, stop: bool) {
        let lifecycle = Lifecycle::new();
        let signals = lifecycle.signals();
        for step in steps {
            assert_eq!(step(&lifecycle), lifecycle.state());
        }
        assert_eq!(lifecycle.state(), state);
        assert_eq!((*signals.drain.borrow(), *signals.stop.borrow()), (drain, stop), "{state:?}");
        let verdict = lifecycle.verdict();
        assert_eq!(verdict.ready, state == LifecycleState::Active);
        assert_eq!(verdict.reason.is_none(), verdict.ready);
    }

    #[test]
    fn states_follow_from_intentions() {
        check(&[], LifecycleState::Starting, false, false);
        check(&[START], LifecycleState::Active, false, false);
        check(&[START, DRAIN_DNS], LifecycleState::DnsOut, false, false);
        check(&[START, DRAIN_CONNECTIONS], LifecycleState::ConnectionDrain, true, false);
        check(&[START, DRAIN_DNS, DRAIN_CONNECTIONS], LifecycleState::ConnectionDrain, true, false);
        check(&[START, DRAIN_CONNECTIONS, DRAIN_DNS], LifecycleState::DnsOut, false, false);
        check(&[START, DRAIN_CONNECTIONS, UNDRAIN], LifecycleState::Active, false, false);
        check(&[START, STOP], LifecycleState::Stopping, true, true);
    }

    #[test]
    fn a_drain_during_the_start_holds() {
        check(&[DRAIN_DNS, START], LifecycleState::DnsOut, false, false);
        check(&[DRAIN_DNS, UNDRAIN], LifecycleState::Starting, false, false);
    }

    #[test]
    fn stopping_is_final() {
        check(&[START, STOP, UNDRAIN, START, DRAIN_DNS], LifecycleState::Stopping, true, true);
        check(&[STOP], LifecycleState::Stopping, true, true);
    }

    #[test]
    fn the_verdict_is_small_json_that_names_the_node() {
        let lifecycle = Lifecycle::new();
        let node = NodeName::parse(&"n".repeat(63)).unwrap();
        for step in [START, DRAIN_DNS, DRAIN_CONNECTIONS, STOP] {
            step(&lifecycle);
            let body = lifecycle.verdict_json(&node);
            assert!(body.len() < 512);
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["ready"], lifecycle.verdict().ready);
            assert_eq!(json["state"], lifecycle.state().label());
            assert_eq!(json["node"], node.as_str());
            let live: serde_json::Value = serde_json::from_slice(&lifecycle.live_json(&node)).unwrap();
            assert_eq!(live["live"], true);
        }
    }
}
