//! One directory of records: the whole of what callers do with it.
//!
//! Owns the volume and its interface; the parts below own how each is done.

mod clearing;
mod opening;
mod reading;
mod reclaim;
mod recovery;
mod state;
mod stream;
mod sweeping;
mod types;
mod void;
mod window;
mod writer;
mod writing;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::checksum::Seed;
use crate::figures::{Recovered, RecoveryProgress, VolumeFigures};
use crate::index::Index;
use crate::io::{Io, IoLock};
use crate::journal::Entry;
use crate::keeper::Keeper;
use crate::key::{Digest, Key, KeyHash};
use crate::layout::Geometry;
use crate::options::{Share, VolumeOptions};
use crate::record::{LARGEST_BODY, LARGEST_HEAD, NewRecord, Record, RecordHead, codec};
use crate::segments::Segments;
use crate::superblock::Superblock;

use opening::FoundAtOpening;
use state::States;
pub use sweeping::Swept;
pub use types::{
    AppendError, Appended, Cursor, Lookup, OpenError, Origin, Outcome, Place, ReadError, StateBlob, StateError,
};
use void::Void;
use writer::Writer;
use writing::Caller;

/// One directory of records. Synchronous: whoever must not wait calls it from a thread of its own. One thread writes at
/// a time, any number read.
pub struct Volume {
    options: VolumeOptions,
    geometry: Geometry,
    superblock: Superblock,
    seed: Seed,
    origin: Origin,
    found: FoundAtOpening,
    index: Index,
    segments: Segments,
    writer: Mutex<Writer>,
    states: Mutex<States>,
    shares: RwLock<HashMap<u32, Share>>,
    counters: Counters,
    /// What is gone, and could not be written down as such.
    unsettled: Mutex<Vec<Place>>,
    /// Marks that nobody waits for and that could not be written yet.
    late: Mutex<Vec<(u32, Entry)>>,
    /// What is not there though indexes may say so.
    void: Mutex<Void>,
    /// Hashes of what was removed while the index was not read yet.
    forgotten_early: Mutex<HashSet<u64>>,
    recovered: AtomicBool,
    _lock: Box<dyn IoLock>,
}

/// A failed append leaves two at most, and writing stops after one.
const MOST_UNSETTLED: usize = 1024;

/// What only grows.
#[derive(Default)]
struct Counters {
    appended: AtomicU64,
    carried: AtomicU64,
    reclaimed: AtomicU64,
    evicted: AtomicU64,
    corrupt: AtomicU64,
    free: AtomicU64,
    roomless: AtomicU64,
    /// When it was last looked for segments in which nothing lives, in seconds, times two; and one if there were some.
    ended: AtomicU64,
    /// Bytes of state.
    state: AtomicU64,
}

impl Volume {
    /// Opens the volume of a directory, or makes one. Takes milliseconds whatever it holds; [`Volume::recover`] comes next.
    pub fn open(io: Arc<dyn Io>, options: &VolumeOptions) -> Result<Self, OpenError> {
        opening::open(io, options)
    }

    /// How the volume came to be what it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What tells this volume from all others, wherever it is mounted.
    pub(crate) fn identity(&self) -> [u8; 16] {
        self.superblock.volume
    }

    /// Reads the index. Until it ends every lookup is [`Lookup::Unknown`] and nothing can be appended. A second time it
    /// does nothing.
    pub fn recover(&self, progress: &dyn Fn(RecoveryProgress)) -> Recovered {
        self.recover_all(progress)
    }

    /// What the index says of a key. Never touches the device.
    pub fn find(&self, key: &Key) -> Lookup {
        if !self.is_recovered() {
            return Lookup::Unknown;
        }
        match self.index.find(self.hash(key)) {
            Some(place) if place.expires > self.now() => Lookup::Present(place),
            _ => Lookup::Absent,
        }
    }

    /// Reads a record. `None`: it is gone meanwhile, or it is another key's with the same hash. What a key has now is
    /// read, should that be another record than the one the place was given for.
    pub fn read(&self, key: &Key, place: &Place) -> Result<Option<Record>, ReadError> {
        self.read_record(key, place)
    }

    /// Reads a record if the system has it in memory; `None` says nothing: [`Volume::read`] it then.
    pub fn read_now(&self, key: &Key, place: &Place) -> Option<Record> {
        self.read_record_now(key, place)
    }

