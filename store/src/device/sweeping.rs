//! Letting go of what nobody will ask for, between writes.
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
/// A slow device has this many times as long for others as a step took.
const PAUSE_A_STEP: u32 = 3;

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

    pub(super) fn is_due(&self, device: &Device) -> bool {
        let due = self.due(&device.sweep_wanted);
        Instant::now() >= due
    }

    /// A step.
    pub(super) fn step(&mut self, device: &Device, volume: &Volume) -> std::io::Result<()> {
        let begun = Instant::now();
        let from = self.cursor.unwrap_or_else(|| {
            // Who wants one while this is under way gets another after it.
            *self = Self { judging: device.sweep_wanted.swap(false, Ordering::AcqRel), ..Self::beginning_in(PAUSE) };
            Cursor::default()
        });
        let (most, keeper): (usize, Option<&dyn Keeper>) = match self.judging {
            true => (HEADS_A_STEP, Some(&*device.setting.keeper)),
            false => (ENTRIES_A_STEP, None),
        };
        let swept = volume.sweep(from, most, keeper).inspect_err(|_| self.begin_again(device))?;
        self.seen += swept.seen;
        self.expired += swept.expired;
        self.dropped += swept.dropped;
        self.cursor = swept.next;
        self.due = Instant::now() + PAUSE.max(begun.elapsed() * PAUSE_A_STEP);
        if swept.next.is_none() {
            let Self { seen, expired, dropped, .. } = *self;
            device.saw(&Event::Swept { seen, expired, dropped });
            device.settle_again();
            self.due = Instant::now() + device.setting.limits.sweep_interval;
        }
        Ok(())
    }

    /// The device refused: whoever wanted the keeper to be asked still does.
    fn begin_again(&mut self, device: &Device) {
        self.cursor = None;
        self.due = Instant::now() + PAUSE;
        device.sweep_wanted.fetch_or(self.judging, Ordering::AcqRel);
    }
}

impl Device {
    /// Has the keeper be asked of all that is stored, in the background.
    pub(crate) fn sweep(&self) {
        self.sweep_wanted.store(true, Ordering::Release);
        self.writes.wake();
    }
}
