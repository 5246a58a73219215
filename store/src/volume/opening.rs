//! How a volume is opened: its directory is locked, its superblock read, what it may not have is removed.
//!
//! Owns what is done with directories that are empty, damaged, of another format, or not ours.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::state::States;
use super::writer::Writer;
use super::{Counters, OpenError, Origin, Volume};
use crate::checksum::Seed;
use crate::index::Index;
use crate::io::{Io, IoLock, read_up_to, write_all_at};
use crate::layout::{
    Geometry, LEAST_CAPACITY, LOCK, Part, SEGMENTS, STATE, SUPERBLOCK, UNFINISHED, parse_segment_file,
};
use crate::options::VolumeOptions;
use crate::segments::Segments;
use crate::superblock::{Found, Superblock};

/// What a look at the directory told, for the recovery.
#[derive(Default)]
pub(super) struct FoundAtOpening {
    /// Segments that have an index file.
    pub(super) indexed: HashSet<u32>,
    /// Segments that were removed, as the capacity does not allow them any more.
    pub(super) beyond_capacity: u64,
    /// Files among the segments that are not ours.
    pub(super) foreign: u64,
}

/// The directory being opened.
struct Opening<'a> {
    io: &'a dyn Io,
    directory: &'a Path,
    capacity: u64,
}

pub(super) fn open(io: Arc<dyn Io>, options: &VolumeOptions) -> Result<Volume, OpenError> {
    let opening = Opening { io: &*io, directory: &options.directory, capacity: options.capacity };
    if options.capacity < LEAST_CAPACITY {
        return Err(OpenError::TooSmall { capacity: options.capacity, least: LEAST_CAPACITY });
    }
    let lock = opening.take()?;
    let (superblock, geometry, origin) = opening.superblock()?;
    let mut found = opening.look_at_segments(&geometry)?;
    let seed = Seed::of(&superblock.secret);
    let state = options.directory.join(STATE);
    let states = States::open(Arc::clone(&io), state.clone(), seed, geometry.state_room)
        .map_err(|source| OpenError::Io { operation: "list", path: state, source })?;
    found.foreign += states.foreign();
    let segments = Segments::new(Arc::clone(&io), options.directory.join(SEGMENTS), geometry, seed, options.open_files);
    Ok(Volume {
        options: options.clone(),
        geometry,
        superblock,
        seed,
        origin,
        found,
        index: Index::new(geometry.segments),
        segments,
        writer: Mutex::new(Writer::new(&geometry)),
        counters: Counters { state: states.bytes().into(), ..Counters::default() },
        states: Mutex::new(states),
        shares: RwLock::new(HashMap::new()),
        unsettled: Mutex::default(),
        late: Mutex::default(),
        void: Mutex::default(),
        forgotten_early: Mutex::default(),
        recovered: false.into(),
        _lock: lock,
    })
}

