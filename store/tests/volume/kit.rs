//! A directory with a volume, a clock that tests set, and bodies that tell whose they are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_store::io::RealIo;
use tidegate_store::{
    Appended, KeepAll, Key, Lookup, NewRecord, OpenError, Outcome, Place, Record, Recovered, Volume, VolumeOptions,
};

pub(crate) const MIB: u64 = 1024 * 1024;
/// When tests begin, in seconds since 1970.
pub(crate) const BEGIN: u64 = 1_800_000_000;

/// A directory for one volume.
pub(crate) struct Directory {
    pub(crate) directory: TempDir,
    pub(crate) options: VolumeOptions,
    pub(crate) clock: Arc<AtomicU64>,
}

/// A directory for one volume of this capacity.
pub(crate) fn directory(capacity: u64) -> Directory {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(AtomicU64::new(BEGIN));
    let mut options = VolumeOptions::new(directory.path().join("volume"), capacity);
    let read = Arc::clone(&clock);
    options.clock = Arc::new(move || read.load(Ordering::Relaxed));
    Directory { directory, options, clock }
}

impl Directory {
    pub(crate) fn try_open(&self) -> Result<Volume, OpenError> {
        Volume::open(Arc::new(RealIo), &self.options)
    }

    /// Opens and recovers.
    pub(crate) fn open(&self) -> Volume {
        self.recover().0
    }

    pub(crate) fn recover(&self) -> (Volume, Recovered) {
        let volume = self.try_open().unwrap();
        let recovered = volume.recover(&|_| {});
        (volume, recovered)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.options.directory
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name.to_owned()).unwrap()
}

/// A body that only this version of this key has.
pub(crate) fn body(name: &str, version: u64, length: usize) -> Bytes {
    let mut state = name.bytes().fold(version.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes()[..6]);
    }
    bytes.truncate(length);
    bytes.into()
}

/// A record that lives for an hour. Its head names the version and the length of its body.
pub(crate) fn record(name: &str, version: u64, length: usize) -> NewRecord {
    NewRecord {
        key: key(name),
        kind: 1,
        head: Bytes::from(format!("{version} {length}")),
        body: vec![body(name, version, length)],
        expires: BEGIN + 3600,
        site: 0,
    }
}

pub(crate) fn append(volume: &Volume, record: &NewRecord) -> Appended {
    volume.append(record, &KeepAll).unwrap()
}

pub(crate) fn store(volume: &Volume, record: &NewRecord) -> Place {
    match append(volume, record).outcome {
        Outcome::Stored(place) => place,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn place(volume: &Volume, name: &str) -> Option<Place> {
    match volume.find(&key(name)) {
        Lookup::Present(place) => Some(place),
        Lookup::Absent => None,
        Lookup::Unknown => panic!("not recovered"),
    }
}

/// What a key has. Fails the test if that is not what was stored under it at some time, byte for byte.
pub(crate) fn read(volume: &Volume, name: &str) -> Option<Record> {
    let record = volume.read(&key(name), &place(volume, name)?).unwrap()?;
    version_of(&record, name);
    Some(record)
}

/// The version that a record says it is, which its body must be of as well.
pub(crate) fn version_of(record: &Record, name: &str) -> u64 {
    let head = String::from_utf8(record.head.to_vec()).unwrap();
    let (version, length) = head.split_once(' ').unwrap();
    let (version, length) = (version.parse().unwrap(), length.parse().unwrap());
    assert_eq!(record.key, key(name));
    assert!(record.body.concat() == body(name, version, length), "another body than {name} had in version {version}");
    version
}

pub(crate) fn version(volume: &Volume, name: &str) -> Option<u64> {
    read(volume, name).map(|record| version_of(&record, name))
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// Bytes that a directory and all in it take of the file system.
pub(crate) fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::symlink_metadata(path).unwrap().blocks() * 512;
    match path.is_dir() {
        true => own + std::fs::read_dir(path).unwrap().map(|entry| disk_usage(&entry.unwrap().path())).sum::<u64>(),
        false => own,
    }
}

/// Copies a directory over another one, which is emptied before.
pub(crate) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
}

/// All files below a directory, in a fixed order.
pub(crate) fn files(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
