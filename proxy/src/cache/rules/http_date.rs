//! Reading and writing dates of header fields (RFC 9110 section 5.6.7). The calendar itself is `httpdate`'s.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// 9999-12-31T23:59:59Z: the last second that the four-digit year of an HTTP date can express.
const LAST_SECOND: u64 = 253_402_300_799;

/// The date in a field value, in any of the three formats; nothing when it is none.
pub(super) fn parse(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

/// The date in the first line of a field. Further lines are ignored (RFC 9111 section 4.2.1).
pub(super) fn first(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    headers.get(name).and_then(parse)
}

/// The date in a field that must have exactly one line to count (RFC 9110 section 13.1.3).
pub(super) fn only(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    if lines.next().is_some() { None } else { parse(first) }
}

/// A time as a field value; times outside the calendar are clamped into it.
pub(super) fn format(time: SystemTime) -> HeaderValue {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST_SECOND);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// Cuts the fraction of a second off, as dates of header fields have none.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    time.duration_since(UNIX_EPOCH).map_or(time, |since| UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}
