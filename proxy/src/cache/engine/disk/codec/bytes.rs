//! Numbers, texts and header sections as bytes: written compactly, read with bounds.
//!
//! What is read comes from a disk. It may be anything, and nothing of it may panic, or take more memory than it has bytes.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Most bytes of a number: seven bits in each (LEB128).
const LONGEST_NUMBER: usize = 10;

/// Stands before a field whose value must not be written to logs.
const SENSITIVE: u8 = 1;

/// A number below 128 takes one byte.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

pub(super) fn put_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

pub(super) fn put_duration(bytes: &mut Vec<u8>, duration: Duration) {
    put_number(bytes, duration.as_secs());
    put_number(bytes, u64::from(duration.subsec_nanos()));
}

/// Fields in their order.
pub(super) fn put_section(bytes: &mut Vec<u8>, fields: &HeaderMap) {
    put_number(bytes, fields.len() as u64);
    for (name, value) in fields {
        bytes.push(if value.is_sensitive() { SENSITIVE } else { 0 });
        put_bytes(bytes, name.as_str().as_bytes());
        put_bytes(bytes, value.as_bytes());
    }
}

/// Reads from the front. Everything gives `None` where there is no such thing.
pub(super) struct Source<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// A number in its shortest form: of two spellings of one record, one is odd.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for index in 0..LONGEST_NUMBER {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.checked_shl(7 * u32::try_from(index).ok()?)?;
            if shifted >> (7 * index) != bits {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return (byte != 0 || index == 0).then_some(number);
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn duration(&mut self) -> Option<Duration> {
        let (seconds, nanoseconds) = (self.number()?, u32::try_from(self.number()?).ok()?);
        (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
    }

    pub(super) fn section(&mut self) -> Option<HeaderMap> {
        let count = self.number()?;
        let mut fields = HeaderMap::new();
        for _ in 0..count {
            let is_sensitive = match self.byte()? {
                0 => false,
                SENSITIVE => true,
                _ => return None,
            };
            let name = HeaderName::from_lowercase(self.bytes()?).ok()?;
            let mut value = HeaderValue::from_bytes(self.bytes()?).ok()?;
            value.set_sensitive(is_sensitive);
            fields.try_append(name, value).ok()?;
        }
        Some(fields)
    }

    /// Whether all was read.
    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_have_one_form_only() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut source = Source::new(&bytes);
            assert_eq!((source.number(), source.at_end()), (Some(number), true), "{number}");
            assert_eq!(Source::new(&bytes[..bytes.len() - 1]).number(), None, "{number} cut");
        }
        let check = |bytes: &[u8]| assert_eq!(Source::new(bytes).number(), None, "{bytes:?}");
        check(&[0x80, 0x00]); // a zero in two bytes
        check(&[0xff; 9]);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]); // more than there are
        check(&[0xff; 11]);
    }

    #[test]
    fn lengths_beyond_what_is_there_are_refused() {
        let mut bytes = Vec::new();
        put_number(&mut bytes, u64::MAX);
        assert!(Source::new(&bytes).bytes().is_none());
        let mut fields = Vec::new();
        put_number(&mut fields, 1 << 40);
        assert!(Source::new(&fields).section().is_none());
    }
}
