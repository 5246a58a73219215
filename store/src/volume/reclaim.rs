//! How room is made: a whole segment at a time, after what was read of it has been written anew.
//!
//! Owns which segment goes and which of its records stay. A queue in which what was asked for gets a second round
//! holds against scans: what came once and was never read goes with its segment, whatever there was of it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::stream::Stream;
use super::window::Window;
use super::writer::{Filling, Full, RESERVED, Writer};
use super::writing::{Caller, failed, leave, place};
use super::{AppendError, Place, Volume};
use crate::figures::Reclaimed;
use crate::journal::Entry;
use crate::keeper::{EntryView, Fate, Keeper};
use crate::key::Key;
use crate::layout::padded;
use crate::options::Share;
use crate::record::codec::{Header, change_epoch, head, key, verify};

/// How finely the living part of segments is told apart. Coarse, so that among segments of which about as much lives the
/// oldest goes, and the order is nearly the one in which they were written.
const LIVING_STEPS: u64 = 8;

/// Segments that stay where they are because nearly all of them was read, at most, for one record to be stored: it should
/// not wait long, and were all of them spared at once, their records' reads would all be forgotten.
const MOST_SPARED: u32 = 8;

/// Why a record is to be carried over. What comes first does so first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Pinned,
    /// The most often read first: the number counts down.
    Read(u8),
    /// Its site has less than its floor.
    Floor,
}

/// What of a segment is to stay.
#[derive(Default)]
struct Claims {
    records: Vec<(Claim, Place)>,
    bytes: u64,
    /// How much of that is pinned.
    pinned: u64,
}

/// What became of a victim's records.
#[derive(Default)]
struct Round {
    told: Reclaimed,
    /// Where those stood that are elsewhere now.
    moved: Vec<Place>,
    /// Units of those that the keeper let go. They can be found until the segment's index says nothing of them.
    dropped: HashSet<u32>,
    /// Units of those that could not be read.
    corrupt: HashSet<u32>,
}

impl Round {
    fn goes(&mut self, place: &Place, now: u64) {
        let told = &mut self.told;
        match () {
            () if self.dropped.contains(&place.unit) => told.dropped += 1,
            () if self.corrupt.contains(&place.unit) => told.corrupt += 1,
            () if place.expires <= now => told.expired += 1,
            () => {
                told.evicted += 1;
                told.evicted_bytes += place.padded();
            }
        }
    }
}

/// A site that has a share, and how much it will have.
struct SiteRoom {
    share: Share,
    has: u64,
}

impl Claims {
    /// As many of them as have room, the better ones first, in the order they are to be read.
    fn within(self, mut room: u64) -> Vec<Place> {
        let mut records = self.records;
        records.sort_unstable_by_key(|(claim, place)| (*claim, Reverse(place.unit)));
        records.retain(|(_, place)| match room.checked_sub(place.padded()) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        });
        let mut places: Vec<Place> = records.into_iter().map(|(_, place)| place).collect();
        places.sort_unstable_by_key(|place| place.unit);
        places
    }
}

fn claim(place: &Place, site: Option<&SiteRoom>) -> Option<Claim> {
    let more = |site: &SiteRoom| site.has + place.padded();
    match site {
        _ if place.pinned => Some(Claim::Pinned),
        Some(site) if more(site) > site.share.ceiling => None,
        _ if place.reads > 0 => Some(Claim::Read(u8::MAX - place.reads)),
        Some(site) if more(site) <= site.share.floor => Some(Claim::Floor),
        _ => None,
    }
}

