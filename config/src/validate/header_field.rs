//! Names and values of header fields that an operator may change.

use http::HeaderName;

use crate::source::{Place, Report};

/// Fields that frame a message or are for one connection alone (RFC 9110 sections 7.6.1 and 11.7): this node makes them
/// anew on each connection, so that no change of a route can turn one message into two.
const OF_THE_CONNECTION: [&str; 13] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

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
    } else if OF_THE_CONNECTION.contains(&name.as_str()) || of_direction.contains(&name.as_str()) {
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

/// Whether a text is a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}
