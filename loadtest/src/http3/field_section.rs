//! Field sections of responses (RFC 9204 section 4.5), as far as a client needs them that never lets the server use
//! the dynamic table. Lines are found without decoding strings, because a load client looks at one status a response.

use super::huffman;
use super::static_table::STATIC_TABLE;

/// Indices and lengths above this are refused; nothing real comes near it, and it keeps arithmetic in range.
const LARGEST_INTEGER: u64 = 1 << 32;

/// What is wrong with a field section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldSectionError {
    /// It ends in the middle of a line.
    Truncated,
    /// It refers to the dynamic table, whose size we announced as zero.
    DynamicTable,
    /// An index outside the static table.
    UnknownIndex,
    /// An integer out of range.
    Integer,
    /// A string that is no Huffman code.
    Huffman,
    /// The first line is not `:status` with three digits (RFC 9114 section 4.3.2).
    Status,
}

/// A string as it stands in the section.
#[derive(Debug, Clone, Copy)]
enum Text<'section> {
    Static(&'static str),
    Plain(&'section [u8]),
    Huffman(&'section [u8]),
}

impl Text<'_> {
    fn decode(self) -> Result<Vec<u8>, FieldSectionError> {
        match self {
            Self::Static(text) => Ok(text.as_bytes().to_vec()),
            Self::Plain(bytes) => Ok(bytes.to_vec()),
            Self::Huffman(bytes) => huffman::decode(bytes),
        }
    }
}

/// The status of a response. Reads no further than the first line, which holds it.
pub(super) fn status(section: &[u8]) -> Result<u16, FieldSectionError> {
    let (name, value) = Lines::new(section)?.next().ok_or(FieldSectionError::Status)??;
    match (name, value) {
        (Text::Static(":status"), Text::Static(digits)) => parse_status(digits.as_bytes()),
        (name, value) if name.decode()? == b":status" => parse_status(&value.decode()?),
        _ => Err(FieldSectionError::Status),
    }
}

/// Every field with its value; bytes that are not UTF-8 are replaced.
pub(super) fn fields(section: &[u8]) -> Result<Vec<(String, String)>, FieldSectionError> {
    Lines::new(section)?
        .map(|line| {
            let (name, value) = line?;
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Ok((text(name.decode()?), text(value.decode()?)))
        })
        .collect()
}

fn parse_status(digits: &[u8]) -> Result<u16, FieldSectionError> {
    match digits {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => Err(FieldSectionError::Status),
    }
}

/// The lines of a section; ends after the first error.
struct Lines<'section> {
    rest: &'section [u8],
}

impl<'section> Lines<'section> {
    /// Reads the prefix (section 4.5.1): a required insert count other than zero means the dynamic table.
    fn new(section: &'section [u8]) -> Result<Self, FieldSectionError> {
        let mut lines = Self { rest: section };
        let (_, required_insert_count) = lines.integer(8)?;
        lines.integer(7)?;
        if required_insert_count == 0 { Ok(lines) } else { Err(FieldSectionError::DynamicTable) }
    }

