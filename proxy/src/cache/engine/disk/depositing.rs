//! Bodies that are too long for the queue of a device: their parts are written one after another, as the device takes them.
//!
//! Owns the pace, and that no head is written of a body that was replaced, forgotten or damaged meanwhile: it comes last, when
//! all parts are there. Until then nothing is on disk of the object.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::super::budget::Reservation;
use super::super::memory::FullKey;
use super::super::object::Object;
use super::codec::Laid;
use super::keeping::{PART, Slot, bodies_of_parts};
use super::tier::{DiskRecord, Kind};
use super::{Beneath, fresh_number, key};

/// Parts of one body that wait to be written at a time: what is short finds room in the queue beside them.
const AT_ONCE: u64 = 4;

/// Longest body that is written, unless in slices: all of it is read and verified before its first byte is served, which is
/// to take no longer than asking the origin.
const LONGEST: u64 = 256 << 20;

/// Between two looks at whether a part is written.
const PAUSE: Duration = Duration::from_millis(10);

/// The longest that one part may take. A device that is so slow has nothing to spare for it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Long bodies on their way, by the key of their head.
#[derive(Default)]
pub(super) struct Deposits {
    running: Mutex<HashMap<Bytes, Running, RandomState>>,
}

struct Running {
    version: u64,
    /// The newest that is known of this body.
    object: Arc<Object>,
}

impl Deposits {
    /// Whether this body is on its way there: then it goes on, and what is known of it now is written at its end.
    pub(super) fn renews(&self, key: &[u8], object: &Arc<Object>) -> bool {
        let mut running = self.running.lock();
        let known = running.get_mut(key).filter(|known| Arc::ptr_eq(&known.object.body, &object.body));
        known.map(|known| known.object = Arc::clone(object)).is_some()
    }

    /// What is on its way there is not to be completed.
    pub(super) fn forget(&self, key: &[u8]) {
        self.running.lock().remove(key);
    }

    fn begin(&self, key: &Bytes, version: u64, object: &Arc<Object>) {
        self.running.lock().insert(key.clone(), Running { version, object: Arc::clone(object) });
    }

    fn has(&self, key: &[u8], version: u64) -> bool {
        self.running.lock().get(key).is_some_and(|known| known.version == version)
    }

    /// Ends one, with `complete` at a time when nobody can forget it; whether it was still wanted and is complete.
    fn end(&self, key: &[u8], version: u64, complete: impl FnOnce(&Object) -> bool) -> bool {
        let mut running = self.running.lock();
        let Some(known) = running.get(key).filter(|known| known.version == version) else { return false };
        let is_complete = complete(&known.object);
        running.remove(key);
        is_complete
    }
}

impl Beneath {
    /// Begins to write a long body and then its head, which are of use until `expires`.
    pub(super) fn deposit(self: &Arc<Self>, place: &FullKey, object: &Arc<Object>, expires: u64) {
        let length = object.body.length().unwrap_or(u64::MAX);
        let disk_key = key::of_full_key(place);
        let mut reserved = self.held.reservation();
        // It is in memory until all of it is written, whatever becomes of it there.
        if length > LONGEST || !self.tier.admits(&disk_key) || !reserved.grow(length) {
            return;
        }
        let version = fresh_number();
        self.deposits.begin(&disk_key, version, object);
        let deposit = Depositing {
            beneath: Arc::clone(self),
            place: place.clone(),
            object: Arc::clone(object),
            disk_key,
            expires,
            version,
            _reserved: reserved,
        };
        self.runtime.spawn(deposit.run());
    }

    /// Whether a record was taken and is not on its device yet.
    async fn until_written(&self, key: &[u8]) -> bool {
        let late = Instant::now() + LONGEST_WAIT;
        while self.tier.is_queued(key) {
            if Instant::now() >= late {
                return false;
            }
            sleep(PAUSE).await;
        }
        self.tier.may_have(key)
    }

    /// Has a part taken, waiting for room in the queue.
    async fn take(&self, record: DiskRecord) -> bool {
        let late = Instant::now() + LONGEST_WAIT;
        loop {
            self.commend(&record.key);
            if self.tier.write(record.clone()).is_ok() {
                return true;
            }
            if Instant::now() >= late {
                return false;
            }
            sleep(PAUSE * 10).await;
        }
    }
}

/// One body on its way to a device.
struct Depositing {
    beneath: Arc<Beneath>,
    place: FullKey,
    object: Arc<Object>,
    disk_key: Bytes,
    expires: u64,
    version: u64,
    _reserved: Reservation,
}

impl Drop for Depositing {
    fn drop(&mut self) {
        self.beneath.deposits.end(&self.disk_key, self.version, |_| false);
    }
}

impl Depositing {
    fn part(&self, index: u64) -> Bytes {
        key::of_part(&self.place.primary, self.version, index)
    }

    async fn run(self) {
        let count = self.object.body.length().unwrap_or(0).div_ceil(PART);
        if self.write_parts(count).await && self.write_head() {
            return;
        }
        log::debug!("the body of {} was not written on disk", self.place.primary.without_query());
        (0..count).for_each(|index| self.beneath.tier.remove(&self.part(index)));
    }

    async fn write_parts(&self, count: u64) -> bool {
        let (beneath, deposit) = (&self.beneath, &self.object.body.deposit);
        let slot = Slot { until: self.expires, site: deposit.site(), mark: beneath.mark(&self.object.provenance) };
        for (index, body) in (0_u64..).zip(bodies_of_parts(&self.object.body)) {
            if let Some(before) = index.checked_sub(AT_ONCE)
                && !beneath.until_written(&self.part(before)).await
            {
                return false;
            }
            let record = slot.clone().record(self.part(index), Kind::Part, body);
            if !beneath.deposits.has(&self.disk_key, self.version) || !beneath.take(record).await {
                return false;
            }
        }
        for index in count.saturating_sub(AT_ONCE)..count {
            if !beneath.until_written(&self.part(index)).await {
                return false;
            }
        }
        (0..count).all(|index| beneath.tier.may_have(&self.part(index)))
    }

    /// Whether it was still the one to be written.
    fn write_head(&self) -> bool {
        self.beneath.deposits.end(&self.disk_key, self.version, |object| {
            object.body.deposit.lies_in_parts(self.version, self.expires);
            self.beneath.keep_head(self.disk_key.clone(), object, Laid::Parts(self.version))
        })
    }
}
