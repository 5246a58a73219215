//! One database: read whole into memory, tried in every record before anyone relies on it, then only asked.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use maxminddb::{MaxMindDbError, Metadata, Reader, WithinOptions};

use super::record::Facts;

/// Largest file that is read. The largest databases about are near 300 MiB; while one is read again, both the old and
/// the new one take their memory.
pub const MAX_DATABASE_BYTES: u64 = 512 * 1024 * 1024;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It could not be opened or read.
    #[error("cannot be read: {0}; expected a database in MaxMind's format (mmdb)")]
    Read(#[source] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is no regular file; expected a database in MaxMind's format (mmdb)")]
    NotAFile,
    /// It is larger than what is read.
    #[error("has {0} bytes; expected at most {MAX_DATABASE_BYTES}")]
    TooLarge(u64),
    /// It changed under the reader; the next look will find it whole.
    #[error("changed while it was read; put new databases in place by renaming them")]
    Changed,
    /// It is no database, cut short, or damaged.
    #[error("is no whole database in MaxMind's format (mmdb): {0}")]
    Format(#[source] MaxMindDbError),
    /// Its tree leads in circles.
    #[error("is damaged: its search tree has more networks than nodes allow")]
    Tree,
}

/// Reads and tries a file as a node would, and keeps nothing of it.
pub fn try_database(path: &Path) -> Result<(), DatabaseError> {
    Database::load(path).map(drop)
}

/// What a file is told apart by: another file in its place differs in one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileMark {
    bytes: u64,
    inode: u64,
    modified: (i64, i64),
    /// Also when it became readable, or another file took its name.
    changed: (i64, i64),
}

impl FileMark {
    /// That of the file at this path now; none when there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::new)
    }

    fn new(metadata: &std::fs::Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A database that is ready to be asked.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    pub(super) mark: FileMark,
    pub(super) loaded: SystemTime,
    /// Networks in it.
    pub(super) networks: u64,
}

impl Database {
    /// Reads and tries a file. Takes a second or two for the largest ones; not for threads that serve.
    pub(super) fn load(path: &Path) -> Result<Self, DatabaseError> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let metadata = std::fs::metadata(path).map_err(DatabaseError::Read)?;
        if !metadata.is_file() {
            return Err(DatabaseError::NotAFile);
        }
        let mark = FileMark::new(&metadata);
        if mark.bytes > MAX_DATABASE_BYTES {
            return Err(DatabaseError::TooLarge(mark.bytes));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(mark.bytes).unwrap_or_default());
        let file = File::open(path).map_err(DatabaseError::Read)?;
        file.take(MAX_DATABASE_BYTES).read_to_end(&mut bytes).map_err(DatabaseError::Read)?;
        if bytes.len() as u64 != mark.bytes || FileMark::of(path) != Some(mark) {
            return Err(DatabaseError::Changed);
        }
        Self::from_bytes(bytes, mark)
    }

    pub(super) fn from_bytes(bytes: Vec<u8>, mark: FileMark) -> Result<Self, DatabaseError> {
        let reader = Reader::from_source(bytes).map_err(DatabaseError::Format)?;
        let networks = try_every_record(&reader)?;
        Ok(Self { reader, mark, loaded: SystemTime::now(), networks })
    }

    /// Facts of an address; none where the database has no record of it.
    pub(super) fn facts(&self, address: IpAddr) -> Result<Option<Facts>, MaxMindDbError> {
        look_up(&self.reader, address)
    }

    pub(super) fn metadata(&self) -> &Metadata {
        self.reader.metadata()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.mark.bytes
    }
}

pub(super) fn look_up(reader: &Reader<Vec<u8>>, address: IpAddr) -> Result<Option<Facts>, MaxMindDbError> {
    if address.is_ipv6() && reader.metadata().ip_version == 4 {
        return Ok(None);
    }
    reader.lookup(address)?.decode()
}

/// Decodes every record as a request would, so that damage shows now; how many networks there are.
fn try_every_record(reader: &Reader<Vec<u8>>) -> Result<u64, DatabaseError> {
    // A tree of n nodes has at most n + 1 leaves; a damaged one may lead back into itself.
    let most = u64::from(reader.metadata().node_count) + 1;
    let mut networks = 0;
    let mut last = None;
    for network in reader.networks(WithinOptions::default()).map_err(DatabaseError::Format)? {
        let network = network.map_err(DatabaseError::Format)?;
        networks += 1;
        if networks > most {
            return Err(DatabaseError::Tree);
        }
        // Neighbours often share a record.
        if network.offset() != last {
            network.decode::<Facts>().map_err(DatabaseError::Format)?;
            last = network.offset();
        }
    }
    Ok(networks)
}