    /// An integer with an N-bit prefix (RFC 7541 section 5.1) and the bits before it.
    fn integer(&mut self, prefix_bits: u32) -> Result<(u8, u64), FieldSectionError> {
        let mask = ((1_u16 << prefix_bits) - 1) as u8;
        let first = self.byte()?;
        let mut value = u64::from(first & mask);
        if value == u64::from(mask) {
            let mut shift = 0;
            loop {
                let byte = self.byte()?;
                value += u64::from(byte & 0x7f) << shift;
                shift += 7;
                if value > LARGEST_INTEGER || shift > 35 {
                    return Err(FieldSectionError::Integer);
                }
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        Ok((first & !mask, value))
    }

    /// A string whose length has an N-bit prefix; the bit before the length tells Huffman.
    fn text(&mut self, prefix_bits: u32) -> Result<Text<'section>, FieldSectionError> {
        let (flags, length) = self.integer(prefix_bits)?;
        let (bytes, rest) = self.rest.split_at_checked(length as usize).ok_or(FieldSectionError::Truncated)?;
        self.rest = rest;
        Ok(if flags & (1 << prefix_bits) == 0 { Text::Plain(bytes) } else { Text::Huffman(bytes) })
    }

    fn byte(&mut self) -> Result<u8, FieldSectionError> {
        let (first, rest) = self.rest.split_first().ok_or(FieldSectionError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    fn line(&mut self) -> Result<(Text<'section>, Text<'section>), FieldSectionError> {
        match self.rest.first().copied().unwrap_or_default() {
            // Indexed field line (4.5.2): 1 T index(6).
            first if first & 0x80 != 0 => {
                let (flags, index) = self.integer(6)?;
                let (name, value) = static_entry(flags & 0x40 != 0, index)?;
                Ok((Text::Static(name), Text::Static(value)))
            }
            // Literal with a name reference (4.5.4): 0 1 N T index(4), value.
            first if first & 0x40 != 0 => {
                let (flags, index) = self.integer(4)?;
                let (name, _) = static_entry(flags & 0x10 != 0, index)?;
                Ok((Text::Static(name), self.text(7)?))
            }
            // Literal with a literal name (4.5.6): 0 0 1 N H length(3), name, value.
            first if first & 0x20 != 0 => Ok((self.text(3)?, self.text(7)?)),
            _ => Err(FieldSectionError::DynamicTable),
        }
    }
}

impl<'section> Iterator for Lines<'section> {
    type Item = Result<(Text<'section>, Text<'section>), FieldSectionError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line();
        if line.is_err() {
            self.rest = &[];
        }
        Some(line)
    }
}

fn static_entry(is_static: bool, index: u64) -> Result<(&'static str, &'static str), FieldSectionError> {
    if !is_static {
        return Err(FieldSectionError::DynamicTable);
    }
    STATIC_TABLE.get(index as usize).copied().ok_or(FieldSectionError::UnknownIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_status(section: &[u8], expected: Result<u16, FieldSectionError>) {
        assert_eq!(status(section), expected, "{section:02x?}");
    }

    #[test]
    fn status_is_read_in_every_representation() {
        check_status(&[0, 0, 0xd9], Ok(200));
        check_status(&[0, 0, 0xff, 0x02], Ok(206));
        check_status(&[0, 0, 0x5f, 0x09, 0x03, b'2', b'0', b'7'], Ok(207));
        check_status(&[0, 0, 0x5f, 0x09, 0x82, 0x64, 0x02], Ok(302));
        check_status(b"\0\0\x27\x00:status\x03200", Ok(200));
    }

    #[test]
    fn malformed_sections_are_errors() {
        check_status(&[], Err(FieldSectionError::Truncated));
        check_status(&[0, 0], Err(FieldSectionError::Status));
        check_status(&[1, 0, 0xd9], Err(FieldSectionError::DynamicTable));
        check_status(&[0, 0, 0x80], Err(FieldSectionError::DynamicTable));
        check_status(&[0, 0, 0xff, 0x7f], Err(FieldSectionError::UnknownIndex));
        check_status(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Err(FieldSectionError::Integer));
        check_status(&[0, 0, 0x5f, 0x09, 0x05, b'2'], Err(FieldSectionError::Truncated));
        check_status(&[0, 0, 0x5f, 0x09, 0x02, b'2', b'0'], Err(FieldSectionError::Status));
        check_status(&[0, 0, 0xd1], Err(FieldSectionError::Status));
    }

    #[test]
    fn fields_come_with_names_and_values() {
        let section = [&[0, 0, 0xd9, 0x54, 0x04][..], b"1024", &[0x23], b"age", &[0x01], b"7"].concat();
        let expected = [(":status", "200"), ("content-length", "1024"), ("age", "7")];
        let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(fields(&section), Ok(expected));
    }

    #[test]
    fn any_truncation_is_an_error_or_a_shorter_section() {
        let section = b"\0\0\xd9\x54\x041024\x23age\x017";
        for end in 0..section.len() {
            assert!(fields(&section[..end]).is_err() || fields(&section[..end]).is_ok_and(|found| found.len() < 3));
        }
    }
}
