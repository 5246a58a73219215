//! What is written, and when.
//!
//! Everything that is stored is, but what is of use for a moment only, as segments of a live stream are: it would be written
//! and never read. Nothing here waits. What the store does not take is not on disk, and what was there before it goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::super::body::Body;
use super::super::clock;
use super::super::memory::FullKey;
use super::super::object::Object;
use super::codec::{HeadRecord, Laid, encode_rule, encode_search};
use super::tier::{DiskRecord, Kind, LARGEST_BODY, NotTaken};
use super::{Beneath, fresh_number, key, seconds};
use crate::cache::key::CacheKey;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::no_vary_search::NO_VARY_SEARCH;
use crate::cache::rules::vary::VaryRule;

/// Bodies up to this length are written together with their head: one read brings all. Of longer ones the head alone is
/// written again when the origin confirms them.
const INLINE: u64 = 1 << 20;

/// Most bytes of a part: small devices have segments of four MiB, which a part must fit into with its head.
pub(super) const PART: u64 = 2 << 20;

/// The same in blocks of a body, of which each has a MiB.
const BLOCKS_OF_A_PART: usize = (PART >> 20) as usize;

/// Bodies up to this length are queued as a whole: a quarter of the queue of a device at most. Longer ones are written as
/// the device takes them.
const QUEUED: u64 = 16 << 20;

/// For how long what is stale is kept for origins that fail, where nothing was said of it; at most as long as it was fresh.
const UNSTATED_USE: Duration = Duration::from_secs(60 * 60);

/// The least time that a record is of use: it takes as long to be sure that it was not in vain.
const LEAST_USE: Duration = Duration::from_secs(60);

/// Parts and slices outlive their head by this much at least, so that a head which is renewed again and again need not have
/// them written each time.
pub(super) const SLACK: u64 = 24 * 60 * 60;

/// What is written beside a slice or a part.
#[derive(Clone)]
pub(in crate::cache::engine) struct Slot {
    /// Until when it is of use.
    pub(in crate::cache::engine) until: u64,
    /// Whose it is.
    pub(in crate::cache::engine) site: u32,
    /// What purges look at.
    pub(in crate::cache::engine) mark: Bytes,
}

impl Slot {
    pub(super) fn record(self, key: Bytes, kind: Kind, body: Vec<Bytes>) -> DiskRecord {
        DiskRecord { key, kind, head: self.mark, body, expires: self.until, site: self.site }
    }
}

impl Beneath {
    /// Writes a stored object, which replaces what is written under its key.
    pub(in crate::cache::engine) fn keep(self: &Arc<Self>, place: &FullKey, object: &Arc<Object>) {
        let key = key::of_full_key(place);
        if !self.deposits.renews(&key, object) {
            self.deposits.forget(&key);
            if !self.write(place, &key, object) {
                self.tier.remove(&key);
            }
        }
        // Behind the write: what is read from now on is new.
        self.loads.outdate(&key);
    }

    /// Until when an object is of use; nothing where that is too short to write it.
    pub(in crate::cache::engine) fn worth(&self, times: &StoredTimes) -> Option<u64> {
        let now = clock::now();
        let stated = times.stale_while_revalidate.max(times.stale_if_error.unwrap_or_default());
        let used_for = if times.no_cache { Duration::ZERO } else { times.lifetime.saturating_add(stated) };
        let left = used_for.saturating_sub(times.current_age(now));
        // Some milliseconds of what was stated are over already.
        let seconds_left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        if seconds_left < self.min_lifetime.load(Ordering::Relaxed) {
            return None;
        }
        let unstated = times.lifetime.min(UNSTATED_USE).saturating_sub(stated);
        Some(seconds(now).saturating_add(left.saturating_add(unstated).max(LEAST_USE).as_secs()))
    }

    /// Whether its record was taken.
    fn write(self: &Arc<Self>, place: &FullKey, key: &Bytes, object: &Arc<Object>) -> bool {
        let Some(expires) = self.worth(&object.meta.times) else { return false };
        let body = &object.body;
        let laid = match (body.in_slices(), body.length()) {
            (Some(sliced), _) => {
                let mark = self.mark(&object.provenance);
                sliced.keep_until(expires.saturating_add(SLACK), body.deposit.site(), mark);
                Some(sliced.laid(&object.meta.vary))
            }
            (None, Some(0..=INLINE)) => Some(Laid::Inline),
            (None, Some(length)) => {
                let parts = self.known_parts(place, body, expires);
                if parts.is_none() && length > QUEUED {
                    self.deposit(place, object, expires.saturating_add(SLACK));
                    return false;
                }
                parts.or_else(|| self.keep_parts(place, object, expires.saturating_add(SLACK))).map(Laid::Parts)
            }
            (None, None) => None,
        };
        laid.is_some_and(|laid| self.keep_head(key.clone(), object, laid))
    }

    /// Writes what is known of an object, and its body with it where that lies there.
    pub(super) fn keep_head(&self, key: Bytes, object: &Object, laid: Laid) -> bool {
        let Some(expires) = self.worth(&object.meta.times) else { return false };
        let (kind, body) = match laid {
            Laid::Inline => (Kind::Object, object.body.blocks().to_vec()),
            Laid::Parts(_) => (Kind::Object, Vec::new()),
            Laid::Slices { .. } => (Kind::Head, Vec::new()),
        };
        let head = HeadRecord {
            meta: object.meta.clone(),
            trailers: object.body.trailers().cloned(),
            origin: object.origin.clone(),
            provenance: object.provenance.clone(),
            laid,
        };
        let site = object.body.deposit.site();
        let record = |head: Vec<u8>| DiskRecord { key, kind, head: head.into(), body, expires, site };
        head.encode(self.lineage).is_some_and(|head| self.tier.write(record(head)).is_ok())
    }

