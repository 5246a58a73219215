//! A record as bytes: header, key, head, a checksum for every 64 KiB of the body, body.
//!
//! Owns that form. The header's checksum covers all before the body, and with the table of checksums the body too.

use bytes::{Bytes, BytesMut};

use super::{LARGEST_BODY, LARGEST_HEAD, NewRecord, Record, RecordHead};
use crate::checksum::Seed;
use crate::fields::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
use crate::key::{Key, LONGEST_KEY};

pub(crate) const HEADER: usize = 64;
/// How much of a body has one checksum.
pub(crate) const CHUNK: usize = 64 * 1024;

const MAGIC: u32 = 0x6372_4754;
const VERSION: u16 = 1;
const EPOCH: usize = 8;
const SUM: usize = 60;

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) expires: u64,
    pub(crate) site: u32,
    pub(crate) kind: u8,
    pub(crate) key_length: usize,
    pub(crate) head_length: usize,
    pub(crate) body_length: usize,
}

/// What is wrong with a record.
pub(crate) type Flaw = &'static str;

impl Header {
    pub(crate) fn of(record: &NewRecord, epoch: u64, sequence: u64) -> Self {
        Self {
            epoch,
            sequence,
            expires: record.expires,
            site: record.site,
            kind: record.kind,
            key_length: record.key.as_bytes().len(),
            head_length: record.head.len(),
            body_length: record.body_length(),
        }
    }

    /// Bytes before the body.
    pub(crate) fn preface_length(&self) -> usize {
        HEADER + self.key_length + self.head_length + self.body_length.div_ceil(CHUNK) * 4
    }

    /// Bytes of the whole record.
    pub(crate) fn length(&self) -> usize {
        self.preface_length() + self.body_length
    }

    /// Reads a header whose checksum is still to be compared.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() < HEADER {
            return Err("it is cut off");
        }
        if get_u32(bytes, 0) != MAGIC || get_u16(bytes, 4) != VERSION {
            return Err("there is no record");
        }
        let length = |at, most: usize| {
            usize::try_from(get_u32(bytes, at))
                .ok()
                .filter(|length| *length <= most)
                .ok_or("its lengths are impossible")
        };
        Ok(Self {
            epoch: get_u64(bytes, EPOCH),
            sequence: get_u64(bytes, 16),
            expires: get_u64(bytes, 24),
            site: get_u32(bytes, 32),
            kind: bytes[6],
            key_length: length(36, LONGEST_KEY)?,
            head_length: length(40, LARGEST_HEAD)?,
            body_length: length(44, LARGEST_BODY)?,
        })
    }

    fn encode(&self, bytes: &mut [u8]) {
        put_u32(bytes, 0, MAGIC);
        put_u16(bytes, 4, VERSION);
        bytes[6] = self.kind;
        put_u64(bytes, EPOCH, self.epoch);
        put_u64(bytes, 16, self.sequence);
        put_u64(bytes, 24, self.expires);
        put_u32(bytes, 32, self.site);
        for (at, length) in [(36, self.key_length), (40, self.head_length), (44, self.body_length), (48, CHUNK)] {
            put_u32(bytes, at, u32::try_from(length).unwrap_or(u32::MAX));
        }
    }
}

/// Everything of a record before its body.
pub(crate) fn encode_preface(header: &Header, record: &NewRecord, seed: Seed) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.preface_length());
    bytes.resize(HEADER, 0);
    header.encode(&mut bytes);
    bytes.extend_from_slice(record.key.as_bytes());
    bytes.extend_from_slice(&record.head);
    for sum in chunk_sums(&record.body, seed) {
        bytes.extend_from_slice(&sum.to_le_bytes());
    }
    seal(&mut bytes, seed);
    bytes
}

/// Has a record that was read belong to another use of a segment. Its body stays as it is.
pub(crate) fn change_epoch(record: &mut [u8], header: &Header, epoch: u64, seed: Seed) {
    put_u64(record, EPOCH, epoch);
    seal(&mut record[..header.preface_length()], seed);
}

