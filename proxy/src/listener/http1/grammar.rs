//! Whether a header section is written as RFC 9112 says, and can be read in one way only.
//!
//! Owns the grammar of request line and fields and what frames the body. It is stricter than what parses afterwards,
//! on purpose: whatever two servers in a row might read differently ends here, before anybody is asked. It bounds
//! nothing (that is for `head`) and knows neither hosts nor routes.

use tidegate_config::field::is_token;

use crate::listener::client_stream::BodyFraming;
use crate::listener::refusal::RequestRefusal;

/// Fields without which the other side reads another request. Declared a connection option, they would be taken away
/// on the way (RFC 9110 section 7.6.1).
const INDISPENSABLE: [&[u8]; 3] = [b"host", b"content-length", b"transfer-encoding"];

/// Digits of a length that can be counted: `u64` has room for all numbers of 19.
const LENGTH_DIGITS: usize = 19;

/// HTTP/1.0 or HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// What a request line says that matters to the fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    version: Version,
    /// The authority of a target in absolute form.
    authority: Option<&'a [u8]>,
}

impl RequestLine<'_> {
    /// Whether it says nothing about the fields that another request line does not, and can be read at a glance: HTTP/1.1,
    /// and a target in origin form, of ASCII.
    pub(super) fn is_plain(&self) -> bool {
        self.version == Version::Http11 && self.target.starts_with(b"/") && self.target.is_ascii()
    }
}

/// Whether there is such a byte. There hardly ever is, so that all are looked at, several in one instruction.
fn has_any(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_such(*byte))
}

fn malformed<T>(why: &'static str) -> Result<T, RequestRefusal> {
    Err(RequestRefusal::Malformed(why))
}

/// Takes the line end off a line that ends with a line feed. The feed alone ends no line here: who waits for CRLF
/// would read on (RFC 9112 section 2.2 permits, and does not ask, to accept it).
pub(super) fn without_line_end(line: &[u8]) -> Result<&[u8], RequestRefusal> {
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(line),
        None => malformed("a line ends without a carriage return"),
    }
}

/// Reads a request line, its line end taken off (RFC 9112 section 3).
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, RequestRefusal> {
    let mut spaces = memchr::memchr_iter(b' ', line);
    let (method, target, version) = match (spaces.next(), spaces.next(), spaces.next()) {
        (Some(first), Some(second), None) => (&line[..first], &line[first + 1..second], &line[second + 1..]),
        // A whole request of HTTP/0.9 (RFC 1945 section 5).
        (Some(_), None, None) if line.starts_with(b"GET /") => return Err(RequestRefusal::UnsupportedVersion),
        _ => return malformed("the request line has not three words"),
    };
    if !is_token(method) {
        return malformed("the method is no token");
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(RequestRefusal::UnsupportedVersion);
        }
        _ => return malformed("the version is none"),
    };
    // RFC 3986 has no such bytes; a fragment is never sent (RFC 9110 section 7.1).
    if has_any(target, |byte| byte <= b' ' || byte == 0x7f || byte == b'#') {
        return malformed("the target contains what no target may");
    }
    Ok(RequestLine { method, target, version, authority: authority_of(method, target)? })
}

/// Which of the four forms the target has (RFC 9112 section 3.2), and the authority of an absolute one.
fn authority_of<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<&'a [u8]>, RequestRefusal> {
    match target {
        [b'/', ..] => Ok(None),
        b"*" if method == b"OPTIONS" => Ok(None),
        // Names a host and a port; that nobody is connected here is for later to say.
        _ if method == b"CONNECT" => Ok(None),
        _ => absolute_form(target).map(Some),
    }
}

fn absolute_form(target: &[u8]) -> Result<&[u8], RequestRefusal> {
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (found, rest) = target.split_at_checked(scheme.len())?;
        found.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else { return malformed("the target has none of the known forms") };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = &rest[..end];
    if authority.is_empty() || authority.contains(&b'@') {
        return malformed("the target's authority is no host");
    }
    Ok(authority)
}

