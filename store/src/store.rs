//! All devices together: where a record goes, where it is looked for, and which of two is the newer.
//!
//! Owns: what callers do with the store. Nothing here waits for a device: lookups are answered from memory, writes and
//! removals are queued, and who reads or saves state awaits an answer that comes at a deadline at the latest. That
//! something is wrong with a device is never an error of the caller's: there is a miss, and the [`Watcher`] is told.
//!
//! For every key it holds that a read gives what was written last, or nothing: removals and writes of one key happen in
//! one order, a record that is queued is found in the queue, a record that could not be written takes with it what it
//! was to replace, and a device that was away is told what was removed meanwhile before it is asked again.

mod closing;
mod figures;
mod listing;
mod options;
mod states;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use crate::device::{Device, Ending, Peers, Question, Queue, Reply, Setting};
use crate::key::Key;
use crate::options::{Sequences, Share, VolumeOptions};
use crate::placement::{self, PlacementHash};
use crate::record::{LARGEST_BODY, LARGEST_HEAD, NewRecord, Record};
use crate::sketch::Sketch;
use crate::volume::{Lookup, Place};
use crate::watcher::DeviceState;

pub use closing::Closed;
pub use figures::{DeviceFigures, StoreFigures};
pub use listing::{Listed, Listing, NoCursor, StoreCursor};
pub use options::{DeviceOptions, Limits, StoreOptions};
pub use states::{Loaded, Saved, StateCopy};
use watch::Watch;

/// Locks that put writes and removals of a key in one order; two keys rarely share one.
const STRIPES: usize = 64;
/// What an object takes on average, for the size of the sketch.
const AVERAGE_OBJECT: u64 = 64 * 1024;
/// Askings that admit a record when room costs other records theirs.
const ADMITTED_FROM: u8 = 2;

/// Records by key, on any number of devices.
pub struct Store {
    devices: Vec<Arc<Device>>,
    watch: Arc<Watch>,
    sketch: Sketch,
    stripes: Vec<Mutex<()>>,
    peers: Arc<Peers>,
    sequences: Arc<Sequences>,
}

/// Whether there may be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Absent,
    /// There is one, or its device has not read its index yet: read it.
    Maybe,
}

/// What came of pinning a record, or of letting it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// It is done.
    Done,
    /// There is no such record.
    NotThere,
    /// It is not written yet: try again.
    Waiting,
    /// More than half of its device would be pinned.
    TooMuch,
}

/// Why a record is not stored. Unless it says otherwise, what its key had is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Room is scarce, and the key was not asked for twice. There was nothing stored of it.
    NotAdmitted,
    /// Its device has too much to write already.
    Busy,
    /// No device can be written.
    NoDevice,
    /// Its head or body is larger than any record may be.
    TooLarge,
}

impl Refused {
    /// All reasons, for metrics that begin with 0.
    pub const ALL: [Self; 4] = [Self::NotAdmitted, Self::Busy, Self::NoDevice, Self::TooLarge];

