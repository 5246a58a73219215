//! Which interim responses are passed on (RFC 9110 section 15.2), and what of them.

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::hop_by_hop;

/// Whether it says something to the client. 100 answers an `Expect` that is no client's where the cache asks, and 101
/// ends HTTP.
#[must_use]
pub fn is_passed_on(status: StatusCode) -> bool {
    status.is_informational() && !matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS)
}

/// Names of its fields that end here: those of the hop, and what would frame a body that it has not (RFC 9110 section 8.6,
/// RFC 9112 section 6.1).
#[must_use]
pub fn ending_fields(fields: &HeaderMap) -> Vec<HeaderName> {
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let framing = framing.into_iter().filter(|name| fields.contains_key(name));
    hop_by_hop::response_fields(fields).into_iter().chain(framing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::testing::fields;

    #[test]
    fn continue_and_the_end_of_http_say_nothing_to_the_client() {
        for (status, passed_on) in [(100, false), (101, false), (102, true), (103, true), (199, true), (200, false)] {
            assert_eq!(is_passed_on(StatusCode::from_u16(status).unwrap()), passed_on, "{status}");
        }
    }

    #[test]
    fn fields_of_the_hop_and_of_framing_end_here() {
        let lines = ["Connection: x-hop", "X-Hop: 1", "Content-Length: 5", "Transfer-Encoding: chunked", "Link: </a>"];
        let mut headers = fields(&lines);
        for name in ending_fields(&headers) {
            headers.remove(name);
        }
        assert_eq!(headers, fields(&lines[4..]));
    }
}
