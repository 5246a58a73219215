//! What the one who writes knows: which segments are free, being filled, full.

use std::collections::BTreeSet;

use super::stream::{STREAMS, Stream};
use crate::figures::Reclaimed;
use crate::layout::{Geometry, UNIT};

/// Free segments that only carrying over may take: without one, records could not be moved out of the next victim.
pub(super) const RESERVED: u64 = 1;

/// Everything that changes with writing, under one lock.
pub(super) struct Writer {
    pub(super) segments: Vec<Segment>,
    filling: [Option<Filling>; STREAMS],
    /// Segments whose index says of some records that they are there, which they are not, as the device refused to have it
    /// say otherwise. They are emptied before any other: what tells better is elsewhere, and must not go before.
    pub(super) untrue: BTreeSet<u32>,
    /// Reclaims that no caller was told of yet.
    pub(super) done: Vec<Reclaimed>,
    /// Whether what was stored could not be pinned as what it replaced was.
    pub(super) lost_a_pin: bool,
    /// When the next segment without room is tried again, in seconds since 1970.
    pub(super) next_trial: u64,
    /// The one that is tried.
    on_trial: Option<u32>,
    /// Why segments have none, until somebody was told.
    pub(super) roomless: Option<String>,
}

/// A segment as far as writing goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) state: State,
    /// How often the device refused to take it into use or to write to it. Others are preferred.
    pub(super) troubles: u32,
    /// How often it refused to let it be free.
    pub(super) refusals: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Filling,
    /// `filled` bytes were written in this use, whether they live or not.
    Full {
        filled: u64,
        epoch: u64,
        /// What the oldest of goes first: when it was begun, or spared for the last time.
        age: u64,
    },
    /// Nobody knows what its index says, and it cannot be emptied.
    Unusable,
    /// The file system has no room for it, though the capacity has.
    Roomless,
}

/// A segment that is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Full {
    pub(super) segment: u32,
    pub(super) filled: u64,
    pub(super) epoch: u64,
    pub(super) age: u64,
    pub(super) refusals: u32,
}

/// A segment being filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling {
    pub(super) segment: u32,
    pub(super) epoch: u64,
    /// Where the next record goes.
    pub(super) offset: u64,
    /// Records it has.
    pub(super) records: u64,
}

impl Filling {
    /// Whether a record of so many bytes goes in.
    pub(super) fn fits(&self, length: u64, geometry: &Geometry) -> bool {
        self.offset + length <= geometry.segment_size && self.records < geometry.most_records()
    }
}

