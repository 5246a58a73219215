//! Where a request's header section ends, whether it is within the limits, and how its body is framed.
//!
//! Owns bounds; `grammar` judges what is within them. What is called complete here is complete or invalid for
//! Pingora's parser too, so that it never waits for more.

use memchr::{memchr, memrchr};
use tidegate_config::model::Limits;

use super::grammar;
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
    /// Whole in the first `length` bytes. Where there is no body and the request line is plain, its words are told apart.
    Complete { length: usize, framing: BodyFraming, plain: Option<PlainLine> },
    /// Exceeds a limit.
    Refused(RequestRefusal),
}

/// Where the words of a plain request line are. It begins with the method, and the target is behind the space after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainLine {
    pub(super) method: usize,
    pub(super) target: usize,
    /// With its line end.
    pub(super) length: usize,
}

/// Empty lines in front of a request that are ignored (RFC 9112 section 2.2 asks for one at least: old clients send one
/// after a body). More are not a request on its way.
const EMPTY_LINES: usize = 8;

/// Bytes of empty lines in front of a request, which are to be ignored.
pub(super) fn leading_empty_lines(bytes: &[u8]) -> usize {
    let lines = bytes.chunks_exact(2).take_while(|pair| *pair == b"\r\n");
    lines.count() * 2
}

/// Whether more empty lines were skipped in front of a request than are ignored.
pub(super) fn too_many_empty_lines(skipped: usize) -> bool {
    skipped > EMPTY_LINES * 2
}

/// Looks at a request from its first byte. The fields `known` were accepted before, with these limits, behind a plain
/// request line and without a body; nothing where none were.
pub(super) fn examine(bytes: &[u8], limits: &Limits, known: &[u8]) -> Head {
    if bytes.is_empty() {
        return Head::Partial; // between requests
    }
    let target_limit = limits.target_bytes.as_usize();
    let Some(line_end) = memchr(b'\n', bytes) else {
        return partial_unless(
            bytes.len().saturating_sub(METHOD_AND_VERSION) > target_limit,
            RequestRefusal::TargetTooLong,
        );
    };
    if line_end > target_limit && target_length(&bytes[..line_end]) > target_limit {
        return Head::Refused(RequestRefusal::TargetTooLong);
    }
    let line = match grammar::without_line_end(&bytes[..=line_end]).and_then(grammar::request_line) {
        Ok(line) => line,
        Err(refusal) => return Head::Refused(refusal),
    };
    let section = &bytes[line_end + 1..];
    let words = PlainLine { method: line.method.len(), target: line.target.len(), length: line_end + 1 };
    let plain = line.is_plain().then_some(words);
    if plain.is_some() && !known.is_empty() && section.starts_with(known) {
        // A section ends with its first empty line: the same bytes end at the same place and mean the same.
        return Head::Complete { length: line_end + 1 + known.len(), framing: BodyFraming::None, plain };
    }
    let length = match section_length(section, limits) {
        Ok(Some(length)) => length,
        Ok(None) => return Head::Partial,
        Err(refusal) => return Head::Refused(refusal),
    };
    match grammar::fields(&section[..length], line) {
        Ok(framing) => {
            let plain = plain.filter(|_| framing == BodyFraming::None);
            Head::Complete { length: line_end + 1 + length, framing, plain }
        }
        Err(refusal) => Head::Refused(refusal),
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

/// Bytes of the fields, the empty line behind them included, when all are there. A line that is not ended as it should
/// is refused at once: whether the section ends with it depends on who reads.
fn section_length(fields: &[u8], limits: &Limits) -> Result<Option<usize>, RequestRefusal> {
    let most = limits.header_bytes.as_usize();
    let (mut position, mut count) = (0, 0);
    while let Some(line_end) = memchr(b'\n', &fields[position..]) {
        let line = grammar::without_line_end(&fields[position..=position + line_end])?;
        position += line_end + 1;
        if line.is_empty() {
            return Ok(Some(position));
        }
        count += 1;
        if count > limits.header_count || position.saturating_sub(count * FIELD_SEPARATORS) > most {
            return Err(RequestRefusal::FieldsTooLarge);
        }
    }
    let exceeded = fields.len().saturating_sub((count + 1) * FIELD_SEPARATORS) > most;
    if exceeded { Err(RequestRefusal::FieldsTooLarge) } else { Ok(None) }
}

#[cfg(test)]
mod tests;