    /// The number of the parts that a body is written in, where all are there and of use for as long as this.
    fn known_parts(&self, place: &FullKey, body: &Body, expires: u64) -> Option<u64> {
        let known = (*body.deposit.parts.lock()).filter(|known| known.expires >= expires)?;
        self.part_keys(place, body).iter().all(|key| self.tier.may_have(key)).then_some(known.version)
    }

    /// Writes a body in parts; the number of these.
    fn keep_parts(&self, place: &FullKey, object: &Object, expires: u64) -> Option<u64> {
        let (version, deposit) = (fresh_number(), &object.body.deposit);
        if !self.tier.admits(&key::of_full_key(place)) {
            return None;
        }
        let slot = Slot { until: expires, site: deposit.site(), mark: self.mark(&object.provenance) };
        for (index, body) in (0..).zip(bodies_of_parts(&object.body)) {
            let key = key::of_part(&place.primary, version, index);
            self.commend(&key);
            if self.tier.write(slot.clone().record(key, Kind::Part, body)).is_err() {
                (0..index).for_each(|index| self.tier.remove(&key::of_part(&place.primary, version, index)));
                return None;
            }
        }
        deposit.lies_in_parts(version, expires);
        Some(version)
    }

    /// The keys of the parts that a body is written in; none where it is not.
    pub(in crate::cache::engine) fn part_keys(&self, place: &FullKey, body: &Body) -> Vec<Bytes> {
        let Some(known) = *body.deposit.parts.lock() else { return Vec::new() };
        let count = body.length().unwrap_or(0).div_ceil(PART);
        (0..count).map(|index| key::of_part(&place.primary, known.version, index)).collect()
    }

    /// Forgets the parts of a body that nothing leads to any more.
    pub(in crate::cache::engine) fn discard_parts(&self, place: &FullKey, body: &Body) {
        self.part_keys(place, body).iter().for_each(|key| self.tier.remove(key));
    }

    /// Writes how a key of a site varies, so that its variants are found. Until when that is of use.
    pub(in crate::cache::engine) fn keep_rule(
        &self,
        plain: &FullKey,
        rule: &VaryRule,
        generation: u64,
        (until, site): (u64, u32),
    ) -> u64 {
        let key = key::of_full_key(plain);
        self.deposits.forget(&key);
        let until = until.saturating_add(SLACK);
        self.keep_small(key.clone(), Kind::Varies, encode_rule(rule, generation), (until, site));
        self.loads.outdate(&key);
        until
    }

    /// Writes the head of an object in slices anew, where what was said of it is of use for a good while longer than what is
    /// written: each part that comes says something.
    pub(in crate::cache::engine) fn renew_head(self: &Arc<Self>, place: &FullKey, object: &Arc<Object>) {
        let written = object.body.in_slices().map_or(0, |sliced| sliced.kept_until()).saturating_sub(SLACK);
        let worth_it = (object.meta.times.lifetime.as_secs() / 2).clamp(LEAST_USE.as_secs(), SLACK / 4);
        let is_longer = self.worth(&object.meta.times).is_some_and(|until| until > written + worth_it);
        if is_longer {
            self.keep(place, object);
        }
    }

    /// Writes what a response has said of the queries of its path.
    pub(in crate::cache::engine) fn keep_search_rule(&self, asked: &CacheKey, object: &Object) {
        let is_said = object.meta.headers.contains_key(NO_VARY_SEARCH);
        let Some(expires) = self.worth(&object.meta.times).filter(|_| is_said) else {
            return self.tier.remove(&key::of_search_rule(asked));
        };
        let head = encode_search(&object.meta.headers);
        let of = (expires.saturating_add(SLACK), object.body.deposit.site());
        self.keep_small(key::of_search_rule(asked), Kind::Search, head, of);
    }

    /// Has the store take a record that is of use only with another one, which it takes.
    pub(super) fn commend(&self, key: &[u8]) {
        for _ in 0..2 {
            self.tier.was_asked(key);
        }
    }

    fn keep_small(&self, key: Bytes, kind: Kind, head: Option<Vec<u8>>, (expires, site): (u64, u32)) {
        self.commend(&key);
        let record =
            |head: Vec<u8>| DiskRecord { key: key.clone(), kind, head: head.into(), body: Vec::new(), expires, site };
        if head.map(record).is_none_or(|record| self.tier.write(record).is_err()) {
            self.tier.remove(&key);
        }
    }

    /// Notes that somebody reads a slice that is not in memory.
    pub(in crate::cache::engine) fn slice_was_asked(&self, place: &FullKey) {
        self.tier.was_asked(&key::of_full_key(place));
    }

    /// Forgets a slice that nothing leads to. Called where a lock may be held: it waits for nothing.
    pub(in crate::cache::engine) fn discard_slice(&self, place: &FullKey) {
        let key = key::of_full_key(place);
        if self.tier.may_have(&key) {
            self.tier.remove(&key);
        }
    }

    /// Writes one slice.
    pub(in crate::cache::engine) fn keep_slice(&self, place: &FullKey, body: &Body, slot: Slot) {
        let key = key::of_full_key(place);
        let fits = body.length().is_some_and(|length| length <= LARGEST_BODY as u64);
        if fits && self.tier.write(slot.record(key, Kind::Slice, body.blocks().to_vec())) == Err(NotTaken) {
            log::debug!("the store has no room for a slice now");
        }
    }
}

/// The bytes of each part of a body.
pub(super) fn bodies_of_parts(body: &Body) -> impl Iterator<Item = Vec<Bytes>> {
    body.blocks().chunks(BLOCKS_OF_A_PART).map(<[Bytes]>::to_vec)
}

/// Bytes of all pieces.
pub(super) fn length(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}
