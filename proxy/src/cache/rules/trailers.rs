//! Which trailer fields of a response are kept and passed on (RFC 9110 section 6.5).

use http::{HeaderMap, HeaderName, header};

use super::hop_by_hop;

/// Names and values of one trailer section. Checksums and timings take a few hundred bytes; what is stored keeps them in
/// memory. Trailer fields may be discarded, so what is longer is.
const MOST_BYTES: usize = 8 << 10;

/// Fields that must come before the content, or would change what was said of it already (RFC 9110 section 6.5.1):
/// framing, routing, request modifiers, authentication, response controls, and what the content is.
const BEFORE_CONTENT: [HeaderName; 40] = [
    header::ACCEPT_RANGES,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::AGE,
    header::ALLOW,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::HOST,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PRAGMA,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::VARY,
    header::VIA,
    header::WARNING,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("cache-status"),
];

/// Those of them that may be kept with the response; none when nothing is left or they are too long.
#[must_use]
pub fn admissible(mut fields: HeaderMap) -> Option<HeaderMap> {
    hop_by_hop::strip_from_response(&mut fields);
    BEFORE_CONTENT.iter().for_each(|name| drop(fields.remove(name)));
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (!fields.is_empty() && bytes <= MOST_BYTES).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_had_to_come_before_the_content_is_no_trailer() {
        let kept = |lines: &[(&'static str, &str)]| admissible(fields(lines));
        let checksum = ("digest", "sha-256=x");
        assert_eq!(kept(&[checksum, ("server-timing", "db;dur=3")]).map(|it| it.len()), Some(2));
        for name in
            ["content-length", "transfer-encoding", "set-cookie", "cache-control", "etag", "vary", "connection", "age"]
        {
            assert_eq!(kept(&[(name, "x"), checksum]), Some(fields(&[checksum])), "{name}");
            assert_eq!(kept(&[(name, "x")]), None, "{name}");
        }
        assert_eq!(kept(&[]), None);
        assert_eq!(kept(&[("x-long", &"x".repeat(MOST_BYTES))]), None);
    }
}
