//! The grammar of CMCD (CTA-5004 section 3.2): a list of keys with typed values, a small part of Structured Fields.
//!
//! Owns where members begin and end and what type a value has. What a key means is not known here.

use std::borrow::Cow;

/// Longest integer (RFC 9651 section 3.3.1).
const INTEGER_DIGITS: usize = 15;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A key alone is true.
    Boolean(bool),
    /// Of zero or more.
    Integer(u64),
    /// Without quotes and escapes.
    String(Cow<'a, [u8]>),
    /// A word.
    Token(&'a [u8]),
    /// Anything else.
    Other,
}

/// The members of a list in order. What has no key is left out.
pub(super) fn members(text: &[u8]) -> impl Iterator<Item = (&[u8], Item<'_>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest.take()?;
        let end = end_of_member(current);
        rest = current.get(end + 1..);
        Some(&current[..end])
    })
    .filter_map(member)
}

/// Where the next comma outside of strings is, or the text ends.
fn end_of_member(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

fn member(text: &[u8]) -> Option<(&[u8], Item<'_>)> {
    let text = text.trim_ascii();
    let equals = text.iter().position(|byte| *byte == b'=');
    let (key, item) = match equals {
        Some(equals) => (&text[..equals], value(&text[equals + 1..])),
        None => (text, Item::Boolean(true)),
    };
    (!key.is_empty()).then_some((key, item))
}

fn value(text: &[u8]) -> Item<'_> {
    match text {
        b"?1" => Item::Boolean(true),
        b"?0" => Item::Boolean(false),
        [b'"', ..] => string(text).map_or(Item::Other, Item::String),
        [b'0'..=b'9', ..] => integer(text).map_or(Item::Other, Item::Integer),
        [b'a'..=b'z' | b'A'..=b'Z' | b'*', rest @ ..] if rest.iter().all(is_token_character) => Item::Token(text),
        _ => Item::Other,
    }
}

fn integer(text: &[u8]) -> Option<u64> {
    let digits = text.len() <= INTEGER_DIGITS && text.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// The inside of a string (RFC 9651 section 3.3.3): visible ASCII and spaces, with `\"` and `\\` for quote and backslash.
fn string(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inside.iter().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\')) {
        return Some(Cow::Borrowed(inside));
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.push(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            b'"' => return None,
            0x20..=0x7e => plain.push(*byte),
            _ => return None,
        }
    }
    Some(Cow::Owned(plain))
}

/// `tchar`, colon and slash (RFC 9651 section 3.3.4).
fn is_token_character(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(byte)
}
