//! Small things that have to be durable: a log of purges, pins, what is to be fetched first after a restart.
//!
//! Owns files of parts, each with its length and checksum, of which one may be cut off or damaged without the others
//! being lost.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::{StateBlob, StateError, void};
use crate::checksum::Seed;
use crate::fields::{get_u32, put_u32};
use crate::io::{Io, read_up_to, write_all_at};
use crate::layout::UNFINISHED;

const MAGIC: u32 = 0x7473_4754;
/// Magic, length, checksum, and one of magic and length alone: it tells a part that was being appended from damage.
const FRAME: usize = 16;
/// Parts begin at multiples of this: where one is damaged the next is looked for there.
const ALIGNMENT: usize = 8;
/// Names there may be: the rest of each last block is accounted for.
const MOST_NAMES: usize = 16;
const LONGEST_NAME: usize = 32;
/// Bytes looked at for checksums of parts that turn out to be none, as a multiple of the file's: damaged files must not
/// take for ever.
const MOST_SEARCH: usize = 4;

/// Nothing that we wrote is longer; of a longer file the rest counts as damaged.
const MOST_READ: u64 = 1 << 30;

/// All state of a volume.
pub(super) struct States {
    io: Arc<dyn Io>,
    directory: PathBuf,
    seed: Seed,
    room: u64,
    files: BTreeMap<String, StateFile>,
    foreign: u64,
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

/// Whether a file of state was certainly written by us: it begins as ours do, whatever came of the rest. One that is
/// empty says nothing of anybody.
pub(super) fn is_signed(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.starts_with(&MAGIC.to_le_bytes())
}

impl States {
    pub(super) fn open(io: Arc<dyn Io>, directory: PathBuf, seed: Seed, room: u64) -> io::Result<Self> {
        let mut states = Self { seed, room, files: BTreeMap::new(), foreign: 0, directory, io };
        for name in states.io.list(&states.directory)? {
            let path = states.directory.join(&name);
            if name.ends_with(UNFINISHED) && is_ours(&name) {
                states.foreign += u64::from(states.io.remove(&path).is_err());
            } else if is_name(&name) {
                // What cannot be opened is no reason to do without all the rest. Who asks for it hears of it.
                let length = states.io.open(&path).and_then(|file| file.length());
                states.foreign += u64::from(length.is_err());
                states.files.insert(name, StateFile { length: length.unwrap_or(0), end: None });
            }
        }
        Ok(states)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.length).sum()
    }

