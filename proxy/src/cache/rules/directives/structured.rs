//! Targeted fields (RFC 9213): Cache-Control directives written as a Structured Fields dictionary (RFC 9651).
//!
//! A field that does not parse is ignored as a whole, as is an empty one; the next of the list is tried then. Only the
//! part of Structured Fields that decides validity lives here: values of other types than a directive takes are
//! skipped over and dropped.

use http::{HeaderMap, HeaderName};

use super::response::{DirectiveSource, FieldScope, ResponseDirectives, field_names};
use super::{MAX_DELTA_SECONDS, Seconds};

/// Longest integer and longest integer part of a decimal (RFC 9651 sections 3.3.1 and 3.3.2).
const INTEGER_DIGITS: usize = 15;
const DECIMAL_INTEGER_DIGITS: usize = 12;
const DECIMAL_FRACTION_DIGITS: usize = 3;

/// The directives of a targeted field; nothing when it is absent, empty or malformed.
pub(super) fn parse(headers: &HeaderMap, name: &HeaderName) -> Option<ResponseDirectives> {
    let mut directives = ResponseDirectives { source: DirectiveSource::Targeted, ..ResponseDirectives::default() };
    let mut members = 0;
    // RFC 9651 section 4.2 joins lines by commas, so that an empty one would void the field; here it is skipped.
    for line in headers.get_all(name) {
        let mut reader = Reader { rest: line.as_bytes().trim_ascii() };
        while !reader.rest.is_empty() {
            let key = reader.key()?;
            let value = if reader.take(b'=') { reader.member()? } else { Value::Boolean(true) };
            reader.parameters()?;
            apply(&mut directives, key, &value);
            members += 1;
            reader.separator()?;
        }
    }
    if members == 0 { None } else { Some(directives) }
}

/// A value, as far as directives care.
#[derive(Debug, PartialEq, Eq)]
enum Value<'a> {
    Boolean(bool),
    Integer(i64),
    /// The inside of a string, escapes included.
    Text(&'a [u8]),
    Other,
}

/// Sets a directive; of duplicates the last counts (RFC 9651 section 4.2.2). A value of the wrong type leaves the
/// directive unset, also where an earlier one had set it (RFC 9213 section 2.1).
fn apply(directives: &mut ResponseDirectives, key: &[u8], value: &Value<'_>) {
    let flag = |slot: &mut bool| *slot = *value == Value::Boolean(true);
    let number = |slot: &mut Option<Seconds>| {
        *slot = match value {
            Value::Integer(stated) => Some(seconds(*stated)),
            _ => None,
        };
    };
    match key {
        b"max-age" => number(&mut directives.max_age),
        b"s-maxage" => number(&mut directives.s_maxage),
        b"stale-while-revalidate" => number(&mut directives.stale_while_revalidate),
        b"stale-if-error" => number(&mut directives.stale_if_error),
        b"no-store" => flag(&mut directives.no_store),
        b"public" => flag(&mut directives.public),
        b"must-revalidate" => flag(&mut directives.must_revalidate),
        b"proxy-revalidate" => flag(&mut directives.proxy_revalidate),
        b"must-understand" => flag(&mut directives.must_understand),
        b"no-transform" => flag(&mut directives.no_transform),
        b"immutable" => flag(&mut directives.immutable),
        b"no-cache" => scope(&mut directives.no_cache, value),
        b"private" => scope(&mut directives.private, value),
        _ => {}
    }
}

fn seconds(stated: i64) -> Seconds {
    match u64::try_from(stated) {
        Ok(number) => Seconds::Valid(std::time::Duration::from_secs(number.min(MAX_DELTA_SECONDS))),
        Err(_) => Seconds::Invalid,
    }
}

fn scope(slot: &mut FieldScope, value: &Value<'_>) {
    match value {
        Value::Boolean(true) => *slot = FieldScope::Whole,
        Value::Text(list) => *slot = field_names(list).map_or(FieldScope::Whole, FieldScope::Fields),
        Value::Boolean(false) | Value::Integer(_) | Value::Other => *slot = FieldScope::Absent,
    }
}

/// Reads along a field line. Every method returns nothing where the syntax is broken, and never goes back.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, expected: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == expected => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|byte| accepts(**byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// RFC 9651 section 3.1.2.
    fn key(&mut self) -> Option<&'a [u8]> {
        if !matches!(self.rest.first(), Some(b'a'..=b'z' | b'*')) {
            return None;
        }
        let inside =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*');
        Some(self.take_while(inside))
    }

    /// What ends a member: a comma with another member after it, or the end.
    fn separator(&mut self) -> Option<()> {
        let blank = |byte: u8| matches!(byte, b' ' | b'\t');
        self.take_while(blank);
        if self.rest.is_empty() {
            return Some(());
        }
        if !self.take(b',') {
            return None;
        }
        self.take_while(blank);
        if self.rest.is_empty() { None } else { Some(()) }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.take_while(|byte| byte == b' ');
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn member(&mut self) -> Option<Value<'a>> {
        if self.take(b'(') { self.inner_list() } else { self.item() }
    }

    fn inner_list(&mut self) -> Option<Value<'a>> {
        loop {
            self.take_while(|byte| byte == b' ');
            if self.take(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Value<'a>> {
        match self.rest.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => self.boolean(),
            b':' => self.bytes(),
            b'@' => {
                self.take(b'@');
                match self.number()? {
                    Value::Integer(_) => Some(Value::Other),
                    _ => None,
                }
            }
            b'%' => {
                self.take(b'%');
                match self.string()? {
                    Value::Text(text) if is_display_text(text) => Some(Value::Other),
                    _ => None,
                }
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.take_while(is_token_character);
                Some(Value::Other)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let negative = self.take(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > INTEGER_DIGITS {
            return None;
        }
        if self.take(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit()).len();
            let fits = digits.len() <= DECIMAL_INTEGER_DIGITS && (1..=DECIMAL_FRACTION_DIGITS).contains(&fraction);
            return fits.then_some(Value::Other);
        }
        let magnitude = digits.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Value::Integer(if negative { -magnitude } else { magnitude }))
    }

    fn string(&mut self) -> Option<Value<'a>> {
        if !self.take(b'"') {
            return None;
        }
        let mut index = 0;
        loop {
            match self.rest.get(index)? {
                b'"' => break,
                b'\\' if matches!(self.rest.get(index + 1), Some(b'"' | b'\\')) => index += 2,
                b'\\' | 0..=0x1f | 0x7f.. => return None,
                _ => index += 1,
            }
        }
        let inside = &self.rest[..index];
        self.rest = &self.rest[index + 1..];
        Some(Value::Text(inside))
    }

    fn boolean(&mut self) -> Option<Value<'a>> {
        self.take(b'?');
        if self.take(b'1') {
            Some(Value::Boolean(true))
        } else if self.take(b'0') {
            Some(Value::Boolean(false))
        } else {
            None
        }
    }

    fn bytes(&mut self) -> Option<Value<'a>> {
        self.take(b':');
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.take(b':').then_some(Value::Other)
    }
}

/// Whether a string can be that of a Display String: what is escaped is UTF-8, in lower case (RFC 9651 section 4.2.10).
fn is_display_text(text: &[u8]) -> bool {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hexadecimal = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let [high, low, after @ ..] = rest else { return false };
        let (Some(high), Some(low)) = (hexadecimal(high), hexadecimal(low)) else { return false };
        bytes.push(high << 4 | low);
        rest = after;
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// RFC 9651 section 3.3.4: token characters of RFC 9110, colon and slash.
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}
