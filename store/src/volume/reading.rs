//! How a record gets out: only after every checksum was compared, and only if it is the one that was asked for.

use std::io;
use std::sync::atomic::Ordering;

use bytes::BytesMut;

use super::{Place, ReadError, Volume};
use crate::key::{Digest, Key};
use crate::record::codec::{self, Flaw, Header};
use crate::record::{Record, RecordHead};

/// A record may move while it is being read. That it does so again and again is not to be expected; then it is a miss.
const ATTEMPTS: usize = 4;
/// Read at first for a head: nearly all of them fit.
const HEAD_READ: usize = 8 * 1024;

/// Why bytes are no record.
enum Failure {
    Flaw(Flaw),
    Io(io::Error),
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Somebody cut or removed the file; trying again later brings nothing back.
            io::ErrorKind::UnexpectedEof => Self::Flaw("its file is too short"),
            io::ErrorKind::NotFound => Self::Flaw("its file is gone"),
            _ => Self::Io(error),
        }
    }
}

impl Volume {
    pub(super) fn read_record(&self, key: &Key, place: &Place) -> Result<Option<Record>, ReadError> {
        self.read_where_it_is(place, &|place| {
            let mut bytes = BytesMut::zeroed(place.length as usize);
            let epoch = self.segments.epoch(place.segment);
            self.segments.read(place.segment, place.offset(), &mut bytes)?;
            let header = codec::verify(&bytes, self.seed)?;
            check(&header, place, epoch)?;
            if codec::key(&bytes, &header) != key.as_bytes() {
                return Ok(None);
            }
            self.index.was_read(place);
            Ok(Some(codec::record(bytes, &header, key)))
        })
    }

    /// Reads a record if that needs no waiting for the device. Whatever stands in the way, and be it that the record is
    /// damaged, is for who reads it in earnest.
    pub(super) fn read_record_now(&self, key: &Key, place: &Place) -> Option<Record> {
        let mut bytes = BytesMut::zeroed(place.length as usize);
        let epoch = self.segments.epoch(place.segment);
        if !self.segments.read_now(place.segment, place.offset(), &mut bytes) {
            return None;
        }
        let header = codec::verify(&bytes, self.seed).ok()?;
        check(&header, place, epoch).ok()?;
        if codec::key(&bytes, &header) != key.as_bytes() {
            return None;
        }
        self.index.was_read(place);
        Some(codec::record(bytes, &header, key))
    }

    pub(super) fn read_head_at(&self, place: &Place) -> Result<Option<RecordHead>, ReadError> {
        self.read_where_it_is(place, &|place| {
            let epoch = self.segments.epoch(place.segment);
            let mut bytes = vec![0; HEAD_READ.min(place.length as usize)];
            self.segments.read(place.segment, place.offset(), &mut bytes)?;
            let wanted = Header::decode(&bytes)?.preface_length();
            if wanted > place.length as usize {
                return Err(Failure::Flaw("its lengths are impossible"));
            }
            if wanted > bytes.len() {
                bytes.resize(wanted, 0);
                self.segments.read(place.segment, place.offset(), &mut bytes)?;
            }
            let header = codec::verify_head(&bytes, self.seed)?;
            check(&header, place, epoch)?;
            let hash = self.superblock.secret.hash(Digest::of(codec::key(&bytes, &header)));
            Ok((hash.0 == place.hash).then(|| codec::record_head(&bytes, &header)).flatten())
        })
    }

    /// Reads what a hash has now; when that fails because it moved or went meanwhile, tries again.
    fn read_where_it_is<T>(
        &self,
        place: &Place,
        read: &dyn Fn(&Place) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, ReadError> {
        for _ in 0..ATTEMPTS {
            let Some(place) = self.index.find(place.hash) else { return Ok(None) };
            let failure = match read(&place) {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            let still_there = self.index.find(place.hash).is_some_and(|now| now.is_at(&place));
            match failure {
                _ if !still_there => {}
                Failure::Io(source) => return Err(ReadError::Io { segment: place.segment, source }),
                Failure::Flaw(what) => return self.forget_damaged(&place, what),
            }
        }
        Ok(None)
    }

    /// A damaged record is of no more use, nor after a restart.
    fn forget_damaged<T>(&self, place: &Place, what: &'static str) -> Result<Option<T>, ReadError> {
        let Some(gone) = self.index.take_if_there(place) else { return Ok(None) };
        self.counters.corrupt.fetch_add(1, Ordering::Relaxed);
        self.settle_later(&gone).ok();
        Err(ReadError::Corrupt { segment: place.segment, what })
    }
}

/// Whether a sound record is the one the index spoke of, of the use its segment is in.
fn check(header: &Header, place: &Place, epoch: u64) -> Result<(), Failure> {
    match (header.epoch, header.sequence, header.length()) == (epoch, place.sequence, place.length as usize) {
        true => Ok(()),
        false => Err(Failure::Flaw("another record is in its place")),
    }
}