impl Volume {
    /// Makes segments free until there is one to take, beside the one in reserve.
    pub(super) fn make_free(&self, writer: &mut Writer, caller: &Caller<'_>) -> Result<(), AppendError> {
        let mut spared = 0;
        let half = self.geometry.segment_size / 2;
        // Two reclaims make at least one segment free, as each carries over half a segment at most; and half of all
        // segments may stay as they are pinned.
        for _ in 0..self.geometry.segments * 3 {
            if writer.free() > RESERVED {
                break;
            }
            self.try_unusable(writer);
            if let Some(stream) = writer.left_behind() {
                writer.close(stream);
            }
            let now = self.now();
            let Some(victim) = self.choose_victim(writer, now) else { break };
            let claims = self.claims(victim.segment, now);
            let must_go = writer.untrue.contains(&victim.segment);
            // What is pinned stays, however many segments in a row are; and while it cannot be carried anywhere.
            let is_pinned = claims.pinned > half || claims.pinned > 0 && writer.free() == 0;
            // Nearly all of it is to stay: then it stays where it is, for as long as if it had been written anew.
            let is_spared = is_pinned || claims.bytes > half && spared < MOST_SPARED;
            if is_spared && !must_go {
                writer.spare(victim.segment, self.options.sequences.next());
                self.index.forget_reads(victim.segment);
                spared += u32::from(!is_pinned);
                (caller.progress)();
                continue;
            }
            self.reclaim(writer, caller, victim, claims, now)?;
        }
        Ok(())
    }

    fn reclaim(
        &self,
        writer: &mut Writer,
        caller: &Caller<'_>,
        victim: Full,
        claims: Claims,
        now: u64,
    ) -> Result<(), AppendError> {
        let Full { segment, epoch, .. } = victim;
        let opened = self.index.accounts().segment(segment).opened;
        let told = Reclaimed { segment, age: now.saturating_sub(opened), ..Reclaimed::default() };
        let mut round = Round { told, ..Round::default() };
        let places = claims.within(self.geometry.segment_size / 2);
        let mut window = Window::default();
        let mut carried = Ok(true);
        for (number, place) in places.iter().enumerate() {
            let bytes = window.read(&self.segments, &places[number..]).ok();
            (caller.progress)();
            carried = self.carry_over(writer, caller.keeper, Place { epoch, ..*place }, bytes, &mut round);
            if !matches!(carried, Ok(true)) {
                break;
            }
        }
        // Also when that was broken off: else what was carried over would be there twice.
        self.empty(writer, segment, &round.moved)?;
        self.index.forget_segment(segment, &mut |place| round.goes(place, now));
        self.segments.end(segment);
        self.release(writer, segment);
        self.counters.reclaimed.fetch_add(1, Ordering::Relaxed);
        self.counters.evicted.fetch_add(round.told.evicted, Ordering::Relaxed);
        writer.done.push(round.told);
        carried.map(drop)
    }

    /// Has a segment's index say nothing any more. While the device refuses that, everything that is left of the segment
    /// stays as it is; only of what was carried over it has to say that it is elsewhere now.
    fn empty(&self, writer: &mut Writer, segment: u32, moved: &[Place]) -> Result<(), AppendError> {
        self.segments.empty(segment).map_err(|error| {
            writer.refused(segment);
            let gone = |place: &Place| Entry::Moved { epoch: place.epoch, unit: place.unit };
            if moved.iter().any(|place| self.note_gone(segment, &gone(place)).is_err()) {
                writer.untrue.insert(segment);
            }
            failed("empty", segment)(error)
        })
    }

    /// A segment that could be neither read nor emptied may be another time.
    fn try_unusable(&self, writer: &mut Writer) {
        for segment in writer.unusable() {
            if self.segments.empty(segment).is_ok() {
                self.segments.end(segment);
                self.release(writer, segment);
            }
        }
    }

    /// The segment of which the least is alive, the oldest of such.
    fn choose_victim(&self, writer: &Writer, now: u64) -> Option<Full> {
        writer.full().min_by_key(|full| {
            let alive = self.index.accounts().segment(full.segment).living_at(now);
            (
                !writer.untrue.contains(&full.segment),
                full.refusals,
                (alive * LIVING_STEPS).div_ceil(full.filled.max(1)),
                full.age,
            )
        })
    }

    /// The records of a segment that are to stay.
    fn claims(&self, segment: u32, now: u64) -> Claims {
        let mut claims = Claims::default();
        if self.index.accounts().segment(segment).living_at(now) == 0 {
            return claims;
        }
        let mut living = self.index.of_segment(segment);
        living.retain(|place| place.expires > now);
        // The newest first: of a site that is to keep something, that is what it keeps.
        living.sort_unstable_by_key(|place| Reverse(place.unit));
        let mut sites = self.sites_without(&living);
        for place in living {
            let site = sites.get_mut(&place.site);
            if let Some(claim) = claim(&place, site.as_deref()) {
                site.into_iter().for_each(|site| site.has += place.padded());
                claims.bytes += place.padded();
                claims.pinned += if place.pinned { place.padded() } else { 0 };
                claims.records.push((claim, place));
            }
        }
        claims
    }

