//! What the origin was asked, for assertions.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// How far the answer to a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Still being written, or waiting.
    Running,
    /// Written to its end, as the script wanted it.
    Written,
    /// The other side went away before.
    PeerLeft,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its method.
    pub method: String,
    /// Its target, as sent.
    pub target: String,
    /// Its fields in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// How far the answer got.
    pub outcome: Outcome,
}

impl Recorded {
    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The Host field, or nothing.
    #[must_use]
    pub fn host(&self) -> &str {
        self.field("host").unwrap_or_default()
    }

    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// All requests so far; waiters are told of every change.
#[derive(Debug, Default)]
pub(super) struct Records {
    requests: Mutex<Vec<Recorded>>,
    changes: watch::Sender<u64>,
}

impl Records {
    /// Adds a request and returns its number.
    pub(super) fn add(&self, request: Recorded) -> usize {
        let number = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(request);
            requests.len() - 1
        };
        self.announce();
        number
    }

    pub(super) fn end(&self, number: usize, outcome: Outcome) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)[number].outcome = outcome;
        self.announce();
    }

    /// Wakes the waiters. Never called with `requests` locked: they look there while they hold the channel.
    fn announce(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(super) fn select(&self, wanted: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| wanted(request)).cloned().collect()
    }

    pub(super) async fn wait_for(&self, count: usize, wanted: impl Fn(&Recorded) -> bool) {
        let mut changes = self.changes.subscribe();
        let enough = changes.wait_for(|_| self.select(&wanted).len() >= count);
        enough.await.expect("the sender lives in self");
    }
}