    /// Files called as ours are that cannot be opened.
    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    pub(super) fn save(&mut self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let part = self.part(name, bytes)?;
        let length = part.len() as u64;
        self.check_room(name, length)?;
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
            // Which of both has the name now, nobody knows.
            let length = length.max(self.length_of(name));
            self.files.insert(name.to_owned(), StateFile { length, end: None });
            return Err(failed("save", name)(source));
        }
        self.files.insert(name.to_owned(), StateFile { length, end: Some(length) });
        Ok(())
    }

    pub(super) fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let end = match self.files.get(name).map(|file| file.end) {
            Some(Some(end)) => Some(end),
            Some(None) => self.read(name)?.map(|(_, end)| end),
            None => None,
        };
        // A new file has its name durably as well.
        let Some(end) = end else { return self.save(name, bytes) };
        let part = self.part(name, bytes)?;
        let length = end + part.len() as u64;
        self.check_room(name, length)?;
        let write = || {
            let file = self.io.open(&self.directory.join(name))?;
            if file.length()? > end {
                file.truncate(end)?;
            }
            write_all_at(&*file, &part, end)?;
            file.sync_data()
        };
        let written = write();
        let file = match written {
            Ok(()) => StateFile { length, end: Some(length) },
            Err(_) => StateFile { length: length.max(self.length_of(name)), end: None },
        };
        self.files.insert(name.to_owned(), file);
        written.map_err(failed("append to", name))
    }

    pub(super) fn load(&mut self, name: &str) -> Result<Option<StateBlob>, StateError> {
        if !self.files.contains_key(name) {
            return Ok(None);
        }
        let Some((blob, end)) = self.read(name)? else {
            self.files.remove(name);
            return Ok(None);
        };
        if let Some(file) = self.files.get_mut(name) {
            file.end = Some(end);
        }
        Ok(Some(blob))
    }

    /// What a file has, and where the next part goes: behind what is damaged, so that the loss can be told until the next
    /// save, but in the stead of a part that was never said to be durable. `None`: there is no file.
    fn read(&self, name: &str) -> Result<Option<(StateBlob, u64)>, StateError> {
        let read = || {
            let file = match self.io.open(&self.directory.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let length = file.length()?;
            let mut bytes = vec![0; usize::try_from(length.min(MOST_READ)).unwrap_or_default()];
            let read = read_up_to(&*file, &mut bytes, 0)?;
            bytes.truncate(read);
            Ok(Some((Bytes::from(bytes), length)))
        };
        let Some((bytes, length)) = read().map_err(failed("read", name))? else { return Ok(None) };
        let (parts, end) = parts(&bytes, name, self.seed);
        let understood: usize = parts.iter().map(|part| framed(part.len())).sum();
        let tail = bytes.slice(end..);
        let torn = length == bytes.len() as u64 && is_torn(&tail, name, self.seed);
        let torn_tail_bytes = if torn { tail.len() as u64 } else { 0 };
        let blob = StateBlob { parts, torn_tail_bytes, unreadable_bytes: length - understood as u64 - torn_tail_bytes };
        Ok(Some((blob, if torn { end as u64 } else { length.next_multiple_of(ALIGNMENT as u64) })))
    }

    fn length_of(&self, name: &str) -> u64 {
        self.files.get(name).map_or(0, |file| file.length)
    }

    /// Whether a file may become so long. There must always be room for replacing the largest by one that is as large:
    /// who appends until it is full has to make it small again that way. What makes it smaller may always be done.
    fn check_room(&self, name: &str, length: u64) -> Result<(), StateError> {
        let others = self.files.iter().filter(|(other, _)| *other != name).map(|(_, file)| file.length);
        let (sum, largest) = others.fold((length, length), |(sum, largest), other| (sum + other, largest.max(other)));
        if name == void::NAME || sum + largest <= self.room || length <= self.length_of(name) {
            return Ok(());
        }
        Err(StateError::NoRoom { length: sum + largest, most: self.room })
    }

    /// A part as bytes.
    fn part(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, StateError> {
        let others = self.files.keys().filter(|known| *known != void::NAME).count();
        let known = name == void::NAME || self.files.contains_key(name) || others < MOST_NAMES;
        if !is_name(name) || !known {
            return Err(StateError::Name { name: name.to_owned() });
        }
        let too_long = |_| StateError::NoRoom { length: bytes.len() as u64, most: self.room };
        let length = u32::try_from(bytes.len()).map_err(too_long)?;
        let mut part = vec![0; framed(bytes.len())];
        put_u32(&mut part, 0, MAGIC);
        put_u32(&mut part, 4, length);
        part[FRAME..FRAME + bytes.len()].copy_from_slice(bytes);
        let sum = sum(&part[4..8], name, bytes, self.seed);
        put_u32(&mut part, 8, sum);
        let frame = frame_sum(&part, name, self.seed);
        put_u32(&mut part, 12, frame);
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

fn frame_sum(frame: &[u8], name: &str, seed: Seed) -> u32 {
    seed.sum([&frame[..8], name.as_bytes()])
}

/// Whether what follows the last sound part is one that was being appended: it is cut off, or nothing of it was written.
fn is_torn(tail: &[u8], name: &str, seed: Seed) -> bool {
    if tail.len() < FRAME || tail.iter().all(|byte| *byte == 0) {
        return true;
    }
    let whole = usize::try_from(get_u32(tail, 4)).map_or(usize::MAX, framed);
    get_u32(tail, 0) == MAGIC && get_u32(tail, 12) == frame_sum(tail, name, seed) && whole > tail.len()
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