fn seal(preface: &mut [u8], seed: Seed) {
    let sum = preface_sum(preface, seed);
    put_u32(preface, SUM, sum);
}

fn preface_sum(preface: &[u8], seed: Seed) -> u32 {
    seed.sum([&preface[..SUM], &preface[HEADER..]])
}

/// One checksum for every chunk, however the body is cut into pieces.
fn chunk_sums(body: &[Bytes], seed: Seed) -> Vec<u32> {
    let mut sums = Vec::new();
    let mut hasher = seed.hasher();
    let mut room = CHUNK;
    for mut piece in body.iter().map(|piece| &piece[..]) {
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(room));
            hasher.update(now);
            room -= now.len();
            piece = later;
            if room == 0 {
                sums.push(std::mem::replace(&mut hasher, seed.hasher()).finalize());
                room = CHUNK;
            }
        }
    }
    if room < CHUNK {
        sums.push(hasher.finalize());
    }
    sums
}

/// Checks all before the body; `bytes` may hold more.
fn preface(bytes: &[u8]) -> Result<(Header, &[u8]), Flaw> {
    let header = Header::decode(bytes)?;
    let preface = bytes.get(..header.preface_length()).ok_or("it is cut off")?;
    Ok((header, preface))
}

/// Checks a whole record; `bytes` may hold more.
pub(crate) fn verify(bytes: &[u8], seed: Seed) -> Result<Header, Flaw> {
    let header = verify_head(bytes, seed)?;
    let body = bytes.get(header.preface_length()..header.length()).ok_or("it is cut off")?;
    let sums = bytes[..header.preface_length()][HEADER + header.key_length + header.head_length..].chunks_exact(4);
    for (chunk, sum) in body.chunks(CHUNK).zip(sums) {
        if seed.sum([chunk]) != get_u32(sum, 0) {
            return Err("a part of its body has another checksum");
        }
    }
    Ok(header)
}

/// Checks a record but for its body, of which nothing needs to be there.
pub(crate) fn verify_head(bytes: &[u8], seed: Seed) -> Result<Header, Flaw> {
    let (header, preface) = preface(bytes)?;
    if preface_sum(preface, seed) != get_u32(preface, SUM) {
        return Err("its head has another checksum");
    }
    Ok(header)
}

/// The key of bytes that were verified.
pub(crate) fn key<'a>(bytes: &'a [u8], header: &Header) -> &'a [u8] {
    &bytes[HEADER..HEADER + header.key_length]
}

/// The head of bytes that were verified.
pub(crate) fn head<'a>(bytes: &'a [u8], header: &Header) -> &'a [u8] {
    &bytes[HEADER + header.key_length..HEADER + header.key_length + header.head_length]
}

/// The record in bytes that were verified, for whoever knows its key.
pub(crate) fn record(bytes: BytesMut, header: &Header, key: &Key) -> Record {
    let bytes = bytes.freeze();
    let head_start = HEADER + header.key_length;
    let body = bytes.slice(header.preface_length()..header.length());
    Record {
        key: key.clone(),
        kind: header.kind,
        head: bytes.slice(head_start..head_start + header.head_length),
        body: if body.is_empty() { Vec::new() } else { vec![body] },
        expires: header.expires,
        sequence: header.sequence,
        site: header.site,
    }
}

/// The head of a record in bytes that were verified so far.
pub(crate) fn record_head(bytes: &[u8], header: &Header) -> Option<RecordHead> {
    Some(RecordHead {
        key: Key::new(Bytes::copy_from_slice(key(bytes, header))).ok()?,
        kind: header.kind,
        head: Bytes::copy_from_slice(head(bytes, header)),
        body_length: u32::try_from(header.body_length).unwrap_or(u32::MAX),
        expires: header.expires,
        sequence: header.sequence,
        site: header.site,
    })
}

#[cfg(test)]
mod tests;
