//! An open file whose operations may fail.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Fault, Operation, Shared};
use crate::io::IoFile;

pub(super) struct FaultyFile {
    path: PathBuf,
    inner: Arc<dyn IoFile>,
    shared: Arc<Shared>,
}

impl FaultyFile {
    pub(super) fn new(path: &Path, inner: Arc<dyn IoFile>, shared: Arc<Shared>) -> Self {
        Self { path: path.into(), inner, shared }
    }

    fn flip_a_bit(&self, bytes: &mut [u8]) {
        let bits = bytes.len() as u64 * 8;
        let bit = usize::try_from(self.shared.random.below(bits)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// Between one byte and all of them.
    fn shorter(&self, length: usize) -> usize {
        1 + usize::try_from(self.shared.random.below(length as u64)).unwrap_or(0)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.shared.unsynced.note(&self.path, &self.inner, offset, bytes.len());
        self.inner.write_at(bytes, offset)
    }
}

impl IoFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.shared.meet(Operation::Read, &self.path)? {
            Some(Fault::Short) if buffer.len() > 1 => {
                let length = self.shorter(buffer.len());
                self.inner.read_at(&mut buffer[..length], offset)
            }
            Some(Fault::FlipBit) => {
                let read = self.inner.read_at(buffer, offset)?;
                self.flip_a_bit(&mut buffer[..read]);
                Ok(read)
            }
            _ => self.inner.read_at(buffer, offset),
        }
    }

    /// Everything is as if it were in memory, but for what is to have a fault, and that is waited for.
    fn read_at_now(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        match self.shared.spares(Operation::Read, &self.path) {
            true => self.inner.read_at(buffer, offset).map(Some),
            false => Ok(None),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.shared.meet(Operation::Write, &self.path)? {
            Some(Fault::Short) if bytes.len() > 1 => self.write(&bytes[..self.shorter(bytes.len())], offset),
            Some(Fault::FlipBit) => {
                let mut bytes = bytes.to_vec();
                self.flip_a_bit(&mut bytes);
                self.write(&bytes, offset)
            }
            _ => self.write(bytes, offset),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.shared.meet(Operation::Sync, &self.path)?;
        // A process that is killed loses nothing, and tests of power cuts need no real one: the disk is not asked.
        self.shared.unsynced.durable(&self.path);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.shared.meet(Operation::Write, &self.path)?;
        self.inner.allocate(length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.shared.meet(Operation::Write, &self.path)?;
        // Taken for durable at once, and with it what was written before: nothing is put back where a file was cut.
        self.shared.unsynced.durable(&self.path);
        self.inner.truncate(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.shared.meet(Operation::Read, &self.path)?;
        self.inner.length()
    }
}
