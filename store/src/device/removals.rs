//! Removals on a device that may be away.
//!
//! Owns: that a removed record is not found from the moment `forget_key` returns, now, after the device was away and, as
//! far as the device lets us, after a restart. Locks are taken in this order: removals, queue, the volume's index.

use crate::key::{Digest, Key};
use crate::placement::PlacementHash;
use crate::volume::{Place, Volume};
use crate::watcher::{DeviceState, Event};

use super::Device;
use super::answering::StateQuestion;
use super::missed::{CatchUp, Missed, Noted};
use super::peers::{self, AWAY, BEHIND, CAUGHT_UP};
use super::writes::Dropped;

/// Keys that are forgotten at a time: others wait for the lock meanwhile.
const BATCH: usize = 256;

/// State that says which keys were removed while the device was being opened.
const MISSED: &str = "missed";
/// Such keys that are read again at most, 4 MiB: some times what one process notes.
const MOST_WRITTEN: usize = 1 << 18;

/// What is to be caught up with.
#[derive(Debug)]
pub(crate) struct Removals {
    pub(crate) missed: Missed,
    /// Whether the index is not in memory, so that removals are noted.
    away: bool,
    /// What was missed while the device was being opened, not yet written down there key by key.
    unwritten: Vec<Digest>,
    /// Whether the thread for state has been told of that.
    told: bool,
    /// Since when this one misses removals, once that is to be in writing.
    written_down: Option<u64>,
    /// Whether it has it in writing of itself.
    marked: bool,
    /// Since when it missed removals, as it has in writing from a process before.
    away_before: Option<u64>,
    /// Until when this one missed none, as it has written down itself.
    pub(crate) caught_up: u64,
}

impl Default for Removals {
    fn default() -> Self {
        Self {
            missed: Missed::default(),
            away: true,
            unwritten: Vec::new(),
            told: false,
            written_down: None,
            marked: false,
            away_before: None,
            caught_up: 0,
        }
    }
}

