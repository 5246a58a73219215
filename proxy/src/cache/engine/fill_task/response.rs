//! A response as the fetcher delivers it: its head, and the body that arrives behind it.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use tidegate_config::ids::OriginName;

use super::super::clock;
use super::super::fetch::{FetchError, FetchEvent, FetchStream};
use super::arrival::{Arrival, declared_length};
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};

/// The head of a response.
pub(in crate::cache::engine) struct Response {
    pub(in crate::cache::engine) status: StatusCode,
    pub(in crate::cache::engine) fields: HeaderMap,
    pub(in crate::cache::engine) request_time: SystemTime,
    pub(in crate::cache::engine) response_time: SystemTime,
    pub(in crate::cache::engine) close_delimited: bool,
    pub(in crate::cache::engine) origin: Option<OriginName>,
}

impl Response {
    /// Waits for the head, and for the first bytes of the body where only they tell what it is.
    pub(in crate::cache::engine) async fn receive(
        mut stream: Box<dyn FetchStream>,
    ) -> Result<(Self, Arrival), FetchError> {
        let request_time = clock::now();
        // Nothing may come before the head. Asking on after an end would never wait, and so hold up every other fill.
        let FetchEvent::Head { status, fields, end: ended, close_delimited, origin } = stream.next().await? else {
            return Err(FetchError::bad_gateway("the origin's answer has no head"));
        };
        let response_time = clock::now();
        let response = Self { status, fields, request_time, response_time, close_delimited, origin };
        let length = declared_length(response.status, &response.fields, ended);
        let mut arrival = Arrival::new(stream, length, ended);
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
