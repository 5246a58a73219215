//! Gates: places where a response waits until the test lets it go on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// A place in a response. Cheap to clone; all clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    fn new() -> Self {
        Self { open: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }

    /// Lets every response go on that waits here or will come here.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until a response has come here: everything before the gate has been written.
    pub async fn reached(&self) {
        let mut waiting = self.waiting.subscribe();
        let reached = waiting.wait_for(|count| *count > 0);
        crate::within("the origin to reach a gate", reached).await.expect("the sender lives in self");
    }

    /// Waits here until the gate opens.
    pub(super) async fn pass(&self) {
        self.waiting.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.expect("the sender lives in self");
    }
}

/// Gates by name.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<String, Gate>>);

impl Gates {
    pub(super) fn gate(&self, name: &str) -> Gate {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(name.to_owned()).or_insert_with(Gate::new).clone()
    }
}
