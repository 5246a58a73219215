//! Letting go of what nobody will ask for, while there is nothing to write.
//!
//! Owns when it is done and how fast. Records that expired go from memory with every sweep; the keeper is asked of all
//! records only when somebody wants it (after a purge), since the head of each has to be read for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::keeper::Keeper;
use crate::volume::{Cursor, Volume};
use crate::watcher::Event;

use super::Device;

/// Entries of a step that looks at the index alone: less than a millisecond.
const ENTRIES_A_STEP: usize = 4096;
/// Heads of a step that reads them.
const HEADS_A_STEP: usize = 64;
/// Between two steps, so that a sweep takes no more than a few thousand reads a second from those who wait.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the sweep of a device is.
pub(super) struct Sweep {
    cursor: Option<Cursor>,
    judging: bool,
    due: Instant,
    seen: u64,
    expired: u64,
    dropped: u64,
}

impl Sweep {
    pub(super) fn beginning_in(interval: Duration) -> Self {
        let due = Instant::now() + interval;
        Self { cursor: None, judging: false, due, seen: 0, expired: 0, dropped: 0 }
    }

    /// When the next step is to be done.
    pub(super) fn due(&self, wanted: &AtomicBool) -> Instant {
        match self.cursor {
            None if wanted.load(Ordering::Acquire) => Instant::now(),
            _ => self.due,
        }
    }

    /// A step, if it is time.
    pub(super) fn step(&mut self, device: &Device, volume: &Volume) -> std::io::Result<()> {
        let due = self.due(&device.sweep_wanted);
        if Instant::now() < due {
            return Ok(());
        }
        let from = self.cursor.unwrap_or_else(|| {
            // Who wants one while this is under way gets another after it.
            *self = Self { judging: device.sweep_wanted.swap(false, Ordering::AcqRel), ..Self::beginning_in(PAUSE) };
            Cursor::default()
        });
        let (most, keeper): (usize, Option<&dyn Keeper>) = match self.judging {
            true => (HEADS_A_STEP, Some(&*device.setting.keeper)),
            false => (ENTRIES_A_STEP, None),
        };
        let swept = volume.sweep(from, most, keeper).inspect_err(|_| self.cursor = None)?;
        self.seen += swept.seen;
        self.expired += swept.expired;
        self.dropped += swept.dropped;
        self.cursor = swept.next;
        self.due = Instant::now() + PAUSE;
        if swept.next.is_none() {
            let Self { seen, expired, dropped, .. } = *self;
            device.saw(&Event::Swept { seen, expired, dropped });
            self.due = Instant::now() + device.setting.limits.sweep_interval;
        }
        Ok(())
    }
}

impl Device {
    /// Has the keeper be asked of all that is stored, in the background.
    pub(crate) fn sweep(&self) {
        self.sweep_wanted.store(true, Ordering::Release);
        self.writes.wake();
    }
}
