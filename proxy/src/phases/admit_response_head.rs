//! Which heads of origins are believed.
//!
//! Owns the refusal of answers to what was not asked, and of framing that Pingora's client lets pass. What is refused
//! here becomes a 502 towards clients, and nothing of it is stored.

use http::{HeaderMap, Method, StatusCode, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};

/// Names and values of one response. Sites send one or two KiB, with large policies ten; what is stored keeps them in
/// memory.
const RESPONSE_FIELD_BYTES: usize = 64 << 10;

/// Fields that make a 304 an answer (RFC 9110 section 13.1).
const CONDITIONS: [header::HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// Who finds out whether a 206 brings the part that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Nobody else: its client would take it for that part.
    JudgedHere,
    /// The cache, for whose fill it is: it never takes another part, and asks plainly where it gets one.
    JudgedByCache,
}

/// Refuses a head that cannot be the answer to this request, or whose body could be read in two ways.
pub(super) fn admit_response_head(request: &RequestHeader, head: &ResponseHeader, parts: Parts) -> Result<()> {
    match flaw(&request.method, &request.headers, head.status, &head.headers, parts) {
        Some(why) => Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up()),
        None => Ok(()),
    }
}

fn flaw(
    method: &Method,
    asked: &HeaderMap,
    status: StatusCode,
    fields: &HeaderMap,
    parts: Parts,
) -> Option<&'static str> {
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > RESPONSE_FIELD_BYTES {
        return Some("the header section of the response is too large");
    }
    if status.as_u16() > 599 {
        return Some("a status that is none"); // RFC 9110 section 15
    }
    if fields.get_all(header::CONTENT_LENGTH).iter().count() > 1
        || fields.get(header::CONTENT_LENGTH).is_some_and(is_list)
    {
        return Some("several lengths of one response");
    }
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let coded = codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if coded || codings.next().is_some() {
        return Some("a transfer coding that was not asked for"); // RFC 9112 section 7
    }
    match status {
        StatusCode::NOT_MODIFIED if !CONDITIONS.iter().any(|name| asked.contains_key(name)) => {
            Some("304 to a request without a condition")
        }
        StatusCode::PARTIAL_CONTENT if parts == Parts::JudgedByCache && asked.contains_key(header::RANGE) => None,
        StatusCode::PARTIAL_CONTENT => partial_flaw(method, asked, fields),
        _ => None,
    }
}

fn is_list(value: &header::HeaderValue) -> bool {
    value.as_bytes().contains(&b',')
}

/// A 206 answers a range that was asked for and says which it is (RFC 9110 section 15.3.7).
fn partial_flaw(method: &Method, asked: &HeaderMap, fields: &HeaderMap) -> Option<&'static str> {
    let Some(range) = asked.get(header::RANGE).filter(|_| *method == Method::GET) else {
        return Some("206 to a request without a range");
    };
    let Some(part) = fields.get(header::CONTENT_RANGE) else {
        let several = fields.get(header::CONTENT_TYPE).is_some_and(|value| {
            value
                .as_bytes()
                .get(..b"multipart/byteranges".len())
                .is_some_and(|essence| essence.eq_ignore_ascii_case(b"multipart/byteranges"))
        });
        return if several { None } else { Some("206 without a range") };
    };
    let Some((first, last)) = part.to_str().ok().and_then(content_range) else {
        return Some("206 with a range that is none");
    };
    let length = fields.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length != last - first + 1) {
        return Some("206 whose length is not that of its range");
    }
    match range.to_str().ok().and_then(single_range) {
        Some((from, _)) if from != first => Some("206 with another range than asked for"),
        Some((_, Some(to))) if last > to => Some("206 with more than asked for"),
        _ => None,
    }
}

/// First and last byte of `bytes 0-9/10` or `bytes 0-9/*` (RFC 9110 section 14.4).
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let fits = match size {
        "*" => true,
        size => last < number(size)?,
    };
    // The length of a range must be a number, too.
    (first <= last && fits && last < u64::MAX).then_some((first, last))
}

/// Where a single range with a first byte begins and ends; nothing of suffixes and of several.
fn single_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(number(last)?) };
    Some((number(first)?, last))
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(line).fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }

    fn check(asked: &[(&str, &str)], status: u16, answered: &[(&str, &str)], believed: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let found = flaw(&Method::GET, &fields(asked), status, &fields(answered), Parts::JudgedHere);
        assert_eq!(found.is_none(), believed, "{asked:?} {status} {answered:?}: {found:?}");
    }

    #[test]
    fn answers_to_what_was_not_asked_are_not_believed() {
        check(&[], 200, &[("content-length", "3")], true);
        check(&[], 304, &[], false);
        check(&[("if-none-match", "\"a\"")], 304, &[], true);
        check(&[("if-modified-since", "x")], 304, &[], true);
        check(&[], 206, &[("content-range", "bytes 0-9/10")], false);
        check(&[], 600, &[], false);
        check(&[], 999, &[], false);
    }

    #[test]
    fn parts_are_those_that_were_asked_for() {
        let asked = [("range", "bytes=0-9")];
        let part = |value| [("content-range", value)];
        for (value, believed) in [
            ("bytes 0-9/100", true),
            ("bytes 0-9/*", true),
            ("bytes 0-4/5", true),
            ("bytes 1-9/100", false),
            ("bytes 0-10/100", false),
            ("bytes 0-9/9", false),
            ("bytes 9-0/100", false),
            ("bytes */100", false),
            ("bytes 0-18446744073709551615/*", false),
            ("items 0-9/100", false),
            ("bytes 0-9", false),
            ("", false),
        ] {
            check(&asked, 206, &part(value), believed);
        }
        check(&asked, 206, &[("content-range", "bytes 0-9/100"), ("content-length", "11")], false);
        check(&asked, 206, &[("content-range", "bytes 0-9/100"), ("content-length", "10")], true);
        check(&asked, 206, &[], false);
        check(&asked, 206, &[("content-type", "multipart/byteranges; boundary=a")], true);
        check(&[("range", "bytes=-5")], 206, &part("bytes 95-99/100"), true);
        check(&[("range", "bytes=5-")], 206, &part("bytes 5-99/100"), true);
    }

    #[test]
    fn parts_for_the_cache_are_left_to_it_and_those_that_it_did_not_ask_for_are_not() {
        let check = |asked: &[(&str, &str)], range: &str, believed: bool| {
            let (asked, answered) = (fields(asked), fields(&[("content-range", range)]));
            let status = StatusCode::PARTIAL_CONTENT;
            let found = flaw(&Method::GET, &asked, status, &answered, Parts::JudgedByCache);
            assert_eq!(found.is_none(), believed, "{asked:?} {range}: {found:?}");
        };
        check(&[("range", "bytes=0-9")], "bytes 99999999999999999999-5/3", true);
        check(&[("range", "bytes=0-9")], "bytes 1-9/10", true);
        check(&[], "bytes 0-9/10", false);
    }

    #[test]
    fn framing_that_can_be_read_in_two_ways_is_not_believed() {
        check(&[], 200, &[("content-length", "3"), ("content-length", "3")], false);
        check(&[], 200, &[("content-length", "3, 3")], false);
        check(&[], 200, &[("transfer-encoding", "Chunked")], true);
        for coding in ["gzip, chunked", "identity", "xchunked", "chunked, identity", ""] {
            check(&[], 200, &[("transfer-encoding", coding)], false);
        }
        check(&[], 200, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false);
        check(&[], 200, &[("a", &"x".repeat(RESPONSE_FIELD_BYTES))], false);
    }
}
