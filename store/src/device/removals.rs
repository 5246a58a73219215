//! Removals on a device that may be away.
//!
//! Owns: that a removed record is not found from the moment `forget_key` returns, now, after the device was away and, as
//! far as the device lets us, after a restart. Locks are taken in this order: removals, queue, the volume's index.

use crate::key::Key;
use crate::volume::Volume;
use crate::watcher::{DeviceState, Event};

use super::Device;
use super::missed::{CatchUp, Missed};

/// What is to be caught up with.
#[derive(Debug)]
pub(crate) struct Removals {
    pub(crate) missed: Missed,
    /// Whether the index is not in memory, so that removals are noted.
    away: bool,
}

impl Default for Removals {
    fn default() -> Self {
        Self { missed: Missed::default(), away: true }
    }
}

impl Device {
    /// Nobody finds anything of this key here any more.
    pub(crate) fn forget_key(&self, key: &Key) {
        let mut removals = self.removals.lock();
        self.writes.cancel(key);
        self.forget_stored(&mut removals, key);
    }

    /// Nobody finds what is stored of this key; what is queued stays.
    pub(crate) fn forget_older(&self, key: &Key) {
        self.forget_stored(&mut self.removals.lock(), key);
    }

    fn forget_stored(&self, removals: &mut Removals, key: &Key) {
        if removals.away {
            removals.missed.note(key);
        } else if let Some(place) = self.volume().and_then(|volume| volume.forget(key)) {
            self.writes.settle(key, place);
        }
    }

    /// The index is in memory: what was removed meanwhile is forgotten, and from then on at once.
    pub(super) fn catch_up(&self, volume: &Volume) -> std::io::Result<()> {
        loop {
            let mut removals = self.removals.lock();
            match removals.missed.take() {
                CatchUp::Keys(keys) => {
                    for key in keys {
                        if let Some(place) = volume.forget(&key) {
                            self.writes.settle(&key, place);
                        }
                    }
                    removals.away = false;
                    return Ok(());
                }
                CatchUp::Everything => {
                    drop(removals);
                    if let Err(error) = volume.clear() {
                        self.removals.lock().missed.overflow();
                        return Err(error);
                    }
                    self.saw(&Event::Cleared);
                }
            }
        }
    }

    /// The device cannot be used: its volume is closed, to be opened anew, and removals are noted from now on.
    pub(crate) fn fail(&self, why: &str) {
        let mut removals = self.removals.lock();
        removals.away = true;
        let missed = &mut removals.missed;
        let dropped = self.writes.drop_records(|key| {
            missed.note(key);
            None
        });
        for (key, _) in self.writes.take_settlements() {
            missed.note(&key);
        }
        *self.volume.write() = None;
        drop(removals);
        self.change(|condition| condition.became(DeviceState::Failed, why));
        if dropped > 0 {
            self.saw(&Event::QueueDropped { records: dropped });
        }
        self.reads.dismiss();
        self.writes.wake();
    }

    /// What an operation that outlived its volume has yet to write down is noted instead: places are a volume's own.
    pub(super) fn note_unsettled(&self) {
        let mut removals = self.removals.lock();
        for (key, _) in self.writes.take_settlements() {
            removals.missed.note(&key);
        }
    }

    /// A removal that cannot be written down: known until the process ends, whatever becomes of the device.
    pub(super) fn lose_settlement(&self, key: &Key) {
        self.removals.lock().missed.note(key);
        self.writes.lose_settlement();
    }

    /// Writes have stopped: what is queued is lost, and what it was to replace is older and goes too.
    pub(super) fn drop_queue(&self) {
        let removals = self.removals.lock();
        let volume = self.volume();
        let records = self.writes.drop_records(|key| volume.as_ref().and_then(|volume| volume.forget(key)));
        drop(removals);
        if records > 0 {
            self.saw(&Event::QueueDropped { records });
        }
    }
}
