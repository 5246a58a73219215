//! A file system that fails as it is told: for tests, here and in the crates that use this one.
//!
//! Owns the injected faults, their chance (seeded: a seed gives the same run again) and what a power cut does to
//! writes that were not made durable. Not: any file; it wraps another [`Io`].

mod files;
mod gate;
mod unsynced;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use gate::Gate;

use crate::io::{Io, IoFile, IoLock};
use files::FaultyFile;
use unsynced::Unsynced;

/// What is done with files, as far as faults tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening, making, listing and locking of files and directories.
    Open,
    /// Reading, and asking for a length.
    Read,
    /// Writing, and everything else that changes what is on the disk.
    Write,
    /// Making durable.
    Sync,
    /// All of these.
    Any,
}

/// What happens to an operation.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails with this number of the system's, such as 5 for EIO.
    Errno(i32),
    /// It does less than it was asked for, which is no error.
    Short,
    /// One bit of what is read or written is another.
    FlipBit,
    /// It waits until the gate is opened, and is then done.
    Hang(Gate),
}

/// An input or output error.
pub const EIO: i32 = 5;
/// No permission.
pub const EACCES: i32 = 13;
/// Too many descriptors in this process.
pub const EMFILE: i32 = 24;
/// The file system is full.
pub const ENOSPC: i32 = 28;
/// The file system is read-only.
pub const EROFS: i32 = 30;

/// Which operations have which fault.
#[derive(Debug, Clone)]
pub struct Rule {
    /// On what.
    pub on: Operation,
    /// Only on files in this directory, however deep, or on this file.
    pub within: PathBuf,
    /// What happens.
    pub fault: Fault,
    /// To how many of a hundred such operations.
    pub percent: u8,
    /// How many times; afterwards the rule is gone.
    pub times: u64,
}

impl Rule {
    /// Each such operation has this fault, until the rules are cleared.
    pub fn always(on: Operation, within: impl Into<PathBuf>, fault: Fault) -> Self {
        Self { on, within: within.into(), fault, percent: 100, times: u64::MAX }
    }

    /// The next such operation has this fault.
    pub fn once(on: Operation, within: impl Into<PathBuf>, fault: Fault) -> Self {
        Self { times: 1, ..Self::always(on, within, fault) }
    }

    /// So many of a hundred such operations have this fault, until the rules are cleared.
    pub fn sometimes(on: Operation, within: impl Into<PathBuf>, fault: Fault, percent: u8) -> Self {
        Self { percent, ..Self::always(on, within, fault) }
    }

    fn concerns(&self, operation: Operation, path: &Path) -> bool {
        (self.on == Operation::Any || self.on == operation) && path.starts_with(&self.within)
    }
}

/// An [`Io`] with faults.
pub struct FaultyIo {
    inner: Arc<dyn Io>,
    shared: Arc<Shared>,
}

/// What its files share with it.
struct Shared {
    rules: Mutex<Vec<Rule>>,
    random: Random,
    operations: AtomicU64,
    /// The operation that the power fails at.
    crash_at: AtomicU64,
    unsynced: Unsynced,
}

impl FaultyIo {
    /// Over another, without a fault so far.
    pub fn over(inner: Arc<dyn Io>, seed: u64) -> Arc<Self> {
        let shared = Shared {
            rules: Mutex::new(Vec::new()),
            random: Random::seeded(seed),
            operations: AtomicU64::new(0),
            crash_at: AtomicU64::new(u64::MAX),
            unsynced: Unsynced::default(),
        };
        Arc::new(Self { inner, shared: Arc::new(shared) })
    }

    /// From now on.
    pub fn inject(&self, rule: Rule) {
        self.shared.rules.lock().push(rule);
    }

    /// No more faults; who hangs still waits for their gate.
    pub fn clear(&self) {
        self.shared.rules.lock().clear();
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.shared.operations.load(Ordering::Relaxed)
    }

    /// Has the power fail at the `after`th operation from now; 0 is now. Writes that were not made durable are then
    /// lost, or lost in part, or not, as the seed has it, and everything fails until [`Self::restart`].
    pub fn crash_after(&self, after: u64) {
        self.shared.crash_at.store(self.operations().saturating_add(after), Ordering::Relaxed);
        if after == 0 {
            self.shared.lose_what_is_not_durable();
        }
    }

    /// Whether the power failed.
    pub fn crashed(&self) -> bool {
        self.shared.crashed()
    }

    /// Has everything work again, with what is left. Files opened before stay dead: open them anew.
    pub fn restart(&self) {
        self.shared.lose_what_is_not_durable();
        self.shared.crash_at.store(u64::MAX, Ordering::Relaxed);
    }

    fn file(&self, path: &Path, file: io::Result<Box<dyn IoFile>>) -> io::Result<Box<dyn IoFile>> {
        Ok(Box::new(FaultyFile::new(path, Arc::from(file?), self.shared.clone())))
    }
}

impl Shared {
    fn crashed(&self) -> bool {
        self.operations.load(Ordering::Relaxed) >= self.crash_at.load(Ordering::Relaxed)
    }

    /// Counts the operation; an error it is to fail with, or what is otherwise to happen to it.
    fn meet(&self, operation: Operation, path: &Path) -> io::Result<Option<Fault>> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        if self.crashed() {
            self.lose_what_is_not_durable();
            return Err(io::Error::other("the power has failed"));
        }
        match self.fault(operation, path) {
            Some(Fault::Errno(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Fault::Hang(gate)) => {
                gate.pass();
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    /// Whether nothing would happen to such an operation, which is not counted as one.
    fn spares(&self, operation: Operation, path: &Path) -> bool {
        !self.crashed() && !self.rules.lock().iter().any(|rule| rule.concerns(operation, path))
    }

    fn fault(&self, operation: Operation, path: &Path) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let met = |rule: &Rule| rule.concerns(operation, path) && self.random.below(100) < u64::from(rule.percent);
        let place = rules.iter().position(met)?;
        let fault = rules[place].fault.clone();
        rules[place].times -= 1;
        if rules[place].times == 0 {
            rules.remove(place);
        }
        Some(fault)
    }

    fn lose_what_is_not_durable(&self) {
        self.unsynced.lose(&self.random);
    }
}

impl Io for FaultyIo {
    fn open(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        self.shared.meet(Operation::Open, path)?;
        self.file(path, self.inner.open(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        self.shared.meet(Operation::Open, path)?;
        self.file(path, self.inner.create(path))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.shared.meet(Operation::Open, path)?;
        self.inner.create_directory(path)
    }

    fn others_who_may_write(&self, directory: &Path) -> io::Result<Option<String>> {
        self.shared.meet(Operation::Open, directory)?;
        self.inner.others_who_may_write(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.meet(Operation::Write, to)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.shared.meet(Operation::Write, path)?;
        self.inner.remove(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.shared.meet(Operation::Open, directory)?;
        self.inner.list(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn IoLock>> {
        self.shared.meet(Operation::Open, path)?;
        self.inner.lock(path)
    }
}

/// A small generator of numbers (splitmix64): what matters is that a seed gives the same ones again.
#[derive(Debug)]
struct Random(AtomicU64);

impl Random {
    fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number less than this one.
    fn below(&self, bound: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let value = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests;
