//! The canonical path: one spelling for every path that RFC 3986 section 6.2.2 calls equivalent, and, beyond it,
//! for paths that differ in empty segments only.
//!
//! - Escapes of unreserved characters are decoded; all others stay, with upper-case digits. So `%2F` stays and
//!   never separates segments, and `%25` stays, so that nothing is ever decoded twice.
//! - Bytes that a path may not contain raw (`{`, `|`, those above ASCII) are escaped. A backslash is one of them: it
//!   is data, never a separator.
//! - Empty segments are merged first, then `.` and `..` are removed, also those written as `%2e`.
//! - Refused: broken escapes, control characters raw or escaped, `?` and `#`, and a `..` above the root, which an
//!   origin might follow.
//!
//! It does not know queries; those stay as sent.

use std::borrow::Cow;
use std::fmt;

const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// A path in canonical form: ASCII, starting with a slash. Equivalent paths are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalPath<'a>(Cow<'a, str>);

/// Why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Neither empty nor starting with a slash, as in `*`.
    #[error("path does not start with '/'")]
    NotAbsolute,
    /// A percent sign without two hexadecimal digits.
    #[error("path contains a percent sign without two hexadecimal digits")]
    InvalidEscape,
    /// A control character, raw or escaped.
    #[error("path contains a control character")]
    ControlCharacter,
    /// A raw `?` or `#`, which end a path.
    #[error("path contains a raw '?' or '#'")]
    Delimiter,
    /// More `..` than segments to leave.
    #[error("path leads above the root")]
    AboveRoot,
}

impl<'a> CanonicalPath<'a> {
    /// Brings a path, without its query, into canonical form. An empty one is `/` (RFC 9110 section 4.2.3).
    pub fn parse<T: AsRef<[u8]> + ?Sized>(raw_path: &'a T) -> Result<Self, PathError> {
        let raw = raw_path.as_ref();
        if let Some(text) = as_canonical(raw) {
            return Ok(Self(Cow::Borrowed(text)));
        }
        match raw.first() {
            None => Ok(Self(Cow::Borrowed("/"))),
            Some(b'/') => normalise(raw).map(|text| Self(Cow::Owned(text))),
            Some(_) => Err(PathError::NotAbsolute),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the client wrote the path in this very form, so that the origin sees the same bytes as the cache key.
    #[must_use]
    pub fn is_as_sent(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The same path without ties to the request.
    #[must_use]
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath(Cow::Owned(self.0.into_owned()))
    }

    /// The path as an owned text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The path itself when nothing about it has to change; `None` also for invalid ones.
fn as_canonical(raw: &[u8]) -> Option<&str> {
    let segments = raw.strip_prefix(b"/")?;
    let mut segment_start = 0;
    let mut position = 0;
    while let Some(byte) = segments.get(position) {
        match *byte {
            byte if is_path_character(byte) => position += 1,
            b'/' => {
                if is_removed(&segments[segment_start..position]) {
                    return None;
                }
                segment_start = position + 1;
                position += 1;
            }
            b'%' => {
                let kept = canonical_escape(segments.get(position + 1..position + 3)?);
                if !kept {
                    return None;
                }
                position += 3;
            }
            _ => return None,
        }
    }
    let last = &segments[segment_start..];
    if !last.is_empty() && is_removed(last) {
        return None;
    }
    str::from_utf8(raw).ok()
}

/// Whether a segment vanishes when another follows.
fn is_removed(segment: &[u8]) -> bool {
    matches!(segment, b"" | b"." | b"..")
}

fn canonical_escape(digits: &[u8]) -> bool {
    let upper_case = digits.iter().all(|digit| HEX_DIGITS.contains(digit));
    upper_case && decode(digits).is_ok_and(|byte| !is_unreserved(byte) && !byte.is_ascii_control())
}

fn normalise(raw: &[u8]) -> Result<String, PathError> {
    let mut output = String::with_capacity(raw.len());
    let mut segments = raw.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let start = output.len();
        output.push('/');
        append_segment(&mut output, segment)?;
        match &output[start..] {
            // The last empty or single-dot segment leaves the slash in front of it, as RFC 3986 section 5.2.4 does.
            "/" | "/." => output.truncate(start),
            "/.." => {
                output.truncate(start);
                let parent = output.rfind('/').ok_or(PathError::AboveRoot)?;
                output.truncate(parent);
            }
            _ => continue,
        }
        if is_last {
            output.push('/');
        }
    }
    Ok(output)
}

fn append_segment(output: &mut String, segment: &[u8]) -> Result<(), PathError> {
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits =
                    [bytes.next().ok_or(PathError::InvalidEscape)?, bytes.next().ok_or(PathError::InvalidEscape)?];
                match decode(&digits)? {
                    decoded if decoded.is_ascii_control() => return Err(PathError::ControlCharacter),
                    decoded if is_unreserved(decoded) => output.push(char::from(decoded)),
                    decoded => push_escape(output, decoded),
                }
            }
            b'?' | b'#' => return Err(PathError::Delimiter),
            _ if byte.is_ascii_control() => return Err(PathError::ControlCharacter),
            _ if is_path_character(byte) => output.push(char::from(byte)),
            _ => push_escape(output, byte),
        }
    }
    Ok(())
}

fn push_escape(output: &mut String, byte: u8) {
    output.push('%');
    output.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
    output.push(char::from(HEX_DIGITS[usize::from(byte & 0x0f)]));
}

fn decode(digits: &[u8]) -> Result<u8, PathError> {
    let [high, low] = digits else { return Err(PathError::InvalidEscape) };
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match (value(*high), value(*low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathError::InvalidEscape),
    }
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What a segment may contain raw: `pchar` without escapes (RFC 3986 section 3.3). Looked up, as every byte of every
/// request's path is.
fn is_path_character(byte: u8) -> bool {
    const TABLE: [bool; 256] = path_characters();
    TABLE[usize::from(byte)]
}

const fn path_characters() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_unreserved(byte as u8)
            || matches!(
                byte as u8,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
            );
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests;