    /// The reason as a word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAdmitted => "not_admitted",
            Self::Busy => "busy",
            Self::NoDevice => "no_device",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Store {
    /// Opens all devices, each on a thread of its own: it returns at once. A device that cannot be opened is tried again
    /// from time to time; it never keeps the others from working.
    pub fn open(options: StoreOptions) -> Arc<Self> {
        let StoreOptions { devices, io, keeper, watcher, limits, clock, sequences } = options;
        let capacity: u64 = devices.iter().map(|device| device.capacity).sum();
        let peers = Arc::new(Peers::default());
        let make = |device: DeviceOptions| {
            let mut volume = VolumeOptions::new(device.directory, device.capacity);
            volume.clock = clock.clone();
            volume.sequences = sequences.clone();
            let (io, keeper, watcher) = (io.clone(), keeper.clone(), watcher.clone());
            Device::new(Setting { volume, io, keeper, watcher, limits, peers: peers.clone() })
        };
        let devices: Vec<Arc<Device>> = devices.into_iter().map(make).collect();
        peers.meet(&devices);
        devices.iter().for_each(Device::start);
        Arc::new(Self {
            watch: Watch::start(devices.clone(), &limits),
            devices,
            sketch: Sketch::remembering(capacity / AVERAGE_OBJECT),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            peers,
            sequences,
        })
    }

    /// Whether there may be a record. Answered from memory.
    pub fn find(&self, key: &Key) -> Found {
        let mut found = Found::Absent;
        for device in &self.devices {
            match device.queued(key) {
                Queue::Record(_) => return Found::Maybe,
                Queue::Removed => {}
                Queue::Nothing if device.find(key) != Lookup::Absent => found = Found::Maybe,
                Queue::Nothing => {}
            }
        }
        found
    }

    /// Reads a record. `None` is a miss, for whatever reason: there is none, its device is not ready, hangs or failed,
    /// or what is there is damaged. It takes no longer than [`Limits::read_deadline`] and a little.
    pub fn read(&self, key: &Key) -> impl Future<Output = Option<Record>> + Send + use<> {
        let source = self.source(key);
        async move {
            match source? {
                Source::Here(record) => Some(record),
                Source::Device(reply) => match reply.await.ok()? {
                    Reply::Record(record) => record,
                    Reply::Page(_) => None,
                },
            }
        }
    }

    /// The record, if it is had without waiting: it is queued, or it is short and the system has it in memory. `None` says
    /// nothing: [`Store::read`] it then. Takes some microseconds of its caller's time.
    pub fn read_now(&self, key: &Key) -> Option<Record> {
        if let Some(record) = self.queued(key) {
            return Some(record);
        }
        let (device, place) = self.newest(key)?;
        device.read_now(key, &place)
    }

    fn source(&self, key: &Key) -> Option<Source> {
        if let Some(record) = self.queued(key) {
            return Some(Source::Here(record));
        }
        let (device, place) = self.newest(key)?;
        if let Some(record) = device.read_now(key, &place) {
            return Some(Source::Here(record));
        }
        // A device that hangs is not asked; an older record on another is none.
        let reply = device.readable().then(|| device.ask(Question::Record(key.clone(), place)))?;
        reply.map(Source::Device)
    }

    /// Whether a record of this key waits to be written: it is not on its device yet.
    pub fn is_queued(&self, key: &Key) -> bool {
        self.devices.iter().any(|device| matches!(device.queued(key), Queue::Record(_)))
    }

    fn queued(&self, key: &Key) -> Option<Record> {
        self.devices.iter().find_map(|device| match device.queued(key) {
            Queue::Record(record) => Some(self.as_read(&record)),
            Queue::Removed | Queue::Nothing => None,
        })
    }

    fn as_read(&self, record: &NewRecord) -> Record {
        Record {
            key: record.key.clone(),
            kind: record.kind,
            head: record.head.clone(),
            body: record.body.iter().filter(|piece| !piece.is_empty()).cloned().collect(),
            expires: record.expires,
            sequence: self.sequences.next(),
            site: record.site,
        }
    }

    /// Where the newest record of a key is. Two devices have one only where one of them was away: the older is removed.
    fn newest(&self, key: &Key) -> Option<(&Arc<Device>, Place)> {
        let mut known = self.known(key);
        let first = known.next()?;
        let newest = match known.next() {
            None => first,
            Some(second) => {
                let newest = [first, second].into_iter().chain(known).max_by_key(|(_, place)| place.sequence)?;
                self.forget_older(key, &newest.1);
                newest
            }
        };
        // Where the newest is over, so is what it replaced.
        (!newest.0.is_over(&newest.1)).then_some(newest)
    }

    fn forget_older(&self, key: &Key, newest: &Place) {
        let _order = self.order(key);
        for (device, place) in self.known(key) {
            if place.sequence < newest.sequence {
                device.forget_older(key);
            }
        }
    }

    fn known<'store>(&'store self, key: &Key) -> impl Iterator<Item = (&'store Arc<Device>, Place)> {
        self.devices.iter().filter_map(move |device| match (device.queued(key), device.known(key)) {
            (Queue::Nothing, Some(place)) => Some((device, place)),
            _ => None,
        })
    }

    /// Queues a record to be stored in the stead of what its key has. Readers find it from now on.
    pub fn write(&self, record: NewRecord) -> Result<(), Refused> {
        let _order = self.order(&record.key);
        let written = self.place(&record).and_then(|chosen| {
            let key = record.key.clone();
            self.devices[chosen].push(record.clone()).map_err(|_| Refused::Busy)?;
            for (_, other) in self.devices.iter().enumerate().filter(|(number, _)| *number != chosen) {
                other.forget_key(&key);
            }
            Ok(())
        });
        match written {
            Ok(()) => {}
            // Nothing is stored of it on devices that are there. One that is away may have something older.
            Err(Refused::NotAdmitted) => self.devices.iter().for_each(|device| device.forget_if_away(&record.key)),
            Err(_) => self.forget(&record.key),
        }
        written
    }