/// What the fields say together.
#[derive(Debug)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
}

/// Reads the fields of a header section, the empty line at its end included, and tells how the body is framed.
pub(super) fn fields(section: &[u8], line: RequestLine<'_>) -> Result<BodyFraming, RequestRefusal> {
    let mut found = Fields { host: None, length: None, chunked: false };
    for field in section.split_inclusive(|byte| *byte == b'\n') {
        let field = without_line_end(field)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field_line(field)?;
        found.note(name, value, line.version)?;
    }
    check_host(found.host, line)?;
    match (found.length, found.chunked) {
        (Some(_), true) => Err(RequestRefusal::AmbiguousFraming),
        (_, true) => Ok(BodyFraming::Chunked),
        (None | Some(0), false) => Ok(BodyFraming::None),
        (Some(length), false) => Ok(BodyFraming::Length(length)),
    }
}

/// Splits a field line (RFC 9112 section 5). A line that begins with white space would continue the one before it
/// (section 5.2), and has no name here.
pub(super) fn field_line(line: &[u8]) -> Result<(&[u8], &[u8]), RequestRefusal> {
    let Some(colon) = memchr::memchr(b':', line) else { return malformed("a field line has no colon") };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return malformed("a field name is no token");
    }
    if has_any(value, |byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return malformed("a field value contains a control byte");
    }
    Ok((name, trim(value)))
}

impl<'a> Fields<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8], version: Version) -> Result<(), RequestRefusal> {
        if name.eq_ignore_ascii_case(b"host") {
            if self.host.replace(value).is_some() {
                return malformed("there are two Host fields");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.replace(content_length(value)?).is_some() {
                return malformed("there are two lengths");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return malformed("there are two Transfer-Encoding fields");
            }
            check_coding(value, version)?;
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            let mut options = value.split(|byte| *byte == b',').map(trim);
            if options.any(|option| INDISPENSABLE.iter().any(|name| option.eq_ignore_ascii_case(name))) {
                return malformed("Connection names a field that is needed");
            }
        }
        Ok(())
    }
}

/// One number in plain digits. Signs, lists and leading zeros are read differently by different servers; RFC 9110
/// section 8.6 lets a list of equal numbers be refused.
fn content_length(value: &[u8]) -> Result<u64, RequestRefusal> {
    match plain_length(value) {
        Some(length) => Ok(length),
        None => malformed("Content-Length is no number"),
    }
}

/// A length as every server reads it.
pub(in crate::listener) fn plain_length(value: &[u8]) -> Option<u64> {
    let plain = value == b"0" || matches!(value, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    let countable = plain && value.len() <= LENGTH_DIGITS;
    countable.then(|| value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// `chunked`, once and alone: no other coding is offered here (RFC 9112 sections 6.1 and 7).
fn check_coding(value: &[u8], version: Version) -> Result<(), RequestRefusal> {
    if version == Version::Http10 {
        return malformed("HTTP/1.0 has no Transfer-Encoding");
    }
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(trim);
    let last_is_chunked = codings.next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    if last_is_chunked && codings.all(|coding| is_token(coding) && !coding.eq_ignore_ascii_case(b"chunked")) {
        return Err(RequestRefusal::UnsupportedCoding);
    }
    malformed("where the body ends cannot be told from Transfer-Encoding")
}

/// One Host on HTTP/1.1 and beside an absolute target, the same as there (RFC 9112 section 3.2). The target would win (section
/// 3.2.2), but who sends two names wants them to be read by two servers.
fn check_host(host: Option<&[u8]>, line: RequestLine<'_>) -> Result<(), RequestRefusal> {
    match (host, line.authority) {
        (None, None) if line.version == Version::Http10 => Ok(()),
        (None, _) => malformed("there is no Host field"),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            malformed("Host disagrees with the target")
        }
        _ => Ok(()),
    }
}

/// Without the optional white space around (RFC 9110 section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
