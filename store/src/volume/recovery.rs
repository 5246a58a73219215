//! What is stored, found again: the index files are read, nothing else.
//!
//! Owns which of what they say is believed. Every entry has a checksum and names its use of the segment; what the data
//! files hold is only looked at when it is read.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::stream::Stream;
use super::writer::{Filling, State, Writer};
use super::{Place, Volume};
use crate::figures::{DiscardReason, Discarded, Recovered, RecoveryProgress};
use crate::journal::{ENTRY, Entry, HEADING, Heading, Stored};
use crate::layout::UNIT;

/// Removals that may arrive while the index is being read. With more, all that was stored is given up: a removed record
/// must not come back.
pub(super) const MOST_FORGOTTEN_EARLY: usize = 1 << 20;
/// Threads that read index files: with a few, processors are what it waits for.
const MOST_THREADS: usize = 4;
/// Less room is not worth going on with a segment after a restart.
const WORTH_FILLING: u64 = 64 * 1024;

/// What is discarded, counted.
#[derive(Default)]
struct Tally(BTreeMap<DiscardReason, u64>);

impl Tally {
    fn add(&mut self, reason: DiscardReason, count: u64) {
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }
}

/// What was found by one thread, or by all.
#[derive(Default)]
struct Gathered {
    tally: Tally,
    uses: Vec<FoundUse>,
    /// Records of which there is a newer one.
    losers: Vec<Place>,
    /// Hash and sequence of what is gone or over: so is what the key had before, should nobody have written that down.
    gone: Vec<(u64, u64)>,
    /// Whether some are over only by the clock.
    expired: bool,
    unreadable: Vec<u32>,
}

impl Gathered {
    fn merge(&mut self, other: Self) {
        other.tally.0.into_iter().for_each(|(reason, count)| self.tally.add(reason, count));
        self.uses.extend(other.uses);
        self.losers.extend(other.losers);
        self.gone.extend(other.gone);
        self.expired |= other.expired;
        self.unreadable.extend(other.unreadable);
    }
}

/// What an index says of a record in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    There,
    /// Removed or replaced, and what its key had before as well.
    Gone,
    /// Not here.
    Moved,
}

/// Where an index says last of a unit that what is there is gone.
#[derive(Default)]
struct Later {
    gone: HashMap<u32, usize>,
    moved: HashMap<u32, usize>,
}

impl Later {
    /// Only what is said after a record was written speaks of it: at its place another may have been before, whose entry is
    /// damaged.
    fn standing(&self, number: usize, unit: u32) -> Standing {
        let said = |where_last: &HashMap<u32, usize>| where_last.get(&unit).is_some_and(|last| *last > number);
        match () {
            () if said(&self.gone) => Standing::Gone,
            () if said(&self.moved) => Standing::Moved,
            () => Standing::There,
        }
    }
}

/// One use of a segment, as its index file told it.
struct FoundUse {
    heading: Heading,
    filled: u64,
    records: u64,
    /// Whether the data file is as long as it should be.
    whole: bool,
}

impl Volume {
    pub(super) fn recover_all(&self, progress: &dyn Fn(RecoveryProgress)) -> Recovered {
        let mut writer = self.writer.lock();
        if self.is_recovered() {
            return Recovered::default();
        }
        let began = Instant::now();
        let void = self.read_void();
        let mut gathered = self.gather(progress);
        self.let_go_of_older(&mut gathered);
        gathered.tally.add(DiscardReason::BeyondCapacity, self.found.beyond_capacity);
        gathered.tally.add(DiscardReason::ForeignFile, self.found.foreign);
        gathered.tally.add(DiscardReason::UnreadableSegment, gathered.unreadable.len() as u64);
        gathered.tally.add(DiscardReason::Superseded, gathered.losers.len() as u64);
        for FoundUse { heading: Heading { segment, epoch, .. }, filled, .. } in &gathered.uses {
            let state = State::Full { filled: *filled, epoch: *epoch, age: *epoch };
            writer.segments[*segment as usize].state = state;
        }
        gathered.losers.iter().for_each(|loser| self.settle_loser(&mut writer, loser));
        let unemptied = gathered.unreadable.iter().filter(|segment| !self.give_up(&mut writer, **segment)).count();
        let written_down = match void {
            Ok(true) => {
                // What is over by the clock is forgotten, and must stay so should the clock be wrong. A full device may
                // refuse it; it says so again with the next sweep, and is no reason not to read what it has.
                if gathered.expired {
                    self.void_what_is_over(self.now()).ok();
                }
                Ok(())
            }
            Ok(false) => self.void_everything(),
            Err(error) => Err(error),
        };
        go_on_filling(&mut writer, &gathered.uses, self);
        self.count_free(&writer);
        self.finish_recovery();
        let accounts = self.index.accounts();
        Recovered {
            records: accounts.records(),
            bytes: accounts.living(),
            discarded: gathered.tally.0.into_iter().map(|(reason, count)| Discarded { reason, count }).collect(),
            unemptied: unemptied as u64 + u64::from(written_down.is_err()),
            took: began.elapsed(),
        }
    }

