//! What is written, and when.
//!
//! Everything that is stored is, but what is of use for a moment only, as segments of a live stream are: it would be written
//! and never read. Nothing here waits. What the store does not take is not on disk, and what was there before it goes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::super::body::Body;
use super::super::clock;
use super::super::memory::FullKey;
use super::super::object::Object;
use super::codec::{HeadRecord, Laid, encode_rule, encode_search};
use super::tier::{DiskRecord, Kind, LARGEST_BODY, NotTaken};
use super::{Beneath, Parts, fresh_number, key, seconds};
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

/// Longest body that is written, unless in slices: a quarter of the queue of a device at most, and so little that all of it
/// can be read and verified before the first byte is served.
pub(super) const LONGEST: u64 = 32 << 20;

/// For how long what is stale is kept for origins that fail, where nothing was said of it; at most as long as it was fresh.
const UNSTATED_USE: Duration = Duration::from_secs(60 * 60);

/// The least time that a record is of use: it takes as long to be sure that it was not in vain.
const LEAST_USE: Duration = Duration::from_secs(60);

/// Parts and slices outlive their head by this much at least, so that a head which is renewed again and again need not have
/// them written each time.
pub(super) const SLACK: u64 = 24 * 60 * 60;

impl Beneath {
    /// Writes a stored object, which replaces what is written under its key.
    pub(in crate::cache::engine) fn keep(&self, place: &FullKey, object: &Object) {
        let key = key::of_full_key(place);
        self.loads.outdate(&key);
        let written = self.record(place, key.clone(), object).is_some_and(|record| self.tier.write(record).is_ok());
        if !written {
            self.tier.remove(&key);
        }
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

    fn record(&self, place: &FullKey, key: Bytes, object: &Object) -> Option<DiskRecord> {
        let expires = self.worth(&object.meta.times)?;
        let site = object.body.deposit.site();
        let (kind, laid, body) = match object.body.in_slices() {
            Some(sliced) => {
                sliced.keep_until(expires.saturating_add(SLACK), site);
                (Kind::Head, sliced.laid(&object.meta.vary), Vec::new())
            }
            None => match object.body.length()? {
                0..=INLINE => (Kind::Object, Laid::Inline, object.body.blocks().to_vec()),
                length if length <= LONGEST => {
                    (Kind::Object, Laid::Parts(self.keep_parts(place, &object.body, expires)?), Vec::new())
                }
                _ => return None,
            },
        };
        let head = HeadRecord {
            meta: object.meta.clone(),
            trailers: object.body.trailers().cloned(),
            origin: object.origin.clone(),
            provenance: object.provenance.clone(),
            laid,
        };
        let head = head.encode(self.lineage)?.into();
        Some(DiskRecord { key, kind, head, body, expires, site })
    }

    /// Writes a body in parts, unless it is; the number of these.
    fn keep_parts(&self, place: &FullKey, body: &Body, expires: u64) -> Option<u64> {
        let mut parts = body.deposit.parts.lock();
        let count = body.blocks().chunks(BLOCKS_OF_A_PART).len() as u64;
        let is_there = |known: &Parts| {
            let mut keys = (0..count).map(|index| key::of_part(&place.primary, known.version, index));
            known.expires >= expires && keys.all(|key| self.tier.may_have(&key))
        };
        if let Some(known) = parts.filter(is_there) {
            return Some(known.version);
        }
        let (version, site) = (fresh_number(), body.deposit.site());
        let expires = expires.saturating_add(SLACK);
        if !self.tier.admits(&key::of_full_key(place)) {
            return None;
        }
        let bodies = body.blocks().chunks(BLOCKS_OF_A_PART).map(<[Bytes]>::to_vec);
        for (index, body) in (0..).zip(bodies) {
            let key = key::of_part(&place.primary, version, index);
            self.commend(&key);
            let record = DiskRecord { key, kind: Kind::Part, head: Bytes::new(), body, expires, site };
            if self.tier.write(record).is_err() {
                (0..index).for_each(|index| self.tier.remove(&key::of_part(&place.primary, version, index)));
                return None;
            }
        }
        *parts = Some(Parts { version, expires });
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
        let Some(known) = *body.deposit.parts.lock() else { return };
        for index in 0..body.length().unwrap_or(0).div_ceil(PART) {
            self.tier.remove(&key::of_part(&place.primary, known.version, index));
        }
    }

    /// Writes how a key varies, so that its variants are found.
    /// Until when that is of use.
    pub(in crate::cache::engine) fn keep_rule(
        &self,
        plain: &FullKey,
        rule: &VaryRule,
        generation: u64,
        until: u64,
    ) -> u64 {
        let key = key::of_full_key(plain);
        self.loads.outdate(&key);
        let until = until.saturating_add(SLACK);
        self.keep_small(key, Kind::Varies, encode_rule(rule, generation), until);
        until
    }

    /// Writes the head of an object in slices anew, where what was said of it is of use for a good while longer than what is
    /// written: each part that comes says something.
    pub(in crate::cache::engine) fn renew_head(&self, place: &FullKey, object: &Object) {
        let written = object.body.in_slices().map_or(0, |sliced| sliced.kept_until());
        let is_longer = self.worth(&object.meta.times).is_some_and(|until| until + SLACK > written + SLACK / 4);
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
        self.keep_small(key::of_search_rule(asked), Kind::Search, head, expires.saturating_add(SLACK));
    }

    /// Has the store take a record that is of use only with another one, which it takes.
    fn commend(&self, key: &[u8]) {
        for _ in 0..2 {
            self.tier.was_asked(key);
        }
    }

    fn keep_small(&self, key: Bytes, kind: Kind, head: Option<Vec<u8>>, expires: u64) {
        self.commend(&key);
        let record = |head: Vec<u8>| DiskRecord {
            key: key.clone(),
            kind,
            head: head.into(),
            body: Vec::new(),
            expires,
            site: 0,
        };
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
    pub(in crate::cache::engine) fn keep_slice(&self, place: &FullKey, body: &Body, expires: u64, site: u32) {
        let key = key::of_full_key(place);
        let fits = body.length().is_some_and(|length| length <= LARGEST_BODY as u64);
        let record = |body| DiskRecord { key, kind: Kind::Slice, head: Bytes::new(), body, expires, site };
        if fits && self.tier.write(record(body.blocks().to_vec())) == Err(NotTaken) {
            log::debug!("the store has no room for a slice now");
        }
    }
}

/// Bytes of all pieces.
pub(super) fn length(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}
