//! Everything this crate does with files, as traits, so that tests can make devices fail.
//!
//! Owns the traits, and reading and writing of whole buffers over them. `RealIo` is what serves.

mod real;

use std::io;
use std::path::Path;

pub use real::RealIo;

/// A file system, or the part of one that a volume uses.
pub trait Io: Send + Sync {
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn IoFile>>;
    /// Opens a file for reading and writing, and makes it, empty, where there is none. What it holds stays.
    fn create(&self, path: &Path) -> io::Result<Box<dyn IoFile>>;
    /// Makes a directory, whose parent exists. One that is there already is no error.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Who else than this process's user can change what is in a directory, in words; `None`: nobody.
    fn others_who_may_write(&self, _directory: &Path) -> io::Result<Option<String>> {
        Ok(None)
    }
    /// Gives a file another name in its directory, replacing what has that name, and makes that durable.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of the files in a directory, in no order. Names that are no UTF-8 are left out: none of ours is such.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Locks a file, which is made where there is none, until the answer is dropped or the process ends.
    /// Fails with [`io::ErrorKind::WouldBlock`] while another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn IoLock>>;
}

/// A file of an [`Io`]. Its users never share an offset, so any number of threads may use it at once.
pub trait IoFile: Send + Sync {
    /// Reads at an offset; less than asked for may come, nothing only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Reads as [`IoFile::read_at`] does what needs no waiting for the device; `None`: it would have to be waited for, or
    /// nobody knows.
    fn read_at_now(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }
    /// Writes at an offset; less than given may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Returns when everything written before is durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves room for the file's first `length` bytes and makes it at least that long.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts the file, or lengthens it with zeros.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
    /// A hint that these bytes are not read again soon: what of them is not written yet is begun to be, the rest needs no
    /// memory any more.
    fn let_go(&self, _offset: u64, _length: u64) {}
}

/// A lock that is held.
pub trait IoLock: Send + Sync {}

/// Reads until the buffer is full. The file's end before that is [`io::ErrorKind::UnexpectedEof`].
pub(crate) fn read_exact_at(file: &dyn IoFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_up_to(file, buffer, offset)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads until the buffer is full or the file ends; answers how much was read.
pub(crate) fn read_up_to(file: &dyn IoFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes all bytes.
pub(crate) fn write_all_at(file: &dyn IoFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
