//! How a record gets in: room is found, it is written, it is made known, its index says so, what it replaces goes.

use std::io;
use std::sync::atomic::Ordering;

use super::stream::Stream;
use super::writer::{Filling, Writer};
use super::{AppendError, Appended, Outcome, Place, Volume};
use crate::index::Published;
use crate::journal::{Entry, Heading, Stored};
use crate::keeper::Keeper;
use crate::layout::UNIT;
use crate::record::NewRecord;
use crate::record::codec::{Header, encode_preface};

pub(super) fn failed(operation: &'static str, segment: u32) -> impl Fn(io::Error) -> AppendError {
    move |source| AppendError::Io { operation, segment, source }
}

/// Marks that could not be written, at most. Those beyond are lost, and what they were to tell may come back.
const MOST_LATE: usize = 16 * 1024;

/// Seconds from one trial to begin a segment for which there was no room to the next: each makes a file and removes what it
/// got of it.
const BETWEEN_TRIALS: u64 = 30;

/// What the one who stores a record has to say meanwhile.
pub(super) struct Caller<'a> {
    pub(super) keeper: &'a dyn Keeper,
    /// Whether the record is still wanted when it is written.
    pub(super) wanted: &'a dyn Fn() -> bool,
    /// Told that it goes on, while room is made.
    pub(super) progress: &'a dyn Fn(),
}

/// A segment being filled that cannot be written to is left, so that the next record goes elsewhere.
pub(super) fn leave(
    writer: &mut Writer,
    stream: Stream,
    segment: u32,
    operation: &'static str,
    error: io::Error,
) -> AppendError {
    writer.close(stream);
    writer.trouble(segment);
    failed(operation, segment)(error)
}

impl Volume {
    pub(super) fn append_record(&self, record: &NewRecord, caller: &Caller<'_>) -> Result<Appended, AppendError> {
        let result = self.check_and_write(record, caller);
        if result.is_err() {
            // What was to be replaced is out of date, whether this could be stored or not.
            let forgotten = self.forget(&record.key);
            drop(forgotten.map(|place| self.settle_or_keep(&place)));
        }
        result
    }

    fn check_and_write(&self, record: &NewRecord, caller: &Caller<'_>) -> Result<Appended, AppendError> {
        self.check_size(record)?;
        if !self.is_recovered() {
            return Err(AppendError::Recovering);
        }
        let mut writer = self.writer.lock();
        self.note_late();
        let outcome = self.write(&mut writer, record, caller)?;
        let (reclaimed, lost_its_pin) = (std::mem::take(&mut writer.done), std::mem::take(&mut writer.lost_a_pin));
        Ok(Appended { outcome, reclaimed, lost_its_pin, lacks_room: writer.roomless.take() })
    }

    fn write(&self, writer: &mut Writer, record: &NewRecord, caller: &Caller<'_>) -> Result<Outcome, AppendError> {
        let hash = self.hash(&record.key);
        let length = Header::of(record, 0, 0).length() as u64;
        if self.is_above_ceiling(record.site, length) && self.index.find(hash).is_none() {
            return Ok(Outcome::AboveCeiling);
        }
        let stream = Stream::of_life(record.expires.saturating_sub(self.now()));
        let at = self.make_room(writer, stream, length, caller)?;
        let header = Header::of(record, at.epoch, self.options.sequences.next());
        let preface = encode_preface(&header, record, self.seed);
        let written = self.segments.write(at.segment, at.offset, preface, &record.body);
        written.map_err(|error| leave(writer, stream, at.segment, "write to", error))?;
        writer.took(stream, length);
        self.counters.appended.fetch_add(length, Ordering::Relaxed);
        // First it is written down, then it can be found: so whatever says that it is gone comes after.
        let place = place(hash, &at, &header);
        self.note_stored(&place).map_err(|error| {
            // It may be there nevertheless, in part or whole.
            self.settle_or_keep(&place).ok();
            leave(writer, stream, at.segment, "write the index of", error)
        })?;
        match self.index.publish(place, self.most_pinned(), caller.wanted) {
            Published::Unwanted => {
                self.note_or_keep(place.segment, &Entry::Moved { epoch: place.epoch, unit: place.unit });
                Ok(Outcome::Cancelled)
            }
            Published::Known { replaced, place } => {
                writer.lost_a_pin = !place.pinned && replaced.is_some_and(|replaced| replaced.pinned);
                // First what is there, then what is not: a crash in between leaves both, of which the newer wins.
                let settled = replaced.map_or(Ok(()), |replaced| self.settle_or_keep(&replaced));
                settled.map_err(failed("write the index of", at.segment))?;
                Ok(Outcome::Stored(place))
            }
        }
    }

    /// Writes something down that nobody waits for. Where the device refuses it is tried again with whatever is written
    /// next.
    pub(super) fn note_or_keep(&self, segment: u32, entry: &Entry) {
        if self.note_gone(segment, entry).is_err() {
            let mut late = self.late.lock();
            if late.len() < MOST_LATE {
                late.push((segment, *entry));
            }
        }
    }

    /// What could not be written down before.
    pub(super) fn note_late(&self) {
        let late = std::mem::take(&mut *self.late.lock());
        late.into_iter().for_each(|(segment, entry)| self.note_or_keep(segment, &entry));
    }