    /// Which device is to store it.
    fn place(&self, record: &NewRecord) -> Result<usize, Refused> {
        if record.body_length() > LARGEST_BODY || record.head.len() > LARGEST_HEAD {
            return Err(Refused::TooLarge);
        }
        let candidates = self.devices.iter().enumerate().filter_map(|(number, device)| device.candidate(number));
        let chosen = placement::choose(PlacementHash::of_key(&record.key), candidates).ok_or(Refused::NoDevice)?;
        let free = self.devices[chosen].volume().is_some_and(|volume| volume.has_free_room());
        let admitted = free
            || self.sketch.estimate(record.key.as_bytes()) >= ADMITTED_FROM
            || self.find(&record.key) == Found::Maybe;
        if admitted { Ok(chosen) } else { Err(Refused::NotAdmitted) }
    }

    /// Whether a record of this key would be stored as things are: what belongs together is best not stored in part.
    pub fn admits(&self, key: &Key) -> bool {
        let is_roomy = |device: &Arc<Device>| device.volume().is_some_and(|volume| volume.has_free_room());
        self.devices.iter().any(is_roomy)
            || self.sketch.estimate(key.as_bytes()) >= ADMITTED_FROM
            || self.find(key) == Found::Maybe
    }

    /// Removes a record: from now on nobody finds it, not even on a device that is away and comes back.
    pub fn remove(&self, key: &Key) {
        let _order = self.order(key);
        self.forget(key);
    }

    fn forget(&self, key: &Key) {
        for device in &self.devices {
            device.forget_key(key);
        }
    }

    /// Notes that a key was asked for: what is asked for twice is stored where room is scarce.
    pub fn was_asked(&self, key: &Key) {
        self.sketch.add(key.as_bytes());
    }

    /// Pins a record, so that it stays whatever else wants its room, or lets it go again.
    pub fn pin(&self, key: &Key, pinned: bool) -> Pinning {
        if self.is_queued(key) {
            return Pinning::Waiting;
        }
        match self.newest(key).map(|(device, _)| device.volume()) {
            Some(Some(volume)) if volume.pin(key, pinned) => Pinning::Done,
            Some(Some(volume)) if matches!(volume.find(key), Lookup::Present(_)) => Pinning::TooMuch,
            _ => Pinning::NotThere,
        }
    }

    /// Gives sites their shares of the whole store; each device gives its part of them. Others have no bounds.
    pub fn set_shares(&self, shares: &HashMap<u32, Share>) {
        let whole: u128 = self.devices.iter().map(|device| u128::from(device.capacity())).sum();
        for device in &self.devices {
            let part = |bytes: u64| {
                let part = u128::from(bytes) * u128::from(device.capacity()) / whole.max(1);
                u64::try_from(part).unwrap_or(u64::MAX)
            };
            let own = |(site, share): (&u32, &Share)| {
                (*site, Share { floor: part(share.floor), ceiling: part(share.ceiling) })
            };
            device.set_shares(shares.iter().map(own).collect());
        }
    }

    /// Has the keeper be asked of all that is stored, in the background: what it lets go gives its room back.
    pub fn sweep(&self) {
        self.devices.iter().for_each(|device| device.sweep());
    }

    /// Returns when every device has read its index, or has failed or hangs and is not waited for.
    pub fn recovered(&self) -> impl Future<Output = ()> + Send + use<> {
        let ready = |state| !matches!(state, DeviceState::Opening | DeviceState::Recovering);
        let told: Vec<_> = self.devices.iter().map(|device| device.until(ready)).collect();
        async move {
            for told in told {
                // A device that is gone is not waited for.
                told.await.ok();
            }
        }
    }

    fn order(&self, key: &Key) -> MutexGuard<'_, ()> {
        let stripe = key.as_bytes().iter().fold(0_usize, |hash, byte| hash.wrapping_mul(31) ^ usize::from(*byte));
        self.stripes[stripe % STRIPES].lock()
    }
}

enum Source {
    /// Here: it is queued, or the system has it in memory.
    Here(Record),
    Device(tokio::sync::oneshot::Receiver<Reply>),
}

impl Drop for Store {
    /// Who wants what is queued to be written closes the store first.
    fn drop(&mut self) {
        for device in &self.devices {
            device.end(Ending::Abandon);
        }
        self.watch.close(Instant::now());
    }
}
