//! How much lives where: by segment, by when it expires, by site. Kept with the entries, so that nothing is ever counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::volume::Place;

/// Living bytes of a segment are told apart by how long after its beginning they expire: half a minute, one, two, four …
/// minutes. The last takes all the rest; 2^22 half minutes are four years.
const LIVES: usize = 24;
const SHORTEST_LIFE: u64 = 30;

/// All accounts.
pub(crate) struct Accounts {
    segments: Box<[Mutex<SegmentAccount>]>,
    sites: Mutex<HashMap<u32, u64>>,
    records: AtomicU64,
    living: AtomicU64,
    pinned: AtomicU64,
}

/// One segment's account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SegmentAccount {
    pub(crate) epoch: u64,
    pub(crate) opened: u64,
    pub(crate) living: u64,
    pub(crate) pinned: u64,
    latest_expiry: u64,
    lives: [u64; LIVES],
}

impl Accounts {
    pub(super) fn new(segments: u32) -> Self {
        Self {
            segments: (0..segments).map(|_| Mutex::default()).collect(),
            sites: Mutex::default(),
            records: AtomicU64::new(0),
            living: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
        }
    }

    /// Begins the account of a segment in which nothing lives.
    pub(crate) fn begin(&self, segment: u32, epoch: u64, opened: u64) {
        *self.segments[segment as usize].lock() = SegmentAccount { epoch, opened, ..SegmentAccount::default() };
    }

    pub(crate) fn segment(&self, segment: u32) -> SegmentAccount {
        *self.segments[segment as usize].lock()
    }

    /// Whether there is a segment in which something lived and nothing does any more.
    pub(crate) fn has_ended(&self, now: u64) -> bool {
        self.segments.iter().any(|segment| {
            let segment = segment.lock();
            segment.latest_expiry > 0 && segment.living_at(now) == 0
        })
    }

    pub(super) fn add(&self, place: &Place) {
        let bytes = place.padded();
        self.segments[place.segment as usize].lock().add(place, bytes);
        *self.sites.lock().entry(place.site).or_default() += bytes;
        self.records.fetch_add(1, Ordering::Relaxed);
        self.living.fetch_add(bytes, Ordering::Relaxed);
        if place.pinned {
            self.pinned.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Takes a record out of the accounts and answers which use of its segment it belonged to.
    pub(super) fn subtract(&self, place: &Place) -> Place {
        let bytes = place.padded();
        let mut segment = self.segments[place.segment as usize].lock();
        segment.subtract(place, bytes);
        let epoch = segment.epoch;
        drop(segment);
        let mut sites = self.sites.lock();
        if let Some(site) = sites.get_mut(&place.site) {
            *site = site.saturating_sub(bytes);
            if *site == 0 {
                sites.remove(&place.site);
            }
        }
        drop(sites);
        self.records.fetch_sub(1, Ordering::Relaxed);
        self.living.fetch_sub(bytes, Ordering::Relaxed);
        if place.pinned {
            self.pinned.fetch_sub(bytes, Ordering::Relaxed);
        }
        Place { epoch, ..*place }
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn living(&self) -> u64 {
        self.living.load(Ordering::Relaxed)
    }

    pub(crate) fn pinned(&self) -> u64 {
        self.pinned.load(Ordering::Relaxed)
    }

    pub(crate) fn site(&self, site: u32) -> u64 {
        self.sites.lock().get(&site).copied().unwrap_or_default()
    }

    pub(super) fn sites(&self) -> HashMap<u32, u64> {
        self.sites.lock().clone()
    }

    pub(super) fn memory(&self) -> u64 {
        (self.segments.len() * size_of::<Mutex<SegmentAccount>>() + self.sites.lock().capacity() * 24) as u64
    }
}

impl SegmentAccount {
    /// Bytes that can be served at a time, or a few more: those whose time ended lately may still count.
    pub(crate) fn living_at(&self, now: u64) -> u64 {
        if self.latest_expiry <= now {
            return 0;
        }
        let ended = (0..LIVES - 1).filter(|life| self.opened.saturating_add(SHORTEST_LIFE << life) <= now);
        self.living.saturating_sub(ended.map(|life| self.lives[life]).sum())
    }

    fn add(&mut self, place: &Place, bytes: u64) {
        self.living += bytes;
        self.lives[self.life(place.expires)] += bytes;
        self.latest_expiry = self.latest_expiry.max(place.expires);
        if place.pinned {
            self.pinned += bytes;
        }
    }

    fn subtract(&mut self, place: &Place, bytes: u64) {
        self.living = self.living.saturating_sub(bytes);
        let life = &mut self.lives[self.life(place.expires)];
        *life = life.saturating_sub(bytes);
        if place.pinned {
            self.pinned = self.pinned.saturating_sub(bytes);
        }
    }

    fn life(&self, expires: u64) -> usize {
        let life = expires.saturating_sub(self.opened);
        (0..LIVES - 1).find(|shift| life <= SHORTEST_LIFE << shift).unwrap_or(LIVES - 1)
    }
}
