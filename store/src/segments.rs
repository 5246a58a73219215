//! The files of segments: their data, their index files, which of them are held open, and what uses they are in.
//!
//! Owns every access to them. What their bytes mean say `record::codec` and `journal`.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::io::Errno;

use crate::checksum::Seed;
use crate::io::{Io, IoFile, read_exact_at, read_up_to, write_all_at};
use crate::journal::{ENTRY, Entry, HEADING, Heading};
use crate::layout::{Geometry, Part, UNIT, segment_file};
use crate::record::codec::HEADER;

/// Pieces of a body are gathered up to this before they are written: one call for a small record, few for a large one.
const WRITTEN_AT_ONCE: usize = 512 * 1024;
/// Bytes after which the system is told to write.
const WRITTEN_BEHIND: u64 = 1024 * 1024;
/// How far behind it is told again, when they are written, to forget them.
const KEPT_BEHIND: u64 = 8 * 1024 * 1024;
/// The epoch of a segment that is free.
const NO_EPOCH: u64 = 0;

type Shared = Arc<dyn IoFile>;

pub(crate) struct Segments {
    io: Arc<dyn Io>,
    directory: PathBuf,
    geometry: Geometry,
    seed: Seed,
    open: Mutex<OpenFiles>,
    uses: Box<[Use]>,
    written: AtomicU64,
}

/// What a segment is in use for.
struct Use {
    epoch: AtomicU64,
    /// Locked while the index file is written.
    journal: Mutex<Journal>,
    /// Up to where data was let go.
    let_go: AtomicU64,
}

/// How far an index file is filled.
#[derive(Debug, Default, Clone, Copy)]
struct Journal {
    length: u64,
    /// Records that it says are gone.
    killed: u64,
    /// Whether the file says nothing any more, so that there is nothing to be noted.
    emptied: bool,
}

/// Files held open, those used last.
struct OpenFiles {
    files: HashMap<(u32, Part), (Shared, u64)>,
    most: usize,
    uses: u64,
}

impl Segments {
    pub(crate) fn new(io: Arc<dyn Io>, directory: PathBuf, geometry: Geometry, seed: Seed, open_files: usize) -> Self {
        let unused = |_| Use { epoch: AtomicU64::new(NO_EPOCH), journal: Mutex::default(), let_go: AtomicU64::new(0) };
        Self {
            io,
            directory,
            geometry,
            seed,
            // Four are written to, each with its index.
            open: Mutex::new(OpenFiles { files: HashMap::new(), most: open_files.max(8), uses: 0 }),
            uses: (0..geometry.segments).map(unused).collect(),
            written: AtomicU64::new(0),
        }
    }

