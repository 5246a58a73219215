//! Where a chunked body ends, and whether it is framed in one way only (RFC 9112 section 7.1).
//!
//! Owns a state machine over the bytes of such a body: it decodes nothing, Pingora does. It is stricter than the
//! decoder behind it and knows the last byte of the body, so that nothing of the next request is handed on with it.

use std::io;

use super::grammar;

/// Hexadecimal digits of a chunk's size: 2^60 bytes are more than any limit of a body.
const SIZE_DIGITS: u32 = 15;

/// Bytes of chunk extensions in one body. Nobody uses them; without a bound a body of one byte could take any number
/// of bytes (RFC 9112 section 7.1.1).
const EXTENSION_BYTES: usize = 4 << 10;

/// Bytes of trailer fields. They are checked and dropped: no field is worth taking over that comes after the request
/// was decided on (RFC 9110 section 6.5.1).
const TRAILER_BYTES: usize = 8 << 10;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A digit of the size; so many were there.
    Size(u32),
    /// White space before an extension.
    Gap,
    /// Within an extension.
    Extension,
    /// The line feed that ends the line of the size.
    SizeFeed,
    /// So many bytes of data.
    Data(u64),
    /// The carriage return after the data.
    DataReturn,
    /// The line feed after it.
    DataFeed,
    /// A trailer line, or the empty line at the end.
    Trailer,
    /// The body is over.
    Ended,
}

/// Walks over a chunked body, whatever way its bytes are cut.
#[derive(Debug, Clone)]
pub(in crate::listener) struct ChunkScanner {
    place: Place,
    size: u64,
    extension_bytes: usize,
    /// The trailer line so far.
    line: Vec<u8>,
    trailer_bytes: usize,
}

impl Default for ChunkScanner {
    fn default() -> Self {
        Self { place: Place::Size(0), size: 0, extension_bytes: 0, line: Vec::new(), trailer_bytes: 0 }
    }
}

impl ChunkScanner {
    /// How many of these bytes, the next on the connection, belong to the body; all of them unless it ends here.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when they are no chunked body.
    pub(in crate::listener) fn advance(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut position = 0;
        while let (Some(byte), false) = (bytes.get(position), self.has_ended()) {
            if let Place::Data(left) = self.place {
                let there = u64::try_from(bytes.len() - position).unwrap_or(u64::MAX);
                let taken = left.min(there);
                self.place = if taken == left { Place::DataReturn } else { Place::Data(left - taken) };
                // No more than there is, which is a length.
                position += usize::try_from(taken).unwrap_or(bytes.len());
                continue;
            }
            self.place = self.after(*byte).ok_or_else(invalid)?;
            position += 1;
        }
        Ok(position)
    }

    /// Whether the last byte of the body has been seen.
    pub(in crate::listener) fn has_ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// Where one more byte, not of the data, leads to.
    fn after(&mut self, byte: u8) -> Option<Place> {
        match (self.place, byte) {
            (Place::Size(digits), _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size << 4 | u64::from(digit);
                Some(Place::Size(digits + 1))
            }
            (Place::Size(1..) | Place::Extension, b'\r') => Some(Place::SizeFeed),
            (Place::Size(1..) | Place::Gap, b';') => Some(Place::Extension),
            (Place::Size(1..) | Place::Gap, b' ' | b'\t') => self.count_extension().then_some(Place::Gap),
            (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.count_extension().then_some(Place::Extension),
            (Place::SizeFeed, b'\n') => Some(match std::mem::take(&mut self.size) {
                0 => Place::Trailer,
                size => Place::Data(size),
            }),
            (Place::DataReturn, b'\r') => Some(Place::DataFeed),
            (Place::DataFeed, b'\n') => Some(Place::Size(0)),
            (Place::Trailer, _) => self.trailer(byte),
            _ => None,
        }
    }

    fn count_extension(&mut self) -> bool {
        self.extension_bytes += 1;
        self.extension_bytes <= EXTENSION_BYTES
    }

    fn trailer(&mut self, byte: u8) -> Option<Place> {
        self.trailer_bytes += 1;
        self.line.push(byte);
        if self.trailer_bytes > TRAILER_BYTES {
            return None;
        }
        if byte != b'\n' {
            return Some(Place::Trailer);
        }
        let line = std::mem::take(&mut self.line);
        match grammar::without_line_end(&line).ok()? {
            [] => Some(Place::Ended),
            field => grammar::field_line(field).ok().map(|_| Place::Trailer),
        }
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the body is not chunked as RFC 9112 says")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, or nothing when it is refused; the same however it is cut.
    fn check(body: &str, expected: Option<usize>) {
        for cut in [1, 2, 3, 7, body.len().max(1)] {
            let mut scanner = ChunkScanner::default();
            let found = body.as_bytes().chunks(cut).try_fold(0, |sum, piece| scanner.advance(piece).map(|n| sum + n));
            let found = found.ok().filter(|_| scanner.has_ended());
            assert_eq!(found, expected, "{body:?} in pieces of {cut}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_found_whatever_follows() {
        check("0\r\n\r\n", Some(5));
        check("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", Some(15));
        check("00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", Some(39));
        check("5;a=b\r\nhello\r\n0;last\r\n\r\n", Some(24));
        check("5 ; a=\"b\"\r\nhello\r\n0\r\n\r\n", Some(23));
        check("0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\nrest", Some(34));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for body in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\na\r\n",
            "1\na\r\n",
            "1\r\na\n0\r\n\r\n",
            "1 \r\na\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "1\r\na\r\r\n",
            "1;\n\r\na\r\n",
            "1;\0\r\na\r\n",
            "1;a\rb\r\n",
            "1,1\r\n",
            "1\r\na0\r\n\r\n",
            "0\r\n\n",
            "0\r\nno field\r\n\r\n",
            "0\r\na : b\r\n\r\n",
            "0\r\na: b\r\n c\r\n\r\n",
            "0\r\na: b\n\r\n",
            "ffffffffffffffff\r\n",
            "10000000000000000\r\n",
            "0000000000000001\r\na\r\n",
        ] {
            check(body, None);
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        check(&format!("1;{}\r\na\r\n0\r\n\r\n", "e".repeat(EXTENSION_BYTES + 1)), None);
        check(&format!("{}0\r\n\r\n", "1;eeeeeee\r\na\r\n".repeat(EXTENSION_BYTES / 7 + 1)), None);
        check(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(TRAILER_BYTES / 6 + 1)), None);
        check("5\r\nhel", None);
    }
}
