//! A response as the fetcher delivers it: its head, then its body piece by piece.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tidegate_config::ids::OriginName;

use super::super::fetch::{FetchError, FetchEvent, FetchStream};
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};

/// The head of a response.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) request_time: SystemTime,
    pub(super) response_time: SystemTime,
    pub(super) close_delimited: bool,
    pub(super) origin: Option<OriginName>,
}

impl Response {
    /// Waits for the head, and for the first bytes of the body where only they tell what it is.
    pub(super) async fn receive(mut stream: Box<dyn FetchStream>) -> Result<(Self, Arrival), FetchError> {
        let request_time = SystemTime::now();
        // Nothing may come before the head. Asking on after an end would never wait, and so hold up every other fill.
        let FetchEvent::Head { status, fields, end: ended, close_delimited, origin } = stream.next().await? else {
            return Err(FetchError::bad_gateway("the origin's answer has no head"));
        };
        let response_time = SystemTime::now();
        let response = Self { status, fields, request_time, response_time, close_delimited, origin };
        let length = declared_length(response.status, &response.fields, ended);
        let mut arrival = Arrival { first: None, ended, stream, length, delivered: 0 };
        if names_no_type(&response.fields) {
            arrival.fetch_first().await?;
        }
        Ok((response, arrival))
    }
}

/// Whether the content type leaves open what the content is, so that its first bytes must tell.
fn names_no_type(fields: &HeaderMap) -> bool {
    const OPEN: [&str; 3] = ["application/octet-stream", "binary/octet-stream", "text/plain"];
    let Some(value) = fields.get(header::CONTENT_TYPE) else { return true };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    OPEN.iter().any(|open| essence.eq_ignore_ascii_case(open.as_bytes()))
}

/// The length of the body, where it is known beforehand. What the origin declared counts also when it sends nothing:
/// the body is then incomplete.
fn declared_length(status: StatusCode, fields: &HeaderMap, ended: bool) -> Option<u64> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0); // RFC 9110 sections 15.3.5 and 15.4.5: never content, whatever is declared
    }
    let declared = fields.get(header::CONTENT_LENGTH).and_then(|value| digits(value.as_bytes().trim_ascii()));
    declared.or(ended.then_some(0))
}

fn digits(text: &[u8]) -> Option<u64> {
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if all_digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// A body on its way in.
pub(super) struct Arrival {
    pub(super) first: Option<Bytes>,
    ended: bool,
    stream: Box<dyn FetchStream>,
    /// What the origin declared.
    pub(super) length: Option<u64>,
    delivered: u64,
}

impl Arrival {
    /// Waits for the first piece without taking it.
    pub(super) async fn fetch_first(&mut self) -> Result<(), FetchError> {
        if self.first.is_none() {
            self.first = self.receive().await?;
        }
        Ok(())
    }

    /// The next piece; `None` at the clean end, which is one only where the length agrees (RFC 9112 section 8).
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, FetchError> {
        while !self.ended {
            match self.stream.next().await? {
                FetchEvent::Body(bytes) if bytes.is_empty() => {}
                FetchEvent::Body(bytes) => {
                    self.delivered = self.delivered.saturating_add(bytes.len() as u64);
                    if self.length.is_some_and(|length| self.delivered > length) {
                        return Err(FetchError::bad_gateway("the body is longer than the origin declared"));
                    }
                    return Ok(Some(bytes));
                }
                // Trailer fields may be discarded (RFC 9110 section 6.5.1).
                FetchEvent::End | FetchEvent::Trailers(_) => self.ended = true,
                FetchEvent::Head { .. } => {}
            }
        }
        if self.length.is_some_and(|length| self.delivered != length) {
            return Err(FetchError::bad_gateway("the body is shorter than the origin declared"));
        }
        Ok(None)
    }
}

/// Times of a response that is not stored: nobody asks for its freshness.
pub(super) fn no_times(response_time: SystemTime) -> StoredTimes {
    StoredTimes {
        response_time,
        corrected_initial_age: Duration::ZERO,
        lifetime: Duration::ZERO,
        source: FreshnessSource::Absent,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: None,
        must_revalidate: true,
        no_cache: true,
        immutable: false,
        authorized_reuse: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_length_is_believed_only_where_it_is_one() {
        let check = |status: u16, value: Option<&str>, ended: bool, expected: Option<u64>| {
            let mut fields = HeaderMap::new();
            if let Some(value) = value {
                fields.insert(header::CONTENT_LENGTH, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(declared_length(status, &fields, ended), expected, "{status} {value:?} {ended}");
        };
        check(200, Some("5"), false, Some(5));
        check(200, Some("5"), true, Some(5)); // and thus too short
        check(200, None, true, Some(0));
        check(200, None, false, None);
        check(204, Some("5"), true, Some(0));
        for odd in ["+5", "-5", "5, 5", "0x5", "", "99999999999999999999"] {
            check(200, Some(odd), false, None);
        }
    }

    #[test]
    fn first_bytes_are_waited_for_only_where_the_type_says_nothing() {
        let check = |value: Option<&str>, expected: bool| {
            let mut fields = HeaderMap::new();
            if let Some(value) = value {
                fields.insert(header::CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(names_no_type(&fields), expected, "{value:?}");
        };
        check(None, true);
        check(Some("Text/Plain; charset=utf-8"), true);
        check(Some("application/octet-stream"), true);
        check(Some("text/event-stream"), false);
        check(Some("video/mp4"), false);
    }
}
