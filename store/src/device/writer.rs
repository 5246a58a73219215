//! The thread of a device that opens it, writes to it and tries again when it fails.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::placement::PlacementHash;
use crate::volume::{AppendError, Outcome, StateError, Volume};
use crate::watcher::{DeviceState, Event, NotWritten};

use super::Device;
use super::sweeping::Sweep;
use super::writes::{Ending, Work, Writing};

/// State that a probe saves: as much as a file system would have to find room for.
const PROBE: [u8; 4096] = [0; 4096];
const PROBE_NAME: &str = "probe";
/// A device that fails again and again is tried less and less often, down to this many times the probes' interval.
const LONGEST_BACK_OFF: u32 = 16;

pub(super) fn run(device: &Device) {
    let mut volume = None;
    let mut before = Weak::new();
    let mut probe_due = None;
    let mut back_off = BackOff::default();
    let mut sweep = Sweep::beginning_in(device.setting.limits.sweep_interval);
    loop {
        if device.volume().is_none() {
            if device.writes.ending() == Some(Ending::Abandon) {
                break;
            }
            // What is left of the volume before holds the directory's lock.
            if let Some(volume) = volume.take() {
                before = Arc::downgrade(&volume);
                drop(volume);
                device.wait_until_failed();
            }
            if device.state() == DeviceState::Failed && !back_off.wait(device) {
                break;
            }
            device.let_go_of_failed();
            if before.strong_count() > 0 {
                device.fail("operations of before still hang");
            } else {
                volume = open(device);
            }
            continue;
        }
        let Some(volume) = &volume else { break };
        if !step(device, volume, &mut sweep, &mut probe_due) {
            break;
        }
    }
    leave(device, volume.as_deref());
}

/// `false` when the device comes to its end.
fn step(device: &Device, volume: &Volume, sweep: &mut Sweep, probe_due: &mut Option<Instant>) -> bool {
    let condition = device.condition.lock();
    let (stopped, trial) = (condition.writes_stopped(), condition.on_trial());
    drop(condition);
    if stopped && !trial {
        // Whoever wakes this thread meanwhile wants something else of it.
        let due = *probe_due.get_or_insert_with(|| Instant::now() + device.setting.limits.probe_interval);
        let goes_on = device.writes.pause(due);
        if goes_on && device.volume().is_some() && Instant::now() >= due {
            *probe_due = None;
            probe(device, volume);
        }
        return goes_on;
    }
    *probe_due = None;
    // Where there is always something to write, this is all the time there is for it.
    if sweep.is_due(device) {
        sweep_on(device, volume, sweep);
    }
    match device.writes.take(Some(sweep.due(&device.sweep_wanted))) {
        Work::Write(writing) => write(device, volume, &writing),
        Work::Settle(place) => {
            device.busy();
            let settled = volume.settle(&place);
            device.idle();
            if let Err(error) = settled {
                // One spot that stays bad must not keep the device from being written for ever.
                match trial {
                    true => device.lose_settlement(place),
                    false => device.writes.settle(place),
                }
                device.writes_failed(&error, &format!("cannot write down a removal: {error}"));
            }
        }
        Work::Nothing => {}
        Work::End => return false,
    }
    true
}

fn sweep_on(device: &Device, volume: &Volume, sweep: &mut Sweep) {
    device.busy();
    let swept = sweep.step(device, volume);
    device.idle();
    for place in volume.take_unsettled() {
        device.writes.settle(place);
    }
    if let Err(error) = swept {
        device.writes_failed(&error, &format!("cannot write down what a sweep let go: {error}"));
    }
}

/// Opens the directory, reads its index and catches up with what was removed meanwhile.
fn open(device: &Device) -> Option<Arc<Volume>> {
    device.note_unsettled();
    device.busy();
    let opened = Volume::open(device.setting.io.clone(), &device.setting.volume);
    device.idle();
    let volume = match opened {
        Ok(volume) => Arc::new(volume),
        Err(error) => {
            device.fail(&error.to_string());
            return None;
        }
    };
    device.saw(&Event::Opened(volume.origin()));
    *device.volume_name.lock() = Some(PlacementHash::of(&volume.identity()));
    volume.set_shares(device.shares.lock().clone());
    device.read_what_is_written_down(&volume);
    device.bring_state_up_to_date(&volume);
    *device.volume.write() = Some(volume.clone());
    device.change(|condition| condition.became(DeviceState::Recovering, "its index is read"));
    device.busy();
    let recovered = volume.recover(&|_| device.busy());
    device.idle();
    device.saw(&Event::Recovered(&recovered));
    if recovered.unemptied > 0 {
        // What is removed from now on could come back from there with the next restart.
        device.fail("an index can be neither read nor emptied");
        return Some(volume);
    }
    let caught_up = device.catch_up(&volume);
    match caught_up {
        Ok(()) => device.change(|condition| condition.became(DeviceState::Working, "")),
        Err(error) => device.fail(&format!("cannot forget what was removed meanwhile: {error}")),
    }
    Some(volume)
}