    pub(super) fn note_gone(&self, segment: u32, entry: &Entry) -> io::Result<()> {
        let (Entry::Killed { epoch, .. } | Entry::Moved { epoch, .. } | Entry::Stored(Stored { epoch, .. })) = entry;
        self.segments.note(segment, *epoch, entry)
    }

    pub(super) fn note_stored(&self, place: &Place) -> io::Result<()> {
        let Place { hash, epoch, unit, length, sequence, expires, site, kind, .. } = *place;
        let stored = Stored { epoch, hash, sequence, expires, unit, length, site, kind };
        self.segments.note(place.segment, epoch, &Entry::Stored(stored))
    }

    pub(super) fn is_above_ceiling(&self, site: u32, more: u64) -> bool {
        let ceiling = self.shares.read().get(&site).map(|share| share.ceiling);
        ceiling.is_some_and(|ceiling| self.index.accounts().site(site) + more > ceiling)
    }

    /// Where a record goes, after whatever has to be done for that.
    fn make_room(
        &self,
        writer: &mut Writer,
        stream: Stream,
        length: u64,
        caller: &Caller<'_>,
    ) -> Result<Filling, AppendError> {
        if let Some(room) = writer.room(stream, length, &self.geometry) {
            return Ok(room);
        }
        writer.close(stream);
        writer.try_roomless(self.now());
        // Where the file system has less room than the capacity, what is full goes before what cannot be begun.
        for _ in 0..=self.geometry.segments {
            self.make_free(writer, caller)?;
            if self.open_segment(writer, stream)? {
                break;
            }
        }
        let none = || failed("find room in", 0)(io::ErrorKind::StorageFull.into());
        writer.room(stream, length, &self.geometry).ok_or_else(none)
    }

    /// `false`: the file system has no room for the segment that was free, which is not free any more.
    pub(super) fn open_segment(&self, writer: &mut Writer, stream: Stream) -> Result<bool, AppendError> {
        let Some(segment) = writer.next_free() else {
            return Err(failed("find a free segment instead of", 0)(io::ErrorKind::StorageFull.into()));
        };
        if let Err(error) = self.segments.allocate(segment) {
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                writer.trouble(segment);
                return Err(failed("allocate", segment)(error));
            }
            self.set_aside(writer, segment, &error);
            return Ok(false);
        }
        writer.has_room(segment);
        let (epoch, opened) = (self.options.sequences.next(), self.now());
        let heading = Heading { volume: self.superblock.volume, segment, stream: stream.number(), epoch, opened };
        self.segments.begin(&heading).map_err(|error| {
            writer.trouble(segment);
            failed("begin", segment)(error)
        })?;
        self.index.accounts().begin(segment, epoch, opened);
        writer.fill(stream, Filling { segment, epoch, offset: 0, records: 0 });
        self.count_free(writer);
        Ok(true)
    }

    fn set_aside(&self, writer: &mut Writer, segment: u32, error: &io::Error) {
        let before = self.counters.roomless.load(Ordering::Relaxed);
        writer.set_aside(segment, self.now() + BETWEEN_TRIALS);
        self.count_free(writer);
        let without = self.counters.roomless.load(Ordering::Relaxed);
        // One that was tried again is no news.
        if without > before + 1 || before == 0 {
            let bytes = without * self.geometry.segment_size;
            writer.roomless = Some(format!(
                "the file system has no room for {bytes} bytes of the capacity ({error}): free some of it, or configure \
                 less; what is stored goes round in the rest"
            ));
        }
    }

    /// Has a segment be free whose index is empty and of which nothing is known any more.
    pub(super) fn release(&self, writer: &mut Writer, segment: u32) {
        writer.release(segment);
        self.index.accounts().begin(segment, 0, 0);
        self.count_free(writer);
    }

    /// Whether a segment could be had for nothing. Looked for once a second: many may ask.
    pub(super) fn has_ended_segment(&self) -> bool {
        let now = self.now();
        let known = self.counters.ended.load(Ordering::Relaxed);
        if known >> 1 == now {
            return known & 1 == 1;
        }
        // One looks, the others take what was known: it is milliseconds where there are many segments.
        let claimed = now << 1 | known & 1;
        if self.counters.ended.compare_exchange(known, claimed, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return known & 1 == 1;
        }
        let ended = self.index.accounts().has_ended(now);
        self.counters.ended.store(now << 1 | u64::from(ended), Ordering::Relaxed);
        ended
    }

    pub(super) fn count_free(&self, writer: &Writer) {
        self.counters.free.store(writer.free(), Ordering::Relaxed);
        self.counters.roomless.store(writer.count_roomless(), Ordering::Relaxed);
    }
}

/// What the index has to know of a record that was written.
pub(super) fn place(hash: u64, at: &Filling, header: &Header) -> Place {
    Place {
        hash,
        segment: at.segment,
        epoch: at.epoch,
        unit: u32::try_from(at.offset / UNIT).unwrap_or(u32::MAX),
        length: u32::try_from(header.length()).unwrap_or(u32::MAX),
        sequence: header.sequence,
        expires: header.expires,
        site: header.site,
        kind: header.kind,
        reads: 0,
        pinned: false,
    }
}
