//! The target that an origin gets: the client's own bytes, behind the origin's path prefix.

use http::uri::{Parts, PathAndQuery, Uri};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

/// Path and query of a target in origin form or absolute form (RFC 9112 section 3.2).
#[must_use]
pub(super) fn origin_form(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let Some(scheme) = target.windows(3).position(|window| window == b"://") else { return target };
    let rest = target.get(scheme + 3..).unwrap_or_default();
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    path.and_then(|place| rest.get(place..)).unwrap_or(b"/")
}

/// Puts a prefix in front of the target. The prefix has no slash at its end, so that none is doubled; everything behind
/// it stays as it was. `*` (RFC 9110 section 9.3.7) means the server itself and stays, too.
pub(super) fn prepend(request: &mut RequestHeader, prefix: &str) -> Result<()> {
    let target = origin_form(request.raw_path());
    if prefix.is_empty() || target == b"*" {
        return Ok(());
    }
    let slash: &[u8] = if target.first() == Some(&b'/') { b"" } else { b"/" };
    let prefixed = [prefix.as_bytes(), slash, target].concat();
    set(request, &prefixed)
}

/// Sets path and query, and keeps the authority that an HTTP/2 target has.
pub(super) fn set(request: &mut RequestHeader, target: &[u8]) -> Result<()> {
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