impl Removals {
    /// How many removals the device is to be told of when it is back.
    pub(super) fn to_tell(&self) -> usize {
        if self.away { self.missed.len() } else { 0 }
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
            let noted = removals.missed.note(key);
            self.note_durably(removals, key, noted);
        } else if let Some(place) = self.volume().and_then(|volume| volume.forget(key)) {
            self.writes.settle(place);
        }
    }

    /// What a device that is away has of this key is older than what its caller has. One that is there has nothing.
    pub(crate) fn forget_if_away(&self, key: &Key) {
        let mut removals = self.removals.lock();
        if removals.away {
            self.forget_stored(&mut removals, key);
        }
    }

    /// The process may end before the device has heard of it. While it is being opened it takes a moment and can be written
    /// itself, so it has in writing what was missed; else there is in writing that something was.
    fn note_durably(&self, removals: &mut Removals, key: &Key, noted: Noted) {
        let opens = matches!(self.state(), DeviceState::Opening | DeviceState::Recovering);
        match noted {
            Noted::New if opens && removals.written_down.is_none() => removals.unwritten.push(key.digest()),
            Noted::Known if opens => return,
            Noted::New | Noted::Known | Noted::TooMuch => return self.write_down(removals),
        }
        if !removals.told {
            removals.told = self.states.tell(StateQuestion::Missed);
        }
    }

    /// Adds to what the device itself has in writing of what it missed.
    pub(super) fn write_missed(&self, volume: Option<&Volume>) {
        let mut removals = self.removals.lock();
        removals.told = false;
        let unwritten = std::mem::take(&mut removals.unwritten);
        drop(removals);
        if unwritten.is_empty() {
            return;
        }
        let bytes: Vec<u8> = unwritten.iter().flat_map(|digest| digest.0).collect();
        let written = volume.map(|volume| volume.append_state(MISSED, &bytes));
        if !matches!(written, Some(Ok(()))) {
            self.write_down(&mut self.removals.lock());
        }
    }

    /// This process may end before the device is back.
    fn write_down(&self, removals: &mut Removals) {
        if removals.written_down.is_none() {
            let moment = self.setting.volume.sequences.next();
            removals.written_down = Some(moment);
            removals.marked = true;
            self.setting.peers.fell_behind(self.volume_name.lock().unwrap_or(self.placement), moment);
            self.states.tell(StateQuestion::Away(moment));
        }
    }

    /// What it is known by: its directory, and the volume it had last.
    pub(super) fn names(&self) -> Vec<PlacementHash> {
        std::iter::once(self.placement).chain(*self.volume_name.lock()).collect()
    }

    /// It writes down of itself that it misses removals.
    pub(super) fn save_away(&self, volume: &Volume, moment: u64) {
        if let Err(error) = volume.save_state(AWAY, &self.setting.peers.away_since(moment)) {
            self.saw(&Event::Refused { why: &error.to_string() });
        }
    }

    /// What failed is let go, to be opened anew. Should that not work, this was the last time that it could be written.
    pub(super) fn let_go_of_failed(&self) {
        let Some(volume) = self.failed.lock().take() else { return };
        let mut removals = self.removals.lock();
        let known_elsewhere = removals.marked || self.setting.peers.is_another_there(self.placement);
        removals.marked = true;
        drop(removals);
        if !known_elsewhere {
            self.busy();
            self.save_away(&volume, self.setting.volume.sequences.next());
            self.idle();
        }
    }

    /// The process ends while it misses removals.
    pub(super) fn leave_away(&self) {
        let removals = self.removals.lock();
        let since = removals.written_down.filter(|_| removals.away);
        drop(removals);
        let volume = self.failed.lock().take();
        if let (Some(moment), Some(volume)) = (since, volume) {
            self.busy();
            self.save_away(&volume, moment);
            self.idle();
        }
    }

    /// Another device has it in writing that this one missed removals. If this one is in use already it is opened anew.
    fn is_said_to_be_behind(&self) {
        let mut removals = self.removals.lock();
        if self.missed_before(&removals) && !removals.away {
            removals.missed.overflow();
            drop(removals);
            self.fail("it missed removals before this process began");
        }
    }

    /// What this device has in writing, of itself and of others.
    pub(super) fn read_what_is_written_down(&self, volume: &Volume) {
        let load = |name| volume.load_state(name).ok().flatten().map(|blob| blob.parts.concat()).unwrap_or_default();
        let caught_up = peers::moment(&load(CAUGHT_UP));
        // What is compared with it is to be higher, though the clock was set back.
        self.setting.volume.sequences.observe(caught_up);
        let away_before = self.setting.peers.was_away_since(&load(AWAY));
        self.setting.volume.sequences.observe(away_before.unwrap_or(0));
        let mut removals = self.removals.lock();
        removals.caught_up = caught_up;
        removals.away_before = away_before;
        drop(removals);
        for device in self.setting.peers.heard(&load(BEHIND)) {
            device.is_said_to_be_behind();
        }
    }

    /// Whether this device missed removals of which there is no list.
    fn missed_before(&self, removals: &Removals) -> bool {
        let since = self.setting.peers.behind_before(&self.names()).max(removals.away_before);
        since.is_some_and(|since| since > removals.caught_up)
    }

    /// Forgets what a process before this one missed, of which there is a list on the device.
    fn apply_written(&self, volume: &Volume) -> Result<(), std::io::Error> {
        let (keys, damaged) = match volume.load_state(MISSED) {
            Ok(Some(blob)) => (blob.parts.concat(), blob.unreadable_bytes > 0),
            Ok(None) => return Ok(()),
            Err(_) => (Vec::new(), true),
        };
        if damaged || keys.len() > MOST_WRITTEN * size_of::<Digest>() {
            self.removals.lock().missed.overflow();
            return Ok(());
        }
        let digests = keys.as_chunks::<16>().0.iter().map(|digest| Digest(*digest));
        digests.filter_map(|digest| volume.forget_digest(digest)).try_for_each(|place| volume.settle(&place))
    }

    /// Nothing was stored here since what was missed was written down, and all of it is gone.
    fn forget_written(&self, volume: &Volume) {
        if !matches!(volume.load_state(MISSED), Ok(None))
            && let Err(error) = volume.save_state(MISSED, &[])
        {
            self.saw(&Event::Refused { why: &error.to_string() });
        }
    }

    /// It has caught up, and says so where it was said to be behind.
    fn say_caught_up(&self, volume: &Volume) {
        let mut removals = self.removals.lock();
        removals.written_down = None;
        let has_it_in_writing = std::mem::take(&mut removals.marked) | removals.away_before.take().is_some();
        let names = self.names();
        if !has_it_in_writing && !self.setting.peers.is_behind(&names) {
            drop(removals);
            return self.write_down_others(volume);
        }
        let moment = self.setting.volume.sequences.next();
        removals.caught_up = moment;
        drop(removals);
        if let Err(error) = volume.save_state(CAUGHT_UP, &moment.to_le_bytes()) {
            // It will be emptied once more after a restart if another still has it in writing.
            self.saw(&Event::Refused { why: &error.to_string() });
        }
        self.setting.peers.caught_up(&names);
    }

    /// Has this device have in writing which others are behind.
    pub(super) fn write_down_others(&self, volume: &Volume) {
        let list = self.setting.peers.list();
        if list.is_empty() {
            return;
        }
        if let Err(error) = volume.save_state(BEHIND, &list) {
            self.saw(&Event::Refused { why: &error.to_string() });
        }
    }

    /// The index is in memory: what was removed meanwhile is forgotten, and from then on at once.
    pub(super) fn catch_up(&self, volume: &Volume) -> std::io::Result<()> {
        self.setting.peers.wait_for_all(self.placement);
        let mut removals = self.removals.lock();
        if self.missed_before(&removals) {
            removals.missed.overflow();
        }
        drop(removals);
        self.apply_written(volume)?;
        self.apply_missed(volume)?;
        self.forget_written(volume);
        self.say_caught_up(volume);
        Ok(())
    }

    fn apply_missed(&self, volume: &Volume) -> std::io::Result<()> {
        loop {
            let mut removals = self.removals.lock();
            match removals.missed.take() {
                CatchUp::These(keys, places) => {
                    let by_key = keys.iter().filter_map(|key| volume.forget(key));
                    let by_place = places.iter().filter_map(|place| volume.forget_place(place));
                    let forgotten: Vec<Place> = by_key.chain(by_place).collect();
                    // The device is written to without the lock, which others wait for.
                    drop(removals);
                    for place in forgotten {
                        if volume.settle(&place).is_err() {
                            self.writes.settle(place);
                        }
                    }
                }
                CatchUp::Nothing => {
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
        let dropped = self.writes.drop_records();
        let mut removals = self.removals.lock();
        removals.away = true;
        for place in self.writes.take_settlements() {
            removals.missed.note_place(place);
        }
        let volume = self.volume.write().take();
        if volume.is_some() {
            *self.failed.lock() = volume;
        }
        drop(removals);
        self.change(|condition| condition.became(DeviceState::Failed, why));
        self.forget_dropped(&dropped);
        self.reads.dismiss();
        self.writes.wake();
    }

    /// What an operation that outlived its volume has yet to write down is noted instead: places are a volume's own.
    pub(super) fn note_unsettled(&self) {
        let mut removals = self.removals.lock();
        for place in self.writes.take_settlements() {
            removals.missed.note_place(place);
        }
    }

    /// A removal that cannot be written down: known until the process ends, whatever becomes of the device.
    pub(super) fn lose_settlement(&self, place: Place) {
        self.removals.lock().missed.note_place(place);
        self.writes.lose_settlement();
    }

    /// What could not be written down before is tried again, now and then: once more for each.
    pub(super) fn settle_again(&self) {
        let mut removals = self.removals.lock();
        if !removals.away {
            removals.missed.take_places().into_iter().for_each(|place| self.writes.settle(place));
        }
    }

    /// Writes have stopped: what is queued is lost, and what it was to replace is older and goes too.
    pub(super) fn drop_queue(&self) {
        let dropped = self.writes.drop_records();
        self.forget_dropped(&dropped);
    }

    /// A few at a time: who removes something waits for the lock.
    fn forget_dropped(&self, dropped: &Dropped) {
        let keys: Vec<&Key> = dropped.keys().collect();
        for batch in keys.chunks(BATCH) {
            let mut removals = self.removals.lock();
            batch.iter().for_each(|key| self.forget_stored(&mut removals, key));
        }
        self.writes.forgotten(dropped);
        if !keys.is_empty() {
            self.saw(&Event::QueueDropped { records: keys.len() as u64 });
        }
    }
}