impl Writer {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let free = Segment { state: State::Free, troubles: 0, refusals: 0 };
        Self {
            segments: vec![free; geometry.segments as usize],
            filling: [None; STREAMS],
            untrue: BTreeSet::new(),
            done: Vec::new(),
            lost_a_pin: false,
            next_trial: 0,
            on_trial: None,
            roomless: None,
        }
    }

    pub(super) fn free(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.state == State::Free).count() as u64
    }

    /// The free segment that made the least trouble, but first the one that is on trial: should it have no room, it must not
    /// be the last one that is free.
    pub(super) fn next_free(&self) -> Option<u32> {
        if let trial @ Some(_) = self.on_trial {
            return trial;
        }
        let free = self.numbered().filter(|(_, segment)| segment.state == State::Free);
        free.min_by_key(|(number, segment)| (segment.troubles, *number)).map(|(number, _)| number)
    }

    /// The segments that are full.
    pub(super) fn full(&self) -> impl Iterator<Item = Full> {
        self.numbered().filter_map(|(number, segment)| match segment.state {
            State::Full { filled, epoch, age } => {
                Some(Full { segment: number, filled, epoch, age, refusals: segment.refusals })
            }
            State::Free | State::Filling | State::Unusable | State::Roomless => None,
        })
    }

    /// Has a full segment be as young as one that was begun now.
    pub(super) fn spare(&mut self, segment: u32, now: u64) {
        if let State::Full { age, .. } = &mut self.segments[segment as usize].state {
            *age = now;
        }
    }

    /// The stream whose segment is older than all that are full: nearly nothing comes there any more.
    pub(super) fn left_behind(&self) -> Option<Stream> {
        let oldest = self.full().map(|full| full.age).min()?;
        Stream::ALL.into_iter().find(|stream| {
            self.filling[*stream as usize].is_some_and(|filling| filling.epoch < oldest && filling.offset > 0)
        })
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &Segment)> {
        (0..).zip(&self.segments)
    }

    /// Where a record of so many bytes goes, if the segment being filled has room.
    pub(super) fn room(&self, stream: Stream, length: u64, geometry: &Geometry) -> Option<Filling> {
        self.filling[stream as usize].filter(|filling| filling.fits(length, geometry))
    }

    /// Notes that a record was written to where [`Writer::room`] said.
    pub(super) fn took(&mut self, stream: Stream, length: u64) {
        if let Some(filling) = &mut self.filling[stream as usize] {
            filling.offset = (filling.offset + length).next_multiple_of(UNIT);
            filling.records += 1;
        }
    }

    pub(super) fn fill(&mut self, stream: Stream, filling: Filling) {
        self.segments[filling.segment as usize].state = State::Filling;
        self.filling[stream as usize] = Some(filling);
    }

    /// Has the segment being filled be full. It is not made durable: that would stop the writer for a while, and what a
    /// power cut takes is a miss, as every record is compared with its checksums.
    pub(super) fn close(&mut self, stream: Stream) {
        if let Some(Filling { segment, epoch, offset, .. }) = self.filling[stream as usize].take() {
            self.segments[segment as usize].state = State::Full { filled: offset, epoch, age: epoch };
        }
    }

    /// Has a segment be free.
    pub(super) fn release(&mut self, segment: u32) {
        self.segments[segment as usize].state = State::Free;
        self.segments[segment as usize].refusals = 0;
        self.untrue.remove(&segment);
    }

    pub(super) fn open_segments(&self) -> Vec<u32> {
        self.filling.iter().flatten().map(|filling| filling.segment).collect()
    }

    pub(super) fn refused(&mut self, segment: u32) {
        let refusals = &mut self.segments[segment as usize].refusals;
        *refusals = refusals.saturating_add(1);
    }

    pub(super) fn unusable(&self) -> Vec<u32> {
        self.numbered().filter(|(_, segment)| segment.state == State::Unusable).map(|(number, _)| number).collect()
    }

    /// The file system has no room for this free segment: nor for those behind it, which were not used before it. Should
    /// some of these have theirs already, they are found soon: one that can be used has the next be tried at once.
    pub(super) fn set_aside(&mut self, segment: u32, next_trial: u64) {
        for behind in &mut self.segments[segment as usize..] {
            if behind.state == State::Free {
                behind.state = State::Roomless;
            }
        }
        self.next_trial = next_trial;
        self.on_trial = None;
    }

    /// The file system has room for this one: then perhaps also for the next.
    pub(super) fn has_room(&mut self, segment: u32) {
        if self.on_trial == Some(segment) {
            (self.on_trial, self.next_trial) = (None, 0);
        }
    }

    /// Has one of the segments be free again that had no room, when it is time, or when there is no other.
    pub(super) fn try_roomless(&mut self, now: u64) {
        let useless = [State::Roomless, State::Unusable];
        let is_all_there_is = || self.segments.iter().all(|segment| useless.contains(&segment.state));
        if (now >= self.next_trial || is_all_there_is())
            && let Some(segment) = self.segments.iter().position(|segment| segment.state == State::Roomless)
        {
            self.segments[segment].state = State::Free;
            self.on_trial = u32::try_from(segment).ok();
        }
    }

    /// How many have none.
    pub(super) fn count_roomless(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.state == State::Roomless).count() as u64
    }

    pub(super) fn trouble(&mut self, segment: u32) {
        let troubles = &mut self.segments[segment as usize].troubles;
        *troubles = troubles.saturating_add(1);
    }
}