    /// What sites with shares will have if all of these go.
    fn sites_without(&self, places: &[Place]) -> HashMap<u32, SiteRoom> {
        let room =
            |(site, share): (&u32, &Share)| (*site, SiteRoom { share: *share, has: self.index.accounts().site(*site) });
        let mut sites: HashMap<u32, SiteRoom> = self.shares.read().iter().map(room).collect();
        for place in places {
            if let Some(site) = sites.get_mut(&place.site) {
                site.has = site.has.saturating_sub(place.padded());
            }
        }
        sites
    }

    /// Writes a record anew if the keeper wants it; `false`: there is no room for it, nor for others.
    fn carry_over(
        &self,
        writer: &mut Writer,
        keeper: &dyn Keeper,
        from: Place,
        bytes: Option<Vec<u8>>,
        round: &mut Round,
    ) -> Result<bool, AppendError> {
        let Some((mut bytes, header)) = bytes.and_then(|bytes| self.verified(bytes, &from)) else {
            round.corrupt.insert(from.unit);
            return Ok(true);
        };
        let fate = judge(&bytes, &header, &from, keeper);
        if fate == Fate::Drop {
            round.dropped.insert(from.unit);
            return Ok(true);
        }
        let Some(at) = self.room_for_carrying(writer, padded(from.length))? else { return Ok(false) };
        change_epoch(&mut bytes, &header, at.epoch, self.seed);
        let written = self.segments.write(at.segment, at.offset, bytes, &[]);
        written.map_err(|error| leave(writer, Stream::Carried, at.segment, "write to", error))?;
        writer.took(Stream::Carried, u64::from(from.length));
        self.counters.carried.fetch_add(u64::from(from.length), Ordering::Relaxed);
        let pinned = fate == Fate::KeepPinned && self.index.accounts().pinned() + from.padded() <= self.most_pinned();
        let to = Place { pinned, ..place(from.hash, &at, &header) };
        // Written down before it is found there: a removal from now on marks one of both, and speaks for both.
        self.note_stored(&to).map_err(|error| {
            self.note_or_keep(to.segment, &Entry::Moved { epoch: to.epoch, unit: to.unit });
            leave(writer, Stream::Carried, at.segment, "write the index of", error)
        })?;
        if self.index.relocate(&from, to) {
            round.moved.push(from);
            round.told.carried += 1;
            round.told.carried_bytes += u64::from(from.length);
        } else {
            // Removed or replaced meanwhile: then nobody hears of the copy.
            self.note_or_keep(to.segment, &Entry::Killed { epoch: to.epoch, unit: to.unit });
        }
        Ok(true)
    }

    fn verified(&self, bytes: Vec<u8>, from: &Place) -> Option<(Vec<u8>, Header)> {
        let header = verify(&bytes, self.seed).ok()?;
        let same = (header.epoch, header.sequence, header.length()) == (from.epoch, from.sequence, bytes.len());
        same.then_some((bytes, header))
    }

    /// Only free segments are taken for it, never one that would have to be reclaimed first.
    fn room_for_carrying(&self, writer: &mut Writer, length: u64) -> Result<Option<Filling>, AppendError> {
        if writer.room(Stream::Carried, length, &self.geometry).is_none() {
            if writer.free() == 0 {
                return Ok(None);
            }
            writer.close(Stream::Carried);
            if !self.open_segment(writer, Stream::Carried)? {
                return Ok(None);
            }
        }
        Ok(writer.room(Stream::Carried, length, &self.geometry))
    }
}

/// What the keeper says of a record that was read whole.
fn judge(bytes: &[u8], header: &Header, from: &Place, keeper: &dyn Keeper) -> Fate {
    let Ok(key) = Key::new(Bytes::copy_from_slice(key(bytes, header))) else { return Fate::Drop };
    keeper.keeps(&EntryView {
        key: &key,
        head: head(bytes, header),
        kind: header.kind,
        site: header.site,
        expires: header.expires,
        reads: from.reads,
    })
}
