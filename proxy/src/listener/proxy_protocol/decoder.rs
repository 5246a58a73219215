//! A header, byte by byte, however it arrives.

use super::version1::{self, LINE_BYTES};
use super::version2::{self, FIXED_BYTES, SIGNATURE};
use super::{ProxyProtocolError, Told};

/// How the human-readable version begins.
const PREFIX: &[u8] = b"PROXY ";

/// Reads one header. It never takes a byte that does not belong to the header.
#[derive(Debug, Default)]
pub struct Decoder {
    header: Vec<u8>,
}

/// How far the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All bytes belong to it, and more are to come.
    More,
    /// It ended after so many of the bytes.
    Done(usize, Told),
}

impl Decoder {
    /// Takes the bytes that follow those given before.
    ///
    /// # Errors
    /// As soon as no further byte could make a header of what has come.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, ProxyProtocolError> {
        for (place, byte) in bytes.iter().enumerate() {
            self.header.push(*byte);
            if let Some(told) = self.step()? {
                return Ok(Progress::Done(place + 1, told));
            }
        }
        Ok(Progress::More)
    }

    /// Looks at the header after another byte.
    fn step(&self) -> Result<Option<Told>, ProxyProtocolError> {
        let header = self.header.as_slice();
        if begins_like(header, &SIGNATURE) {
            return if header.len() < FIXED_BYTES { Ok(None) } else { version2::step(header) };
        }
        if !begins_like(header, PREFIX) {
            return Err(ProxyProtocolError::Missing);
        }
        match header {
            [.., b'\r', b'\n'] => version1::parse(header).map(Some),
            // Neither stands within the line.
            [.., b'\n'] => Err(ProxyProtocolError::Malformed),
            [.., b'\r', _] => Err(ProxyProtocolError::Malformed),
            _ if header.len() >= LINE_BYTES => Err(ProxyProtocolError::TooLong),
            _ => Ok(None),
        }
    }
}

/// Whether one of the two is the beginning of the other.
fn begins_like(header: &[u8], known: &[u8]) -> bool {
    header.iter().zip(known).all(|(found, expected)| found == expected)
}