impl Opening<'_> {
    /// Makes the directory and those in it, and locks it.
    fn take(&self) -> Result<Box<dyn IoLock>, OpenError> {
        self.io.create_directory(self.directory).map_err(|source| match source.kind() {
            // Only the last part is made: where a whole path is missing, probably nothing was mounted.
            io::ErrorKind::NotFound => OpenError::Missing { directory: self.directory.to_owned() },
            _ => OpenError::Io { operation: "make", path: self.directory.to_owned(), source },
        })?;
        // Before anything in it is opened.
        self.refuse_shared(self.directory)?;
        let path = self.directory.join(LOCK);
        let lock = self.io.lock(&path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse { directory: self.directory.to_owned() },
            _ => OpenError::Io { operation: "lock", path, source },
        })?;
        for part in [SEGMENTS, STATE] {
            let path = self.directory.join(part);
            let made = self.io.create_directory(&path);
            made.map_err(|source| OpenError::Io { operation: "make", path: path.clone(), source })?;
            self.refuse_shared(&path)?;
        }
        Ok(lock)
    }

    fn refuse_shared(&self, directory: &Path) -> Result<(), OpenError> {
        let others = self.io.others_who_may_write(directory);
        match others.map_err(|source| OpenError::Io { operation: "look at", path: directory.to_owned(), source })? {
            Some(who) => Err(OpenError::Shared { directory: directory.to_owned(), who }),
            None => Ok(()),
        }
    }

    fn superblock(&self) -> Result<(Superblock, Geometry, Origin), OpenError> {
        let path = self.directory.join(SUPERBLOCK);
        let bytes = match self.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.without_superblock(),
            Err(source) => return Err(OpenError::Io { operation: "read", path, source }),
        };
        match Superblock::decode(&bytes) {
            Found::Ours { superblock, whole } => {
                match Geometry::of(self.capacity, superblock.segment_size, self.state_needs()?) {
                    Some(geometry) => {
                        if !whole {
                            self.write(&superblock)?;
                        }
                        Ok((superblock, geometry, Origin::Opened))
                    }
                    None => self.renew("its segments are too large for the capacity it has now"),
                }
            }
            Found::OtherVersion(version) => self.renew(&format!("its format is version {version}, which is not ours")),
            Found::Damaged if Superblock::is_signed(&bytes) => self.renew("its superblock is damaged"),
            Found::Damaged => self.renew_unsigned("its superblock is damaged"),
            Found::Foreign => Err(OpenError::Foreign { path }),
        }
    }

    fn without_superblock(&self) -> Result<(Superblock, Geometry, Origin), OpenError> {
        match self.our_files()?.is_empty() {
            true => self.make(Origin::Created),
            false => self.renew_unsigned("its superblock is missing"),
        }
    }

    /// Begins anew where nothing says whose the directory is: `state` is a name that others give to directories as well.
    fn renew_unsigned(&self, why: &str) -> Result<(Superblock, Geometry, Origin), OpenError> {
        for name in self.list(STATE)?.into_iter().filter(|name| super::state::is_ours(name)) {
            let path = self.directory.join(STATE).join(name);
            if !self.read(&path).is_ok_and(|bytes| super::state::is_signed(&bytes)) {
                return Err(OpenError::Foreign { path });
            }
        }
        self.renew(why)
    }

    /// Bytes of room that the state needs which is there.
    fn state_needs(&self) -> Result<u64, OpenError> {
        let length = |name: &String| {
            let path = self.directory.join(STATE).join(name);
            self.io.open(&path).and_then(|file| file.length()).unwrap_or(0)
        };
        let lengths: Vec<u64> =
            self.list(STATE)?.iter().filter(|name| super::state::is_ours(name)).map(length).collect();
        Ok(lengths.iter().sum::<u64>() + lengths.iter().max().copied().unwrap_or(0))
    }

    /// Begins anew. Only files that are named as ours are removed.
    fn renew(&self, why: &str) -> Result<(Superblock, Geometry, Origin), OpenError> {
        for path in self.our_files()? {
            self.remove(&path)?;
        }
        self.make(Origin::Renewed { why: why.to_owned() })
    }

    fn make(&self, origin: Origin) -> Result<(Superblock, Geometry, Origin), OpenError> {
        let segment_size = Geometry::segment_size_for(self.capacity);
        let too_small = OpenError::TooSmall { capacity: self.capacity, least: LEAST_CAPACITY };
        let geometry = Geometry::of(self.capacity, segment_size, 0).ok_or(too_small)?;
        let random = |source| OpenError::Io { operation: "draw a secret for", path: self.directory.to_owned(), source };
        let superblock = Superblock::random(segment_size).map_err(random)?;
        self.write(&superblock)?;
        Ok((superblock, geometry, origin))
    }

    fn write(&self, superblock: &Superblock) -> Result<(), OpenError> {
        let path = self.directory.join(SUPERBLOCK);
        let unfinished = self.directory.join(format!("{SUPERBLOCK}{UNFINISHED}"));
        let write = || {
            let file = self.io.create(&unfinished)?;
            file.truncate(0)?;
            write_all_at(&*file, &superblock.encode(), 0)?;
            file.sync_data()?;
            self.io.rename(&unfinished, &path)
        };
        write().map_err(|source| OpenError::Io { operation: "write", path: path.clone(), source })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.io.open(path)?;
        let mut bytes = vec![0; Superblock::READ];
        let read = read_up_to(&*file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Removes segments that there is no capacity for, and tells which others there are.
    fn look_at_segments(&self, geometry: &Geometry) -> Result<FoundAtOpening, OpenError> {
        let mut found = FoundAtOpening::default();
        for name in self.list(SEGMENTS)? {
            match parse_segment_file(&name) {
                Some((segment, part)) if segment >= geometry.segments => {
                    let path = self.directory.join(SEGMENTS).join(&name);
                    match self.io.remove(&path) {
                        Ok(()) => found.beyond_capacity += u64::from(part == Part::Data),
                        // A directory is none of ours.
                        Err(error) if error.kind() == io::ErrorKind::IsADirectory => found.foreign += 1,
                        Err(source) => return Err(OpenError::Io { operation: "remove", path, source }),
                    }
                }
                Some((segment, Part::Journal)) => {
                    found.indexed.insert(segment);
                }
                Some((_, Part::Data)) => {}
                None => found.foreign += 1,
            }
        }
        Ok(found)
    }

    fn our_files(&self) -> Result<Vec<PathBuf>, OpenError> {
        let segments = self.list(SEGMENTS)?.into_iter().filter(|name| parse_segment_file(name).is_some());
        let segments = segments.map(|name| self.directory.join(SEGMENTS).join(name));
        let state = self.list(STATE)?.into_iter().filter(|name| super::state::is_ours(name));
        Ok(segments.chain(state.map(|name| self.directory.join(STATE).join(name))).collect())
    }

    fn list(&self, part: &str) -> Result<Vec<String>, OpenError> {
        let path = self.directory.join(part);
        self.io.list(&path).map_err(|source| OpenError::Io { operation: "list", path, source })
    }

    fn remove(&self, path: &Path) -> Result<(), OpenError> {
        self.io.remove(path).map_err(|source| OpenError::Io { operation: "remove", path: path.to_owned(), source })
    }
}