    /// Reads what stands at a place, whatever its key, without the body. Does not count as reading it.
    pub fn read_head(&self, place: &Place) -> Result<Option<RecordHead>, ReadError> {
        self.read_head_at(place)
    }

    /// Stores a record, in the stead of what its key had; when that fails, that is gone as well.
    pub fn append(&self, record: &NewRecord, keeper: &dyn Keeper) -> Result<Appended, AppendError> {
        self.append_if(record, keeper, &|| true)
    }

    /// Stores a record unless `wanted` says no when it is written already and is about to be found.
    /// `wanted` must be quick and must not call this volume.
    pub fn append_if(
        &self,
        record: &NewRecord,
        keeper: &dyn Keeper,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Appended, AppendError> {
        self.append_telling(record, keeper, wanted, &|| {})
    }

    /// The same; `progress` is called whenever something was done for it, so that who waits can tell a device that is busy
    /// from one that hangs. It must be quick and must not call this volume either.
    pub fn append_telling(
        &self,
        record: &NewRecord,
        keeper: &dyn Keeper,
        wanted: &dyn Fn() -> bool,
        progress: &dyn Fn(),
    ) -> Result<Appended, AppendError> {
        self.append_record(record, &Caller { keeper, wanted, progress })
    }

    /// Removes a key's record at once for everyone who looks; says whether there was one. An error means that it may
    /// come back after a restart.
    pub fn remove(&self, key: &Key) -> io::Result<bool> {
        match self.forget(key) {
            Some(place) => self.settle(&place).map(|()| true),
            None => Ok(false),
        }
    }

    /// The first half of [`Volume::remove`], which never touches the device: nobody finds the record any more. What it
    /// answers is for [`Volume::settle`].
    pub fn forget(&self, key: &Key) -> Option<Place> {
        let hash = self.hash(key);
        if !self.is_recovered() {
            let mut early = self.forgotten_early.lock();
            if !self.is_recovered() && early.len() < recovery::MOST_FORGOTTEN_EARLY {
                early.insert(hash);
            }
        }
        self.index.remove(hash)
    }

    /// The same for a key of which only the digest is known, once the index is read.
    pub(crate) fn forget_digest(&self, digest: Digest) -> Option<Place> {
        let KeyHash(hash) = self.superblock.secret.hash(digest);
        self.index.remove(hash)
    }

    /// The same for what stands at a place, if it still is what was found there.
    pub(crate) fn forget_place(&self, place: &Place) -> Option<Place> {
        self.index.take_if_there(place)
    }

    /// The other half: writes down that the record is gone, so that it does not come back after a restart.
    pub fn settle(&self, forgotten: &Place) -> io::Result<()> {
        self.segments.note(
            forgotten.segment,
            forgotten.epoch,
            &Entry::Killed { epoch: forgotten.epoch, unit: forgotten.unit },
        )
    }

    /// What is known of a key, also of a record whose time is over: it is newer than what another volume may have.
    pub fn known(&self, key: &Key) -> Option<Place> {
        self.is_recovered().then(|| self.index.find(self.hash(key))).flatten()
    }

    /// Forgets all records, durably. State stays.
    pub fn clear(&self) -> io::Result<()> {
        self.clear_all()
    }

    /// Records that a failed append had to let go, of which the device could not be told: whoever can tries
    /// [`Volume::settle`] again.
    pub fn take_unsettled(&self) -> Vec<Place> {
        std::mem::take(&mut *self.unsettled.lock())
    }

    /// As [`Volume::settle`] for what no caller asks about; what the device refuses is tried again.
    fn settle_later(&self, forgotten: &Place) -> io::Result<()> {
        self.settle(forgotten).inspect_err(|_| {
            self.note_or_keep(forgotten.segment, &Entry::Killed { epoch: forgotten.epoch, unit: forgotten.unit });
        })
    }

    fn settle_or_keep(&self, forgotten: &Place) -> io::Result<()> {
        self.settle(forgotten).inspect_err(|_| {
            let mut unsettled = self.unsettled.lock();
            // Who does not ask for them gets no more than these, and they may come back after a restart.
            if unsettled.len() < MOST_UNSETTLED {
                unsettled.push(*forgotten);
            }
        })
    }

    /// Whether there are segments that are free or in which nothing lives, so that storing something costs nobody else
    /// his room.
    pub fn has_free_room(&self) -> bool {
        self.counters.free.load(Ordering::Relaxed) > writer::RESERVED || self.has_ended_segment()
    }

    /// The most bytes that head, key and body of one record may have together in this volume.
    pub fn largest_record(&self) -> usize {
        let segment = usize::try_from(self.geometry.segment_size).unwrap_or(usize::MAX);
        let around = codec::HEADER + segment.div_ceil(codec::CHUNK) * 4;
        segment - around
    }

    /// Pins a key's record, or lets it go again; `false`: there is none, or too much is pinned already.
    pub fn pin(&self, key: &Key, pinned: bool) -> bool {
        self.index.pin(self.hash(key), pinned, self.most_pinned())
    }

    /// Gives sites their shares; sites that are not named have neither floor nor ceiling.
    pub fn set_shares(&self, shares: HashMap<u32, Share>) {
        *self.shares.write() = shares;
    }

    /// Some of the records that can be found, about `most`, and where to go on. The walk shows every record that is
    /// there from its beginning to its end; of others it may show some.
    pub fn entries(&self, cursor: Cursor, most: usize) -> (Vec<Place>, Option<Cursor>) {
        let now = self.now();
        let (mut places, next) = self.index.page(cursor, most);
        places.retain(|place| place.expires > now);
        (places, next)
    }

    /// Makes durable what the segments being filled have. Whatever they had before is, or soon will be.
    pub fn sync(&self) -> io::Result<()> {
        let open = self.writer.lock().open_segments();
        self.note_late();
        open.into_iter().try_for_each(|segment| self.segments.sync(segment))
    }

    /// What the volume is at this moment.
    pub fn figures(&self) -> VolumeFigures {
        let accounts = self.index.accounts();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut sites: Vec<_> = self.index.sites().into_iter().collect();
        sites.sort_unstable_by_key(|(site, bytes)| (std::cmp::Reverse(*bytes), *site));
        VolumeFigures {
            capacity: self.geometry.capacity,
            segment_size: self.geometry.segment_size,
            segments: self.geometry.segments,
            free_segments: u32::try_from(count(&self.counters.free)).unwrap_or(u32::MAX),
            roomless_bytes: count(&self.counters.roomless) * self.geometry.segment_size,
            records: accounts.records(),
            living_bytes: accounts.living(),
            pinned_bytes: accounts.pinned(),
            appended_bytes: count(&self.counters.appended),
            carried_bytes: count(&self.counters.carried),
            written_bytes: self.segments.written(),
            reclaimed_segments: count(&self.counters.reclaimed),
            evicted: count(&self.counters.evicted),
            corrupt: count(&self.counters.corrupt),
            state_bytes: count(&self.counters.state),
            state_room: self.geometry.state_room,
            index_memory: self.index.memory(),
            sites,
        }
    }

    /// Saves state under a name, durably, in the stead of all that was there.
    pub fn save_state(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.with_states(|states| states.save(name, bytes))
    }

    /// Adds to the state of a name, durably.
    pub fn append_state(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.with_states(|states| states.append(name, bytes))
    }

    /// The state of a name.
    pub fn load_state(&self, name: &str) -> Result<Option<StateBlob>, StateError> {
        self.with_states(|states| states.load(name))
    }

    /// Whoever wants to know how much state there is does not wait for what is done with it.
    fn with_states<T>(&self, work: impl FnOnce(&mut States) -> T) -> T {
        let mut states = self.states.lock();
        let done = work(&mut states);
        self.counters.state.store(states.bytes(), Ordering::Relaxed);
        done
    }

    fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Acquire)
    }

    fn now(&self) -> u64 {
        (self.options.clock)()
    }

    fn hash(&self, key: &Key) -> u64 {
        let KeyHash(hash) = self.superblock.secret.hash(key.digest());
        hash
    }

    /// Half of what can be filled for good: with more, there might be no segment left that is worth reclaiming.
    fn most_pinned(&self) -> u64 {
        u64::from(self.geometry.segments.saturating_sub(stream::STREAMS as u32 + 2)) * self.geometry.segment_size / 2
    }

    fn check_size(&self, record: &NewRecord) -> Result<(), AppendError> {
        let (head, body) = (record.head.len(), record.body_length());
        let whole = head + body + record.key.as_bytes().len();
        let sizes = [
            ("a head", head, LARGEST_HEAD),
            ("a body", body, LARGEST_BODY),
            ("a record", whole, self.largest_record()),
        ];
        match sizes.into_iter().find(|(_, length, most)| length > most) {
            Some((part, length, most)) => Err(AppendError::TooLarge { part, length, most }),
            None => Ok(()),
        }
    }
}
