//! How room is made: a whole segment at a time, after what was read of it has been written anew.
//!
//! Owns which segment goes and which of its records stay. A queue in which what was asked for gets a second round
//! holds against scans: what came once and was never read goes with its segment, whatever there was of it.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::stream::Stream;
use super::writer::{Filling, Writer};
use super::writing::{failed, place};
use super::{AppendError, Place, Volume};
use crate::figures::Reclaimed;
use crate::keeper::{EntryView, Fate, Keeper};
use crate::key::Key;
use crate::layout::padded;
use crate::record::codec::{Header, change_epoch, head, key, verify};

/// How finely the living part of segments is told apart. Coarse, so that among segments of which about as much lives the
/// oldest goes, and the order is nearly the one in which they were written.
const LIVING_STEPS: u64 = 8;

/// Why a record is to be carried over. What comes first does so first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Pinned,
    /// The most often read first: the number counts down.
    Read(u8),
    /// Its site has less than its floor.
    Floor,
}

impl Volume {
    /// Makes one segment free; `false`: there is none that could be.
    pub(super) fn reclaim(&self, writer: &mut Writer, keeper: &dyn Keeper) -> Result<bool, AppendError> {
        let now = self.now();
        let Some((victim, epoch)) = self.choose_victim(writer, now) else { return Ok(false) };
        let account = self.index.accounts().segment(victim);
        let mut told = Reclaimed { segment: victim, age: now.saturating_sub(account.opened), ..Reclaimed::default() };
        for (_, place) in self.claims(victim, now) {
            if !self.carry_over(writer, keeper, Place { epoch, ..place }, &mut told)? {
                break;
            }
        }
        self.index.forget_segment(victim, &mut |place| match place.expires <= now {
            true => told.expired += 1,
            false => {
                told.evicted += 1;
                told.evicted_bytes += place.padded();
            }
        });
        self.segments.end(victim).map_err(|error| {
            writer.trouble(victim);
            failed("empty", victim)(error)
        })?;
        writer.release(victim);
        self.count_free(writer);
        self.counters.reclaimed.fetch_add(1, Ordering::Relaxed);
        self.counters.evicted.fetch_add(told.evicted, Ordering::Relaxed);
        writer.done.push(told);
        Ok(true)
    }

    /// The segment of which the least is alive, the oldest of such; one that is mostly pinned only if all are.
    fn choose_victim(&self, writer: &Writer, now: u64) -> Option<(u32, u64)> {
        let cost = |(segment, filled, epoch, troubles): (u32, u64, u64, u32)| {
            let account = self.index.accounts().segment(segment);
            let mostly_pinned = account.pinned > self.geometry.segment_size / 2;
            let living = (account.living_at(now) * LIVING_STEPS).div_ceil(filled.max(1));
            ((troubles, mostly_pinned, living, epoch), segment)
        };
        writer.full().map(cost).min().map(|((_, _, _, epoch), segment)| (segment, epoch))
    }

    /// The records of a segment that are to be carried over, as they stand in it: no more than half a segment.
    fn claims(&self, segment: u32, now: u64) -> Vec<(Claim, Place)> {
        if self.index.accounts().segment(segment).living_at(now) == 0 {
            return Vec::new();
        }
        let living = self.index.of_segment(segment).into_iter().filter(|place| place.expires > now);
        let mut claims: Vec<_> = living.filter_map(|place| Some((self.claim(&place)?, place))).collect();
        claims.sort_unstable_by_key(|(claim, place)| (*claim, place.unit));
        let mut room = self.geometry.segment_size / 2;
        claims.retain(|(_, place)| match room.checked_sub(place.padded()) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        });
        claims.sort_unstable_by_key(|(_, place)| place.unit);
        claims
    }

    fn claim(&self, place: &Place) -> Option<Claim> {
        if place.pinned {
            return Some(Claim::Pinned);
        }
        let share = self.shares.read().get(&place.site).copied();
        let has = self.index.accounts().site(place.site);
        match share {
            Some(share) if has > share.ceiling => None,
            _ if place.reads > 0 => Some(Claim::Read(u8::MAX - place.reads)),
            Some(share) if has <= share.floor => Some(Claim::Floor),
            _ => None,
        }
    }

    /// Writes a record anew if the keeper wants it; `false`: there is no room for it, nor for others.
    fn carry_over(
        &self,
        writer: &mut Writer,
        keeper: &dyn Keeper,
        from: Place,
        told: &mut Reclaimed,
    ) -> Result<bool, AppendError> {
        let Some((mut bytes, header)) = self.read_for_carrying(&from) else {
            told.corrupt += u64::from(self.index.remove_if_there(&from));
            return Ok(true);
        };
        let fate = judge(&bytes, &header, &from, keeper);
        if fate == Fate::Drop {
            told.dropped += u64::from(self.index.remove_if_there(&from));
            return Ok(true);
        }
        let Some(at) = self.room_for_carrying(writer, padded(from.length))? else { return Ok(false) };
        change_epoch(&mut bytes, &header, at.epoch, self.seed);
        self.segments.write(at.segment, at.offset, bytes, &[]).map_err(failed("write to", at.segment))?;
        writer.took(Stream::Carried, u64::from(from.length));
        self.counters.carried.fetch_add(u64::from(from.length), Ordering::Relaxed);
        let pinned = fate == Fate::KeepPinned && self.index.accounts().pinned() + from.padded() <= self.most_pinned();
        let to = Place { pinned, ..place(from.hash, &at, &header) };
        // Removed or replaced meanwhile: then nobody hears of the copy.
        if self.index.relocate(&from, to) {
            self.note_stored(&to, at.epoch).map_err(failed("write the index of", at.segment))?;
            told.carried += 1;
            told.carried_bytes += u64::from(from.length);
        }
        Ok(true)
    }

    fn read_for_carrying(&self, from: &Place) -> Option<(Vec<u8>, Header)> {
        let mut bytes = vec![0; from.length as usize];
        self.segments.read(from.segment, from.offset(), &mut bytes).ok()?;
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
            self.close(writer, Stream::Carried)?;
            self.open_segment(writer, Stream::Carried)?;
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
