//! Where a request's header section ends, whether it is within the limits, and how its body is framed.
//!
//! Owns bounds only: Pingora parses and judges the request. What is called complete here is complete or invalid for
//! its parser too, which accepts a bare LF as line end (RFC 9112 section 2.2), so that it never waits for more.

use memchr::{memchr, memrchr};
use tidegate_config::model::Limits;

use crate::listener::client_stream::BodyFraming;
use crate::listener::refusal::RequestRefusal;

/// Of a request line, what is not its target: the longest registered method (17 letters), the version, spaces, and
/// room for methods that nobody registered.
const METHOD_AND_VERSION: usize = 64;

/// What a field line holds besides name and value: a colon, a space and the line end.
const FIELD_SEPARATORS: usize = 4;

/// What is known of the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// More is needed.
    Partial,
    /// Whole in the first `length` bytes.
    Complete { length: usize, framing: BodyFraming },
    /// Exceeds a limit.
    Refused(RequestRefusal),
}

/// Bytes of empty lines in front of a request, which are to be ignored (RFC 9112 section 2.2).
pub(super) fn leading_empty_lines(bytes: &[u8]) -> usize {
    let mut skipped = 0;
    loop {
        match &bytes[skipped..] {
            [b'\n', ..] => skipped += 1,
            [b'\r', b'\n', ..] => skipped += 2,
            _ => return skipped,
        }
    }
}

/// Looks at a request from its first byte.
pub(super) fn examine(bytes: &[u8], limits: &Limits) -> Head {
    let target_limit = limits.target_bytes.as_usize();
    let Some(line_end) = memchr(b'\n', bytes) else {
        return partial_unless(
            bytes.len().saturating_sub(METHOD_AND_VERSION) > target_limit,
            RequestRefusal::TargetTooLong,
        );
    };
    if target_length(&bytes[..line_end]) > target_limit {
        return Head::Refused(RequestRefusal::TargetTooLong);
    }
    let fields = &bytes[line_end + 1..];
    match examine_fields(fields, limits) {
        Head::Complete { length, framing } => Head::Complete { length: line_end + 1 + length, framing },
        other => other,
    }
}

fn partial_unless(exceeded: bool, refusal: RequestRefusal) -> Head {
    if exceeded { Head::Refused(refusal) } else { Head::Partial }
}

/// Between the first and the last space of a request line; all of a line without two.
fn target_length(line: &[u8]) -> usize {
    match (memchr(b' ', line), memrchr(b' ', line)) {
        (Some(first), Some(last)) if first < last => last - first - 1,
        _ => line.len(),
    }
}

fn examine_fields(fields: &[u8], limits: &Limits) -> Head {
    let most = limits.header_bytes.as_usize();
    let (mut position, mut count) = (0, 0);
    let mut framing = BodyFraming::None;
    let (mut has_length, mut has_coding) = (false, false);
    while let Some(line_end) = memchr(b'\n', &fields[position..]) {
        let line = &fields[position..position + line_end];
        position += line_end + 1;
        if matches!(line, [] | [b'\r']) {
            return Head::Complete { length: position, framing };
        }
        count += 1;
        if count > limits.header_count || position.saturating_sub(count * FIELD_SEPARATORS) > most {
            return Head::Refused(RequestRefusal::FieldsTooLarge);
        }
        framing = framing_after(framing, line);
        has_length |= value_of(line, b"content-length").is_some();
        has_coding |= value_of(line, b"transfer-encoding").is_some();
        if has_length && has_coding {
            return Head::Refused(RequestRefusal::AmbiguousFraming);
        }
    }
    partial_unless(fields.len().saturating_sub((count + 1) * FIELD_SEPARATORS) > most, RequestRefusal::FieldsTooLarge)
}

/// How the body is framed once this field line counts as well. Transfer-Encoding overrides Content-Length (RFC 9112
/// section 6.3).
fn framing_after(framing: BodyFraming, line: &[u8]) -> BodyFraming {
    if framing == BodyFraming::Chunked {
        return framing;
    }
    match line.first() {
        Some(b't' | b'T') if value_of(line, b"transfer-encoding").is_some() => BodyFraming::Chunked,
        Some(b'c' | b'C') => value_of(line, b"content-length").map_or(framing, content_length),
        _ => framing,
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// A length that cannot be read is Pingora's to refuse; nothing is assumed of such a body.
fn content_length(value: &[u8]) -> BodyFraming {
    let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
    match std::str::from_utf8(first.trim_ascii()).ok().and_then(|digits| digits.parse().ok()) {
        Some(0) => BodyFraming::None,
        Some(length) => BodyFraming::Length(length),
        None => BodyFraming::Chunked,
    }
}

#[cfg(test)]
mod tests;
