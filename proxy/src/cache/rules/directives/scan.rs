//! Walks the comma-separated directives of one Cache-Control line (RFC 9111 section 5.2), without allocating.
//!
//! Tolerant as deployed servers demand: empty elements are skipped, a quoted string may hide commas, and where an element
//! is broken (a missing comma, a semicolon in its place, a quote that never closes) every word of it counts as a
//! directive with an argument that is [`Argument::Malformed`]. Such an argument tightens and never loosens, so that no
//! slip of an origin makes a cache keep what it was told not to.

use tidegate_config::field::is_token_byte;

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
    /// A token, or nothing behind an equals sign.
    Token(&'a [u8]),
    /// The inside of a quoted string, with its escapes.
    Quoted(&'a [u8]),
    /// Anything else: white space around the equals sign, an open quote, words without a comma between them.
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
pub(super) fn directives(line: &[u8]) -> Directives<'_> {
    Directives { rest: line, broken: &[], quotes: true }
}

/// Walks a line.
pub(super) struct Directives<'a> {
    rest: &'a [u8],
    /// What is left of a broken element.
    broken: &'a [u8],
    /// Whether quotes still mean something: not behind one that never closes.
    quotes: bool,
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        loop {
            if let Some(word) = self.broken_word() {
                return Some(Directive { name: word, argument: Argument::Malformed });
            }
            if self.rest.is_empty() {
                return None;
            }
            let end = self.element_end();
            let element = self.rest[..end].trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            match split(element) {
                Some(directive) => return Some(directive),
                None => self.broken = element,
            }
        }
    }
}

impl<'a> Directives<'a> {
    /// The next word of a broken element.
    fn broken_word(&mut self) -> Option<&'a [u8]> {
        let start = self.broken.iter().position(|byte| is_token_byte(*byte))?;
        let (word, rest) = token(&self.broken[start..]);
        self.broken = rest;
        Some(word)
    }

    /// Where the next comma outside of a quoted string stands, or the end.
    fn element_end(&mut self) -> usize {
        let mut open = None;
        let mut escaped = false;
        for (index, byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if open.is_some() => escaped = true,
                b'"' if self.quotes => open = if open.is_some() { None } else { Some(index) },
                b',' if open.is_none() => return index,
                _ => {}
            }
        }
        // A string that never closes hides nothing.
        let Some(quote) = open else { return self.rest.len() };
        self.quotes = false;
        self.rest[quote..].iter().position(|byte| *byte == b',').map_or(self.rest.len(), |comma| quote + comma)
    }
}

/// Splits a token off the front.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| is_token_byte(**byte)).count())
}

/// An element as a directive; nothing when it is empty or broken.
fn split(element: &[u8]) -> Option<Directive<'_>> {
    let (name, rest) = token(element);
    if name.is_empty() {
        return None;
    }
    let argument = match rest {
        [] => Argument::None,
        [b'=', b'"', inner @ .., b'"'] if is_one_string(inner) => Argument::Quoted(inner),
        [b'=', value @ ..] if token(value).1.is_empty() => Argument::Token(value),
        _ => return None,
    };
    Some(Directive { name, argument })
}

/// Whether no unescaped quote stands inside and the last character is not an escape of the closing quote.
fn is_one_string(inner: &[u8]) -> bool {
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