    /// Reads all index files, by some threads at once.
    fn gather(&self, progress: &dyn Fn(RecoveryProgress)) -> Gathered {
        let (next, all) = (AtomicU32::new(0), Mutex::new(Gathered::default()));
        let work = |told: &dyn Fn(u32)| {
            let mut own = Gathered::default();
            loop {
                let segment = next.fetch_add(1, Ordering::Relaxed);
                if segment >= self.geometry.segments {
                    break;
                }
                if self.found.indexed.contains(&segment) {
                    self.recover_segment(segment, &mut own);
                }
                told(segment + 1);
            }
            all.lock().merge(own);
        };
        std::thread::scope(|scope| {
            for _ in 1..std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS) {
                // Without more threads it takes longer.
                drop(std::thread::Builder::new().spawn_scoped(scope, || work(&|_| {})));
            }
            work(&|segments_done| progress(self.progress(segments_done)));
        });
        progress(self.progress(self.geometry.segments));
        all.into_inner()
    }

    fn progress(&self, segments_done: u32) -> RecoveryProgress {
        let records = self.index.accounts().records();
        RecoveryProgress { segments_done, segments: self.geometry.segments, records }
    }

    /// A record that is gone or over takes along what its key had before: the process may have ended before that was
    /// written down as gone.
    fn let_go_of_older(&self, gathered: &mut Gathered) {
        for (hash, sequence) in std::mem::take(&mut gathered.gone) {
            if self.index.find(hash).is_some_and(|known| known.sequence <= sequence) {
                gathered.losers.extend(self.index.remove(hash));
            }
        }
    }

    /// Else the older one would come back when the newer is gone.
    fn settle_loser(&self, writer: &mut Writer, loser: &Place) {
        let Place { segment, epoch, unit, .. } = *loser;
        let copy = self.index.find(loser.hash).is_some_and(|winner| winner.sequence == loser.sequence);
        let entry = if copy { Entry::Moved { epoch, unit } } else { Entry::Killed { epoch, unit } };
        if self.note_gone(segment, &entry).is_err() {
            writer.untrue.insert(segment);
        }
    }

    /// A segment that could not be read is lost: were it readable another time, what was replaced meanwhile would be
    /// back. `false`: it could be.
    fn give_up(&self, writer: &mut Writer, segment: u32) -> bool {
        match self.segments.empty(segment) {
            Ok(()) => {
                self.segments.end(segment);
                true
            }
            Err(error) => {
                writer.segments[segment as usize].state = State::Unusable;
                // There is nothing to come back from a directory.
                error.kind() == io::ErrorKind::IsADirectory
            }
        }
    }

    fn recover_segment(&self, segment: u32, gathered: &mut Gathered) {
        let Ok(bytes) = self.segments.read_journal(segment) else {
            gathered.unreadable.push(segment);
            return;
        };
        if bytes.is_empty() {
            return;
        }
        let data = match self.segments.data_length(segment) {
            Ok(length) => length.min(self.geometry.segment_size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            // Another time it may be there, and then its records would be.
            Err(_) => {
                gathered.unreadable.push(segment);
                return;
            }
        };
        let heading = Heading::decode(&bytes, self.seed).filter(|heading| self.is_ours(heading, segment));
        let Some(heading) = heading else {
            gathered.tally.add(DiscardReason::ForeignSegment, 1);
            // Nothing that it says counts. Emptied now it takes no more room than it may, and says nothing later.
            if self.segments.empty(segment).is_ok() {
                self.segments.end(segment);
            }
            return;
        };
        let Gathered { tally, uses, losers, gone, expired, .. } = gathered;
        let epoch = heading.epoch;
        let length = (bytes.len() / ENTRY * ENTRY).max(HEADING);
        self.index.accounts().begin(segment, epoch, heading.opened);
        tally.add(DiscardReason::DamagedEntry, u64::from(bytes.len() != length));
        let stored = self.understand(bytes.get(HEADING..length).unwrap_or_default(), epoch, data, tally);
        let entries = (length - HEADING) / ENTRY;
        self.segments.resume(segment, epoch, length as u64, entries.saturating_sub(stored.len()) as u64);
        let filled = stored.iter().map(|(stored, _)| end(stored)).max().unwrap_or(0).next_multiple_of(UNIT);
        let now = self.now();
        let void = self.void.lock().clone();
        for (stored, standing) in &stored {
            let void = void.covers(stored.sequence, stored.expires);
            match standing {
                Standing::Moved => tally.add(DiscardReason::Superseded, 1),
                Standing::There if !void && stored.expires > now => {
                    losers.extend(self.index.recover(place(segment, stored)));
                }
                Standing::There | Standing::Gone => {
                    let removed = *standing == Standing::Gone;
                    *expired |= !removed && !void;
                    tally.add(if removed { DiscardReason::Removed } else { DiscardReason::Expired }, 1);
                    gone.push((stored.hash, stored.sequence));
                }
            }
        }
        let whole = data == self.geometry.segment_size;
        uses.push(FoundUse { heading, filled, records: entries as u64, whole });
    }

    fn is_ours(&self, heading: &Heading, segment: u32) -> bool {
        heading.volume == self.superblock.volume
            && heading.segment == segment
            && heading.epoch > 0
            && self.options.sequences.observe(heading.epoch)
    }

    /// The entries that speak of records that may be there, and what was said of these later.
    fn understand(&self, entries: &[u8], epoch: u64, data: u64, tally: &mut Tally) -> Vec<(Stored, Standing)> {
        let (mut stored, mut later) = (Vec::new(), Later::default());
        for (number, bytes) in entries.chunks_exact(ENTRY).enumerate() {
            match Entry::decode(bytes, self.seed) {
                None => tally.add(DiscardReason::DamagedEntry, 1),
                Some(
                    Entry::Stored(Stored { epoch: other, .. })
                    | Entry::Killed { epoch: other, .. }
                    | Entry::Moved { epoch: other, .. },
                ) if other != epoch => tally.add(DiscardReason::OtherEpoch, 1),
                Some(Entry::Killed { unit, .. }) => drop(later.gone.insert(unit, number)),
                Some(Entry::Moved { unit, .. }) => drop(later.moved.insert(unit, number)),
                Some(Entry::Stored(entry)) if end(&entry) > data => tally.add(DiscardReason::OutOfBounds, 1),
                Some(Entry::Stored(entry)) if !self.options.sequences.observe(entry.sequence) => {
                    tally.add(DiscardReason::DamagedEntry, 1);
                }
                Some(Entry::Stored(entry)) => stored.push((number, entry)),
            }
        }
        stored.into_iter().map(|(number, entry)| (entry, later.standing(number, entry.unit))).collect()
    }

    /// From now on there are answers; what was removed before is gone.
    fn finish_recovery(&self) {
        let mut early = self.forgotten_early.lock();
        if early.len() >= MOST_FORGOTTEN_EARLY {
            (0..self.geometry.segments).for_each(|segment| self.index.forget_segment(segment, &mut |_| {}));
        }
        for hash in early.drain() {
            if let Some(place) = self.index.remove(hash) {
                self.settle_later(&place).ok();
            }
        }
        self.recovered.store(true, Ordering::Release);
    }
}

/// Has every stream go on with the segment it filled last. Else each restart would leave some of them nearly empty.
fn go_on_filling(writer: &mut Writer, uses: &[FoundUse], volume: &Volume) {
    for stream in Stream::ALL {
        let of_stream = uses.iter().filter(|found| found.heading.stream == stream.number());
        // One that has to be emptied before all others cannot be while it is being filled.
        let of_stream = of_stream.filter(|found| !writer.untrue.contains(&found.heading.segment));
        let Some(last) = of_stream.max_by_key(|found| found.heading.epoch) else { continue };
        let Heading { segment, epoch, .. } = last.heading;
        let filling = Filling { segment, epoch, offset: last.filled, records: last.records };
        if last.whole && filling.fits(WORTH_FILLING, &volume.geometry) {
            writer.fill(stream, filling);
        }
    }
}

fn end(stored: &Stored) -> u64 {
    u64::from(stored.unit) * UNIT + u64::from(stored.length)
}

fn place(segment: u32, stored: &Stored) -> Place {
    let Stored { epoch, hash, sequence, expires, unit, length, site, kind } = *stored;
    Place { hash, segment, epoch, unit, length, sequence, expires, site, kind, reads: 0, pinned: false }
}
