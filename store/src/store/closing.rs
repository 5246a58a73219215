//! The end of a store: what is queued is written, within a deadline.

use std::time::{Duration, Instant};

use crate::device::Ending;
use crate::watcher::DeviceState;

use super::Store;

/// How a store was closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// Records that were queued and are lost: the deadline came first, or their device does not work.
    pub lost: u64,
    /// Threads that hang in an operation and were left behind.
    pub hanging: usize,
}

impl Store {
    /// Closes the store: writes what is queued, makes it durable and lets the directories go, or gives up at the
    /// deadline. Nothing can be read or written from now on.
    pub async fn close(&self, deadline: Duration) -> Closed {
        for device in &self.devices {
            device.end(Ending::Flush);
        }
        self.watch.close(Instant::now() + deadline);
        for device in &self.devices {
            // A device that is gone is closed.
            device.until(|state| state == DeviceState::Closed).await.ok();
        }
        let mut closed = Closed::default();
        for device in &self.devices {
            closed.lost += device.queue_depth().0;
            closed.hanging += device.at_work();
        }
        closed
    }
}
