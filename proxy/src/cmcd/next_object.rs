//! What a player will ask for next: `nor` and `nrr`.
//!
//! Owns that it names something on the same host and nothing else. Whether it is fetched is decided elsewhere.

/// Longest reference believed. Paths of media rarely have more than some hundred bytes.
const MAX_REFERENCE: usize = 1024;

/// Digits of a position: more than any object has bytes.
const MAX_DIGITS: usize = 15;

/// The object of the next request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextObject {
    /// Its reference relative to what is asked for now (RFC 3986 section 4.2): a path with or without a query, never a
    /// scheme, host or fragment; ASCII, without percent-encoding of its own taken off. Absent: the same object.
    pub reference: Option<String>,
    /// The part of it.
    pub range: Option<NextRange>,
}

/// `nrr`: bytes of the next object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRange {
    /// From a first byte to a last one, both counted.
    Between(u64, u64),
    /// From a byte to the end.
    From(u64),
    /// The last bytes.
    Suffix(u64),
}

impl NextRange {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        match (position(&text[..dash])?, position(&text[dash + 1..])?) {
            (Some(first), Some(last)) if first <= last => Some(Self::Between(first, last)),
            (Some(first), None) => Some(Self::From(first)),
            (None, Some(length)) if length > 0 => Some(Self::Suffix(length)),
            _ => None,
        }
    }

    /// The value of a `Range` field that asks for it (RFC 9110 section 14.2).
    #[must_use]
    pub fn to_range(self) -> String {
        match self {
            Self::Between(first, last) => format!("bytes={first}-{last}"),
            Self::From(first) => format!("bytes={first}-"),
            Self::Suffix(length) => format!("bytes=-{length}"),
        }
    }
}

/// A position that may be left out; `None` for what is none.
fn position(text: &[u8]) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.len() <= MAX_DIGITS && text.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(text).ok()?.parse().ok().map(Some) } else { None }
}

/// The reference in `nor`, which is percent-encoded once more within its string (CTA-5004 section 3.1).
pub(super) fn reference(text: &[u8]) -> Option<String> {
    if text.len() > 3 * MAX_REFERENCE {
        return None;
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(text).collect();
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(byte);
    let bounded = (1..=MAX_REFERENCE).contains(&decoded.len());
    if !bounded || !decoded.iter().all(plain) || decoded.starts_with(b"//") || names_a_scheme(&decoded) {
        return None;
    }
    String::from_utf8(decoded).ok()
}

/// Whether a colon stands in the first segment, as behind a scheme (RFC 3986 section 4.2).
fn names_a_scheme(reference: &[u8]) -> bool {
    reference.iter().find(|byte| b":/?".contains(byte)) == Some(&b':')
}
