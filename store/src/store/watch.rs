//! The thread that looks at the clock for all devices: it alone never touches one, so that it cannot hang with them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::device::Device;
use crate::watcher::DeviceState;

use super::options::Limits;

/// Deadlines are kept to a tenth of the shortest.
const LOOKS_A_DEADLINE: u32 = 10;
/// A look costs microseconds; more often than this would show in the figures of an idle node.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Watch {
    /// When devices that are still at work are given up on; `None` while the store is open.
    closing: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Watch {
    pub(super) fn start(devices: Vec<Arc<Device>>, limits: &Limits) -> Arc<Self> {
        let watch = Arc::new(Self { closing: Mutex::new(None), changed: Condvar::new() });
        let pause = (limits.read_deadline.min(limits.write_deadline) / LOOKS_A_DEADLINE).max(SHORTEST_PAUSE);
        let (watching, watched) = (watch.clone(), devices.clone());
        let started =
            std::thread::Builder::new().name("store-watch".to_owned()).spawn(move || watching.run(&watched, pause));
        if let Err(error) = started {
            // Without deadlines a device could hang its readers for ever.
            for device in devices {
                device.fail(&format!("the thread that keeps deadlines cannot be started: {error}"));
                device.abandon();
            }
        }
        watch
    }

    /// Gives up on devices that are not closed at that time.
    pub(super) fn close(&self, at: Instant) {
        let mut closing = self.closing.lock();
        *closing = Some(closing.map_or(at, |before| before.min(at)));
        self.changed.notify_all();
    }

    fn run(&self, devices: &[Arc<Device>], pause: Duration) {
        loop {
            let closing = *self.closing.lock();
            let now = Instant::now();
            if closing.is_some_and(|at| now >= at) {
                for device in devices {
                    device.abandon();
                }
                return;
            }
            for device in devices {
                // A watcher that panics here must not take the deadlines of all devices along.
                std::panic::catch_unwind(AssertUnwindSafe(|| device.look_at_clock(now))).unwrap_or_default();
            }
            if closing.is_some() && devices.iter().all(|device| device.state() == DeviceState::Closed) {
                return;
            }
            let mut closing = self.closing.lock();
            let until = closing.map_or(now + pause, |at| at.min(now + pause));
            self.changed.wait_until(&mut closing, until);
        }
    }
}
