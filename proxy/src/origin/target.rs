//! The target that an origin gets: the client's own bytes, behind the origin's path prefix.

use http::uri::{Parts, PathAndQuery, Uri};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

/// The target of a request in origin form, byte for byte as sent (RFC 9112 section 3.2). `*` stays what it is.
#[must_use]
pub fn origin_form(request: &RequestHeader) -> &[u8] {
    let raw = request.raw_path();
    if raw.starts_with(b"/") || raw == b"*" {
        return raw;
    }
    path_of_absolute(raw)
        .unwrap_or_else(|| request.uri.path_and_query().map_or(b"/", |target| target.as_str().as_bytes()))
}

/// Path and query of a target in absolute form: a URI has only UTF-8, and other bytes as U+FFFD.
fn path_of_absolute(raw: &[u8]) -> Option<&[u8]> {
    let network = raw.windows(3).position(|bytes| bytes == b"://")? + 3;
    let authority = raw.get(network..)?.iter().position(|byte| b"/?".contains(byte))?;
    raw.get(network + authority..).filter(|target| target.starts_with(b"/"))
}

/// Puts a prefix in front of the target. The prefix has no slash at its end, so that none is doubled; everything behind
/// it stays as it was. `*` (RFC 9110 section 9.3.7) means the server itself and stays, too.
pub(super) fn prepend(request: &mut RequestHeader, prefix: &str) -> Result<()> {
    let target = origin_form(request);
    if prefix.is_empty() || target == b"*" {
        return Ok(());
    }
    let slash: &[u8] = if target.first() == Some(&b'/') { b"" } else { b"/" };
    let prefixed = [prefix.as_bytes(), slash, target].concat();
    set_target(request, &prefixed)
}

/// Sets path and query, and keeps the authority that an HTTP/2 target has.
///
/// # Errors
/// When it is no target.
pub fn set_target(request: &mut RequestHeader, target: &[u8]) -> Result<()> {
    if request.uri.authority().is_none() {
        return request.set_raw_path(target);
    }
    let mut parts = Parts::default();
    parts.scheme = request.uri.scheme().cloned();
    parts.authority = request.uri.authority().cloned();
    let explain = || "the target cannot be sent";
    parts.path_and_query = Some(PathAndQuery::try_from(target).or_err_with(ErrorType::InvalidHTTPHeader, explain)?);
    request.set_uri(Uri::from_parts(parts).or_err_with(ErrorType::InvalidHTTPHeader, explain)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &[u8]) -> RequestHeader {
        RequestHeader::build("GET", target, None).unwrap()
    }

    #[test]
    fn targets_lose_no_byte() {
        let check = |sent: &[u8], expected: &[u8]| {
            assert_eq!(origin_form(&request(sent)), expected, "{}", String::from_utf8_lossy(sent));
        };
        check(b"/a?u=\xff", b"/a?u=\xff");
        check(b"http://a.test/a?u=\xff", b"/a?u=\xff");
        check(b"http://a.test/a?u=http://b.test/\xfe", b"/a?u=http://b.test/\xfe");
        check(b"http://a.test", b"/");
        check(b"http://a.test?b", b"/?b");
        check(b"*", b"*");
    }

    #[test]
    fn a_prefix_goes_in_front_of_the_bytes_of_the_client() {
        let check = |target: &[u8], prefix: &str, expected: &[u8]| {
            let mut request = request(target);
            prepend(&mut request, prefix).unwrap();
            assert_eq!(request.raw_path(), expected, "{}", String::from_utf8_lossy(expected));
        };
        check(b"/a//b%2F?q=/x&y", "/media", b"/media/a//b%2F?q=/x&y");
        check(b"/", "/media", b"/media/");
        check(b"/a", "", b"/a");
        check(b"/\xff", "/media", b"/media/\xff");
        check(b"http://example.com/a?b", "/media", b"/media/a?b");
        check(b"http://example.com", "/media", b"/media/");
        check(b"*", "/media", b"*");
    }

    #[test]
    fn the_authority_of_an_http2_target_stays() {
        let mut request = request(b"/");
        request.set_uri("https://example.com/a?b=c".parse().unwrap());
        prepend(&mut request, "/media").unwrap();
        assert_eq!(request.uri, "https://example.com/media/a?b=c");
    }
}