    /// Which use a segment is in; zero while it is free.
    pub(crate) fn epoch(&self, segment: u32) -> u64 {
        self.uses[segment as usize].epoch.load(Ordering::Acquire)
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Has the file system set aside what a segment's data takes.
    pub(crate) fn allocate(&self, segment: u32) -> io::Result<()> {
        let data = self.file(segment, Part::Data, true)?;
        match data.length()? {
            length if length < self.geometry.segment_size => {
                data.allocate(self.geometry.segment_size).inspect_err(|_| {
                    // What it got of it is of no use here, and perhaps elsewhere.
                    data.truncate(length).ok();
                })
            }
            length if length > self.geometry.segment_size => data.truncate(self.geometry.segment_size),
            _ => Ok(()),
        }
    }

    /// Takes a segment into use. What its index said before is durably gone before any of its data is overwritten.
    pub(crate) fn begin(&self, heading: &Heading) -> io::Result<()> {
        let segment = heading.segment;
        let usage = &self.uses[segment as usize];
        let mut journal = usage.journal.lock();
        let file = self.file(segment, Part::Journal, true)?;
        file.truncate(0)?;
        self.put(&*file, &heading.encode(self.seed), 0)?;
        file.sync_data()?;
        usage.let_go.store(0, Ordering::Relaxed);
        *journal = Journal { length: HEADING as u64, killed: 0, emptied: false };
        usage.epoch.store(heading.epoch, Ordering::Release);
        Ok(())
    }

    /// Goes on with a use that an index file told of.
    pub(crate) fn resume(&self, segment: u32, epoch: u64, length: u64, killed: u64) {
        let usage = &self.uses[segment as usize];
        *usage.journal.lock() = Journal { length, killed, emptied: false };
        usage.epoch.store(epoch, Ordering::Release);
    }

    /// Has the index of a segment say nothing any more, so that its records may be forgotten. After an error it is what it
    /// was, and what happens is noted as before.
    pub(crate) fn empty(&self, segment: u32) -> io::Result<()> {
        let mut journal = self.uses[segment as usize].journal.lock();
        if let Err(error) = self.file(segment, Part::Journal, true).and_then(|file| file.truncate(0)) {
            self.open.lock().files.remove(&(segment, Part::Journal));
            // What cannot be cut can perhaps be removed.
            match self.io.remove(&self.directory.join(segment_file(segment, Part::Journal))) {
                Err(other) if other.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        journal.emptied = true;
        Ok(())
    }

    /// Lets a segment be free whose index is empty.
    pub(crate) fn end(&self, segment: u32) {
        let usage = &self.uses[segment as usize];
        *usage.journal.lock() = Journal::default();
        usage.epoch.store(NO_EPOCH, Ordering::Release);
    }

    /// Writes down what happened in a use of a segment; nothing if that is over.
    pub(crate) fn note(&self, segment: u32, epoch: u64, entry: &Entry) -> io::Result<()> {
        let Some(usage) = self.uses.get(segment as usize) else { return Ok(()) };
        let mut journal = usage.journal.lock();
        if usage.epoch.load(Ordering::Acquire) != epoch || epoch == NO_EPOCH || journal.emptied {
            return Ok(());
        }
        let full = journal.length + ENTRY as u64 > self.geometry.journal_size;
        match entry {
            Entry::Stored(_) if full => return Err(io::ErrorKind::StorageFull.into()),
            Entry::Stored(_) => {}
            // Without its header it is no record either.
            Entry::Killed { unit, .. } | Entry::Moved { unit, .. }
                if full || journal.killed >= self.geometry.most_killed() =>
            {
                return self.erase_header(segment, *unit);
            }
            Entry::Killed { .. } | Entry::Moved { .. } => journal.killed += 1,
        }
        let file = self.file(segment, Part::Journal, false)?;
        self.put(&*file, &entry.encode(self.seed), journal.length)?;
        journal.length += ENTRY as u64;
        Ok(())
    }

    fn erase_header(&self, segment: u32, unit: u32) -> io::Result<()> {
        let file = self.file(segment, Part::Data, false)?;
        self.put(&*file, &[0; HEADER], u64::from(unit) * UNIT)
    }

    /// Writes a record: what stands before its body, and that.
    pub(crate) fn write(&self, segment: u32, offset: u64, preface: Vec<u8>, body: &[Bytes]) -> io::Result<()> {
        let file = self.file(segment, Part::Data, false)?;
        let mut at = offset;
        let mut gathered = preface;
        for piece in body {
            if gathered.len() + piece.len() > WRITTEN_AT_ONCE {
                self.put(&*file, &gathered, at)?;
                at += gathered.len() as u64;
                gathered.clear();
            }
            if piece.len() > WRITTEN_AT_ONCE {
                self.put(&*file, piece, at)?;
                at += piece.len() as u64;
            } else {
                gathered.extend_from_slice(piece);
            }
        }
        self.put(&*file, &gathered, at)?;
        self.write_behind(segment, &*file, at + gathered.len() as u64);
        Ok(())
    }

    /// Has what was written be on its way to the device, and out of memory a little later. What readers have of other
    /// records in the page cache stays, and the device is never flooded all at once.
    fn write_behind(&self, segment: u32, file: &dyn IoFile, end: u64) {
        let usage = &self.uses[segment as usize].let_go;
        let before = usage.load(Ordering::Relaxed).min(end);
        if end - before < WRITTEN_BEHIND {
            return;
        }
        file.let_go(before, end - before);
        let written = before.saturating_sub(KEPT_BEHIND);
        file.let_go(written, (before - written).min(end - before));
        usage.store(end, Ordering::Relaxed);
    }

    /// Reads data of a segment.
    pub(crate) fn read(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(&*self.file(segment, Part::Data, false)?, buffer, offset)
    }

    /// Reads data of a segment if that needs no waiting; `false` where it would, or where that cannot be told.
    pub(crate) fn read_now(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> bool {
        // Opening a file may have to wait as well.
        let file = self.open.lock().find(segment, Part::Data);
        let read = file.and_then(|file| file.read_at_now(buffer, offset).ok().flatten());
        read == Some(buffer.len())
    }

    /// Bytes that a segment's data file has.
    pub(crate) fn data_length(&self, segment: u32) -> io::Result<u64> {
        self.file(segment, Part::Data, false)?.length()
    }

    /// A segment's whole index file, or as much of it as there may be.
    pub(crate) fn read_journal(&self, segment: u32) -> io::Result<Vec<u8>> {
        let file = self.file(segment, Part::Journal, false)?;
        let length = file.length()?.min(self.geometry.journal_size);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = read_up_to(&*file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Makes durable what was written to a segment: data first, so that an index never outlives what it speaks of.
    pub(crate) fn sync(&self, segment: u32) -> io::Result<()> {
        self.file(segment, Part::Data, false)?.sync_data()?;
        self.file(segment, Part::Journal, false)?.sync_data()
    }

    fn put(&self, file: &dyn IoFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        write_all_at(file, bytes, offset)
    }

    fn file(&self, segment: u32, part: Part, make: bool) -> io::Result<Shared> {
        if let Some(file) = self.open.lock().find(segment, part) {
            return Ok(file);
        }
        let path = self.directory.join(segment_file(segment, part));
        let open = || if make { self.io.create(&path) } else { self.io.open(&path) };
        let file: Shared = match open() {
            // Descriptors are scarce: those we only keep for speed make room.
            Err(error) if [Errno::MFILE, Errno::NFILE].contains(&Errno::from_io_error(&error).unwrap_or(Errno::IO)) => {
                self.open.lock().files.clear();
                open()?
            }
            opened => opened?,
        }
        .into();
        self.open.lock().keep(segment, part, &file);
        Ok(file)
    }
}

impl OpenFiles {
    fn find(&mut self, segment: u32, part: Part) -> Option<Shared> {
        self.uses += 1;
        let (file, used) = self.files.get_mut(&(segment, part))?;
        *used = self.uses;
        Some(Arc::clone(file))
    }

    fn keep(&mut self, segment: u32, part: Part, file: &Shared) {
        while self.files.len() >= self.most {
            let Some(oldest) = self.files.iter().min_by_key(|(_, (_, used))| *used).map(|(which, _)| *which) else {
                break;
            };
            self.files.remove(&oldest);
        }
        self.files.insert((segment, part), (Arc::clone(file), self.uses));
    }
}