fn probe(device: &Device, volume: &Volume) {
    device.busy();
    let probed = volume.save_state(PROBE_NAME, &PROBE);
    device.idle();
    // That there is no room for it beside other state, the device did not say.
    if !matches!(probed, Err(StateError::Io { .. })) {
        device.change(super::condition::Condition::probe_worked);
    }
}

fn write(device: &Device, volume: &Volume, writing: &Writing) {
    let begun = Instant::now();
    device.busy();
    let wanted = || writing.wanted.load(Ordering::Acquire);
    // Making room takes as long as it takes: a device that gets on with it does not hang.
    let appended = volume.append_telling(&writing.record, &*device.setting.keeper, &wanted, &|| device.busy());
    device.idle();
    for reclaimed in appended.iter().flat_map(|appended| &appended.reclaimed) {
        device.saw(&Event::Reclaimed(reclaimed));
    }
    if let Some(why) = appended.as_ref().ok().and_then(|appended| appended.lacks_room.as_deref()) {
        device.saw(&Event::LacksRoom { why });
    }
    if appended.as_ref().is_ok_and(|appended| appended.lost_its_pin) {
        device.saw(&Event::PinLost);
    }
    let failed = match appended.map(|appended| appended.outcome) {
        Ok(Outcome::Stored(_)) => None,
        Ok(Outcome::Cancelled) => Some(NotWritten::Cancelled),
        Ok(Outcome::AboveCeiling) => Some(NotWritten::AboveCeiling),
        Err(AppendError::TooLarge { .. }) => Some(NotWritten::TooLarge),
        Err(AppendError::Recovering) => Some(NotWritten::Failed),
        Err(error @ AppendError::Io { .. }) => {
            let why = error.to_string();
            let AppendError::Io { source, .. } = error else { return };
            device.writes_failed(&source, &why);
            Some(NotWritten::Failed)
        }
    };
    if failed.is_some() {
        // What it was to replace is older than what its caller has.
        writing.wanted.store(false, Ordering::Release);
    }
    for place in volume.take_unsettled() {
        device.writes.settle(place);
    }
    device.writes.done(|key| volume.forget(key));
    match failed {
        Some(why) => device.saw(&Event::NotWritten { why }),
        None => {
            let bytes = writing.record.body_length() as u64;
            device.saw(&Event::Written { bytes, waited: writing.waited, took: begun.elapsed() });
            device.change(super::condition::Condition::write_worked);
        }
    }
}

impl Device {
    /// Who has it fail takes its volume away first, and says so a moment later.
    fn wait_until_failed(&self) {
        let mut condition = self.condition.lock();
        let until = Instant::now() + self.setting.limits.write_deadline;
        while !condition.has_failed() && self.writes.ending().is_none() {
            if self.condition_changed.wait_until(&mut condition, until).timed_out() {
                break;
            }
        }
    }

    fn writes_failed(&self, error: &std::io::Error, why: &str) {
        self.change(|condition| condition.write_failed(error, why.to_owned()));
        self.saw(&Event::Refused { why });
        self.drop_queue();
    }
}

/// The last of the writing thread: everything is made durable, unless nobody waits for it.
fn leave(device: &Device, volume: Option<&Volume>) {
    if device.writes.ending() == Some(Ending::Flush) && device.readable() {
        device.busy();
        if let Some(volume) = volume {
            device.write_down_others(volume);
        }
        if let Some(Err(error)) = volume.map(Volume::sync) {
            device.saw(&Event::Refused { why: &format!("cannot make everything durable: {error}") });
        }
        device.idle();
    }
    if device.writes.ending() == Some(Ending::Flush) {
        device.leave_away();
    }
    device.states.close();
}

/// How long to wait before a failed device is tried again.
#[derive(Default)]
struct BackOff {
    times: u32,
    last: Option<Instant>,
}

impl BackOff {
    /// `false` when the device comes to its end meanwhile.
    fn wait(&mut self, device: &Device) -> bool {
        let interval = device.setting.limits.probe_interval;
        let pause = self.next(interval, Instant::now());
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if !device.writes.pause(until) {
                return false;
            }
        }
        self.last = Some(Instant::now());
        device.writes.ending().is_none()
    }

    fn next(&mut self, interval: Duration, now: Instant) -> Duration {
        let longest = interval * LONGEST_BACK_OFF;
        let again = self.last.is_some_and(|last| now.saturating_duration_since(last) < longest);
        self.times = if again { (self.times * 2).min(LONGEST_BACK_OFF) } else { 1 };
        interval * self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_keeps_failing_is_tried_less_often() {
        let (interval, mut now) = (Duration::from_secs(10), Instant::now());
        let mut back_off = BackOff::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let pause = back_off.next(interval, now);
            pauses.push(pause.as_secs());
            now += pause;
            back_off.last = Some(now);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 160, 160]);
        assert_eq!(back_off.next(interval, now + Duration::from_secs(1000)), interval);
    }
}
