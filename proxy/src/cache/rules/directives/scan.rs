//! Walks the comma-separated directives of one Cache-Control line (RFC 9111 section 5.2), without allocating.
//!
//! Tolerant as deployed servers demand: empty elements are skipped, anything unparsable becomes an argument that is
//! [`Argument::Malformed`], and a quoted string may hide commas.

use super::{Seconds, delta_seconds};

/// One directive: its name as written and its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: Argument<'a>,
}

/// What follows the name of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    /// Nothing.
    None,
    /// A token, or whatever else stood there without quotes.
    Token(&'a [u8]),
    /// The inside of a quoted string, with its escapes.
    Quoted(&'a [u8]),
    /// White space around the equals sign, an open quote, or text after the closing one.
    Malformed,
}

impl<'a> Directive<'a> {
    /// Whether it has this name, in any case (RFC 9111 section 5.2).
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Its argument as seconds; both token and quoted form are accepted (RFC 9111 section 5.2).
    pub(super) fn seconds(&self) -> Seconds {
        match self.argument {
            Argument::Token(text) | Argument::Quoted(text) => {
                delta_seconds(text).map_or(Seconds::Invalid, Seconds::Valid)
            }
            Argument::None | Argument::Malformed => Seconds::Invalid,
        }
    }
}

/// The directives of one field line.
pub(super) fn directives(line: &[u8]) -> impl Iterator<Item = Directive<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let end = element_end(rest);
            let element = rest[..end].trim_ascii();
            rest = rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(split(element));
            }
        }
    })
}

/// Where the next comma outside of a quoted string stands, or the end.
fn element_end(text: &[u8]) -> usize {
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

fn split(element: &[u8]) -> Directive<'_> {
    let Some(equals) = element.iter().position(|byte| *byte == b'=') else {
        return Directive { name: element, argument: Argument::None };
    };
    let (name, value) = (&element[..equals], &element[equals + 1..]);
    let spaced = name.trim_ascii_end().len() != name.len() || value.trim_ascii_start().len() != value.len();
    let argument = if spaced { Argument::Malformed } else { argument(value) };
    Directive { name: name.trim_ascii_end(), argument }
}

fn argument(value: &[u8]) -> Argument<'_> {
    match value {
        [b'"', inner @ .., b'"'] if element_is_one_string(inner) => Argument::Quoted(inner),
        [b'"', ..] => Argument::Malformed,
        _ => Argument::Token(value),
    }
}

/// Whether no unescaped quote stands inside and the last character is not an escape of the closing quote.
fn element_is_one_string(inner: &[u8]) -> bool {
    let mut escaped = false;
    for byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}
