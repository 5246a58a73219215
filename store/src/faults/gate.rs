//! Where an operation hangs until the test lets it go.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A test that forgets to open its gate ends nevertheless.
const LONGEST_HANG: Duration = Duration::from_secs(60);

/// A gate that is closed until it is opened. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.state.lock().open = true;
        self.0.changed.notify_all();
    }

    /// Blocks until so many operations wait at the gate; `false` when it took too long.
    pub fn until_waiting(&self, count: usize) -> bool {
        let mut state = self.0.state.lock();
        let missing = |state: &mut State| state.waiting < count;
        !self.0.changed.wait_while_for(&mut state, missing, LONGEST_HANG).timed_out()
    }

    /// Waits here until it is open.
    pub fn pass(&self) {
        let mut state = self.0.state.lock();
        state.waiting += 1;
        self.0.changed.notify_all();
        self.0.changed.wait_while_for(&mut state, |state| !state.open, LONGEST_HANG);
        state.waiting -= 1;
        self.0.changed.notify_all();
    }
}
