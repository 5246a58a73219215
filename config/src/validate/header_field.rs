//! Names and values of header fields that an operator may change.

use http::HeaderName;

use crate::field::is_of_connection;
use crate::source::{Place, Report};

/// Fields of requests that the cache asks by, and those that tell who has passed a request on: RFC 8586 section 2 asks
/// that customers of a CDN cannot take them away.
const OF_REQUESTS: [&str; 9] = [
    "cdn-loop",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "via",
];

/// Fields of responses that say which bytes follow.
const OF_RESPONSES: [&str; 1] = ["content-range"];

/// Which messages a field is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// What an origin gets.
    Request,
    /// What a client gets.
    Response,
}

/// Reads the name of a field, telling when it is none or not to be changed.
pub(super) fn field_name(
    text: &str,
    direction: Direction,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<HeaderName> {
    let name = any_field_name(text, place, report)?;
    let of_direction: &[&str] = match direction {
        Direction::Request => &OF_REQUESTS,
        Direction::Response => &OF_RESPONSES,
    };
    let expected = if direction == Direction::Request && name == "host" {
        "another field: which host an origin gets is said by `host` of its pool"
    } else if is_of_connection(&name) || of_direction.contains(&name.as_str()) {
        "another field: this node makes that one itself"
    } else {
        return Some(name);
    };
    report.at(place, expected);
    None
}

/// Reads the name of any field.
pub(super) fn any_field_name(text: &str, place: &Place<'_>, report: &mut Report) -> Option<HeaderName> {
    let name = text.parse().ok();
    if name.is_none() {
        report.at(place, "the name of a header field (RFC 9110 section 5.1)");
    }
    name
}

/// Whether a text may stand in the value of a field (RFC 9110 section 5.5).
pub(super) fn is_field_text(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}
