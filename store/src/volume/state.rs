//! Small things that have to be durable: a log of purges, pins, what is to be fetched first after a restart.
//!
//! Owns files of parts, each with its length and checksum, of which one may be cut off or damaged without the others
//! being lost.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::{StateBlob, StateError};
use crate::checksum::Seed;
use crate::fields::{get_u32, put_u32};
use crate::io::{Io, read_up_to, write_all_at};
use crate::layout::UNFINISHED;

const MAGIC: u32 = 0x7473_4754;
/// Magic, length, checksum, nothing.
const FRAME: usize = 16;
/// Parts begin at multiples of this: where one is damaged the next is looked for there.
const ALIGNMENT: usize = 8;
/// Names there may be: the rest of each last block is accounted for.
const MOST_NAMES: usize = 16;
const LONGEST_NAME: usize = 32;
/// Bytes looked at for checksums of parts that turn out to be none, as a multiple of the file's: damaged files must not
/// take for ever.
const MOST_SEARCH: usize = 4;

/// All state of a volume.
pub(super) struct States {
    io: Arc<dyn Io>,
    directory: PathBuf,
    seed: Seed,
    room: u64,
    files: BTreeMap<String, StateFile>,
}

struct StateFile {
    /// Bytes on disk.
    length: u64,
    /// Where the next part goes; unknown until the file was read, and again when writing failed.
    end: Option<u64>,
}

/// Whether a file among the state is called as ours are.
pub(super) fn is_ours(name: &str) -> bool {
    is_name(name.strip_suffix(UNFINISHED).unwrap_or(name))
}

fn is_name(name: &str) -> bool {
    let valid = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(valid)
}

impl States {
    pub(super) fn open(io: Arc<dyn Io>, directory: PathBuf, seed: Seed, room: u64) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for name in io.list(&directory)? {
            let path = directory.join(&name);
            if name.ends_with(UNFINISHED) && is_ours(&name) {
                io.remove(&path)?;
            } else if is_name(&name) {
                files.insert(name, StateFile { length: io.open(&path)?.length()?, end: None });
            }
        }
        Ok(Self { io, directory, seed, room, files })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.length).sum()
    }

    pub(super) fn save(&mut self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let part = self.part(name, bytes)?;
        let unfinished = self.directory.join(format!("{name}{UNFINISHED}"));
        let write = || {
            let file = self.io.create(&unfinished)?;
            file.truncate(0)?;
            write_all_at(&*file, &part, 0)?;
            file.sync_data()?;
            self.io.rename(&unfinished, &self.directory.join(name))
        };
        if let Err(source) = write() {
            // What is left of it would take room; at the next opening it is removed in any case.
            drop(self.io.remove(&unfinished));
            return Err(failed("save", name)(source));
        }
        let length = part.len() as u64;
        self.files.insert(name.to_owned(), StateFile { length, end: Some(length) });
        Ok(())
    }

    pub(super) fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let part = self.part(name, bytes)?;
        let end = match self.files.get(name) {
            None => 0,
            Some(StateFile { end: Some(end), .. }) => *end,
            Some(StateFile { end: None, .. }) => self.find_end(name)?,
        };
        let length = end + part.len() as u64;
        let write = || {
            let file = self.io.create(&self.directory.join(name))?;
            if file.length()? > end {
                file.truncate(end)?;
            }
            write_all_at(&*file, &part, end)?;
            file.sync_data()
        };
        let written = write();
        let known = self.files.get(name).map_or(0, |file| file.length);
        let end = written.is_ok().then_some(length);
        self.files
            .insert(name.to_owned(), StateFile { length: if end.is_some() { length } else { known.max(length) }, end });
        written.map_err(failed("append to", name))
    }

    pub(super) fn load(&mut self, name: &str) -> Result<Option<StateBlob>, StateError> {
        if !self.files.contains_key(name) {
            return Ok(None);
        }
        let (blob, end) = self.read(name)?;
        if let Some(file) = self.files.get_mut(name) {
            file.end = Some(end);
        }
        Ok(Some(blob))
    }

    fn find_end(&self, name: &str) -> Result<u64, StateError> {
        self.read(name).map(|(_, end)| end)
    }

    fn read(&self, name: &str) -> Result<(StateBlob, u64), StateError> {
        let read = || {
            let file = self.io.open(&self.directory.join(name))?;
            let length = usize::try_from(file.length()?.min(self.room)).unwrap_or_default();
            let mut bytes = vec![0; length];
            let read = read_up_to(&*file, &mut bytes, 0)?;
            bytes.truncate(read);
            Ok(Bytes::from(bytes))
        };
        let bytes = read().map_err(failed("read", name))?;
        let (parts, end) = parts(&bytes, name, self.seed);
        let understood: usize = parts.iter().map(|part| framed(part.len())).sum();
        Ok((StateBlob { parts, unreadable_bytes: (bytes.len() - understood) as u64 }, end as u64))
    }

    /// A part as bytes, if there is room for it beside all that is there, also what it is to replace.
    fn part(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, StateError> {
        let known = self.files.contains_key(name) || self.files.len() < MOST_NAMES;
        if !is_name(name) || !known {
            return Err(StateError::Name { name: name.to_owned() });
        }
        let length = self.bytes() + framed(bytes.len()) as u64;
        if length > self.room {
            return Err(StateError::NoRoom { length, most: self.room });
        }
        let mut part = vec![0; framed(bytes.len())];
        put_u32(&mut part, 0, MAGIC);
        put_u32(&mut part, 4, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        part[FRAME..FRAME + bytes.len()].copy_from_slice(bytes);
        let sum = sum(&part[4..8], name, bytes, self.seed);
        put_u32(&mut part, 8, sum);
        Ok(part)
    }
}

fn failed(operation: &'static str, name: &str) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Io { operation, name: name.to_owned(), source }
}

/// Covers the name as well: a file that was copied to another name is not understood.
fn sum(length: &[u8], name: &str, bytes: &[u8], seed: Seed) -> u32 {
    seed.sum([length, name.as_bytes(), bytes])
}

fn framed(length: usize) -> usize {
    (FRAME + length).next_multiple_of(ALIGNMENT)
}

/// The sound parts of a file, and where the last of them ends.
fn parts(bytes: &Bytes, name: &str, seed: Seed) -> (Vec<Bytes>, usize) {
    let (mut found, mut at, mut end) = (Vec::new(), 0, 0);
    let mut search = bytes.len().saturating_mul(MOST_SEARCH);
    while at + FRAME <= bytes.len() && search > 0 {
        match part_at(bytes, at, name, seed, &mut search) {
            Some(part) => {
                at += framed(part.len());
                end = at.min(bytes.len());
                found.push(part);
            }
            None => at += ALIGNMENT,
        }
    }
    (found, end)
}

fn part_at(bytes: &Bytes, at: usize, name: &str, seed: Seed, search: &mut usize) -> Option<Bytes> {
    if get_u32(bytes, at) != MAGIC {
        return None;
    }
    let length = usize::try_from(get_u32(bytes, at + 4)).ok()?;
    let start = at + FRAME;
    let part = start.checked_add(length).filter(|end| at + framed(length) <= bytes.len() && *end <= bytes.len())?;
    let part = bytes.slice(start..part);
    if sum(&bytes[at + 4..at + 8], name, &part, seed) != get_u32(bytes, at + 8) {
        *search = search.saturating_sub(length);
        return None;
    }
    Some(part)
}
