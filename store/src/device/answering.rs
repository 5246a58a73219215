//! The threads of a device that read from it, and the one that saves and loads state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::key::Key;
use crate::record::{Record, RecordHead};
use crate::volume::{Cursor, Place, ReadError, StateBlob, Volume};
use crate::watcher::{DeviceState, Event, ReadOutcome};

use super::Device;
use super::condition::ReadFailure;

/// Heads read before the clock is looked at again: a disk under load takes some milliseconds for each.
const HEADS_AT_ONCE: usize = 8;

/// With more reads than this under way a device is slow, and whoever does not have to wait for it should not.
const MOST_OUTSTANDING: usize = 32;

/// What a reading thread is asked.
#[derive(Debug)]
pub(crate) enum Question {
    Record(Key, Place),
    /// So many entries from there on, with their heads.
    Page(Cursor, usize),
}

/// What it answers.
pub(crate) enum Reply {
    Record(Option<Record>),
    Page(Page),
}

/// Some of the records of a device.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) entries: Vec<(Place, RecordHead)>,
    pub(crate) next: Option<Cursor>,
}

/// What the thread for state is asked.
#[derive(Debug)]
pub(crate) enum StateQuestion {
    Save(String, Bytes),
    Append(String, Bytes),
    Load(String),
    /// That it misses removals since then.
    Away(u64),
    /// What it missed while it was being opened.
    Missed,
}

/// What it answers: of saving, that it is durable.
pub(crate) type StateReply = Result<Option<StateBlob>, String>;

pub(super) fn answer_reads(device: &Device) {
    while let Some(taken) = device.reads.take() {
        let begun = Instant::now();
        let Some(volume) = device.volume() else {
            device.reads.answer(taken.ticket, Reply::Record(None));
            continue;
        };
        match taken.question {
            Question::Page(cursor, most) => {
                let until = begun + device.setting.limits.read_deadline / 2;
                device.reads.answer(taken.ticket, Reply::Page(page(&volume, cursor, most, until)));
            }
            Question::Record(key, place) => {
                let (outcome, record) = read(device, &volume, &key, &place);
                let bytes = record.as_ref().map_or(0, |_| u64::from(place.length));
                drop(volume);
                let (waited, took) = (taken.waited, begun.elapsed());
                // Who was let go was counted as late then.
                if device.reads.answer(taken.ticket, Reply::Record(record)) {
                    device.saw(&Event::Read { outcome, bytes, waited, took });
                }
            }
        }
    }
}

fn read(device: &Device, volume: &Arc<Volume>, key: &Key, place: &Place) -> (ReadOutcome, Option<Record>) {
    match volume.read(key, place) {
        Ok(Some(record)) => (ReadOutcome::Found, Some(record)),
        Ok(None) => (ReadOutcome::Gone, None),
        Err(error @ ReadError::Corrupt { .. }) => {
            device.saw(&Event::Corrupt { why: &error.to_string() });
            (ReadOutcome::Corrupt, None)
        }
        Err(ref error @ ReadError::Io { ref source, .. }) => {
            let why = error.to_string();
            device.saw(&Event::Refused { why: &why });
            let most = device.setting.limits.read_errors;
            match device.change(|condition| condition.read_failed(source, Instant::now(), most)) {
                ReadFailure::OfThisProcess => {}
                // One bad spot of a disk must not be asked for again and again until the whole disk counts as failed.
                ReadFailure::Bearable => device.forget_older(key),
                ReadFailure::TooMany => device.fail(&format!("{most} reads failed, the last: {why}")),
            }
            (ReadOutcome::Failed, None)
        }
    }
}

/// What cannot be read is left out. A slow device gets fewer done than were asked for: it does not hang.
fn page(volume: &Volume, cursor: Cursor, most: usize, until: Instant) -> Page {
    let mut page = Page { entries: Vec::new(), next: Some(cursor) };
    while let Some(from) = page.next {
        let (places, next) = volume.entries(from, most.saturating_sub(page.entries.len()).clamp(1, HEADS_AT_ONCE));
        let head = |place: Place| volume.read_head(&place).ok().flatten().map(|head| (place, head));
        page.entries.extend(places.into_iter().filter_map(head));
        page.next = next;
        if page.entries.len() >= most || Instant::now() >= until {
            break;
        }
    }
    page
}

pub(super) fn answer_state(device: &Device) {
    while let Some(taken) = device.states.take() {
        if let StateQuestion::Away(_) | StateQuestion::Missed = taken.question {
            write_down(device, &taken.question);
            device.states.answer(taken.ticket, Ok(None));
            continue;
        }
        let reply = match device.opened_volume() {
            Some(_) if is_behind(device, &taken.question) => {
                Err("its copy is behind and has to be saved anew".to_owned())
            }
            Some(volume) => state(&volume, &taken.question),
            None => Err(format!("the device is {}", device.state())),
        };
        device.note_state(&taken.question, &reply);
        device.states.answer(taken.ticket, reply);
    }
}

/// What a device has in writing of itself, also when it cannot be used any more but perhaps can be written.
fn write_down(device: &Device, question: &StateQuestion) {
    let volume = device.opened_volume().or_else(|| device.failed.lock().clone());
    match (question, volume) {
        (StateQuestion::Away(moment), Some(volume)) => device.save_away(&volume, *moment),
        (StateQuestion::Missed, volume) => device.write_missed(volume.as_deref()),
        _ => {}
    }
}

fn is_behind(device: &Device, question: &StateQuestion) -> bool {
    matches!(question, StateQuestion::Append(name, _) if device.is_state_behind(name))
}

fn state(volume: &Volume, question: &StateQuestion) -> StateReply {
    let answered = match question {
        StateQuestion::Save(name, bytes) => volume.save_state(name, bytes).map(|()| None),
        StateQuestion::Append(name, bytes) => volume.append_state(name, bytes).map(|()| None),
        StateQuestion::Load(name) => volume.load_state(name),
        StateQuestion::Away(_) | StateQuestion::Missed => Ok(None),
    };
    answered.map_err(|error| error.to_string())
}

impl Device {
    /// A record that the system has in memory, read without a change of threads, which costs more than the reading. Where a
    /// device may hang it is not tried: handing over a request can wait then.
    pub(crate) fn read_now(&self, key: &Key, place: &Place) -> Option<Record> {
        let is_short = place.length as usize <= self.setting.limits.read_now;
        if !is_short || self.state() != DeviceState::Working || self.reads.outstanding() >= MOST_OUTSTANDING {
            return None;
        }
        let begun = Instant::now();
        let record = self.volume()?.read_now(key, place)?;
        let (outcome, bytes) = (ReadOutcome::Found, u64::from(place.length));
        self.saw(&Event::Read { outcome, bytes, waited: Duration::ZERO, took: begun.elapsed() });
        Some(record)
    }

    /// Waits while the device is being opened: at the start state is asked for before any device is there.
    fn opened_volume(&self) -> Option<Arc<Volume>> {
        let until = Instant::now() + self.setting.limits.write_deadline;
        let mut condition = self.condition.lock();
        while condition.state() == DeviceState::Opening && self.writes.ending().is_none() {
            if self.condition_changed.wait_until(&mut condition, until).timed_out() {
                break;
            }
        }
        drop(condition);
        self.volume()
    }
}
