//! From the fields of HTTP/2 and HTTP/3 to the request the pipeline sees, in the very form HTTP/1.1 has it: a target in
//! origin form and one `Host`.
//!
//! Pingora checks nothing of the authority or the framing of custom sessions, so that every check its HTTP/1 and
//! HTTP/2 sessions make stands here. What h3 refuses by itself (unknown or missing pseudo-headers, upper case in
//! names, control bytes in values) does not reach us.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use pingora_core::protocols::http::authority::{RawTargetAuthority, raw_target_authority, validate_request_authority};
use pingora_http::RequestHeader;
use tidegate_config::field::HOP_BY_HOP;
use tidegate_config::model::Limits;

use super::http1::plain_length;
use super::ready_response::StreamRequest;

/// A request as the session serves it.
#[derive(Debug)]
pub(super) struct RequestHead {
    /// What the pipeline sees.
    pub(super) header: RequestHeader,
    /// The announced length of the body.
    pub(super) content_length: Option<u64>,
}

/// What a head may measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadBounds {
    /// Fields.
    pub(super) header_count: usize,
    /// The target.
    pub(super) target_bytes: usize,
}

impl From<&Limits> for HeadBounds {
    fn from(limits: &Limits) -> Self {
        Self { header_count: limits.header_count, target_bytes: limits.target_bytes.as_usize() }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// A field that only HTTP/1 connections have.
    #[error("connection-specific field")]
    HopByHopField,
    /// `content-length` that is no number in plain digits, or several.
    #[error("invalid content-length")]
    ContentLength,
    /// A target that is neither a path nor `*` for OPTIONS, or contains what no target may.
    #[error("invalid target")]
    Target,
    /// Longer than `limits.target_bytes`.
    #[error("target is too long")]
    TargetTooLong,
    /// More fields than `limits.header_count`.
    #[error("too many fields")]
    TooManyFields,
    /// No host, two of them, or one that is not a host with an optional port.
    #[error("invalid authority")]
    Authority,
    /// `http`, which is never spoken over QUIC.
    #[error("scheme of another connection")]
    Misdirected,
    /// Neither `https` nor `http`, or extended CONNECT, which was not offered.
    #[error("unsupported scheme or protocol")]
    Scheme,
}

impl Malformed {
    /// The status that tells the client.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::TooManyFields => 431,
            Self::Misdirected => 421,
            _ => 400,
        }
    }
}

/// Checks what h3 decoded and turns it into what the pipeline sees.
pub(super) fn request_head(request: Request<()>, bounds: HeadBounds) -> Result<RequestHead, Malformed> {
    let (mut parts, ()) = request.into_parts();
    if parts.headers.len() > bounds.header_count {
        return Err(Malformed::TooManyFields);
    }
    if parts.extensions.get::<h3::ext::Protocol>().is_some() {
        return Err(Malformed::Scheme);
    }
    refuse_hop_by_hop(&parts.headers)?;
    let content_length = content_length(&parts.headers)?;
    let authority = parts.uri.authority().cloned().ok_or(Malformed::Authority)?;
    let host = host_value(&authority)?;
    if parts.headers.get_all(HOST).iter().any(|given| !given.as_bytes().eq_ignore_ascii_case(host.as_bytes())) {
        return Err(Malformed::Authority); // h3 refuses two names as well (RFC 9114 section 4.3.1)
    }
    parts.headers.entry(HOST).or_insert(host);
    parts.uri = origin_form(&parts.method, &parts.uri, authority, bounds)?;
    join_cookies(&mut parts.headers);
    let header = RequestHeader::from(parts);
    validate_request_authority(&header).map_err(|_| Malformed::Authority)?;
    Ok(RequestHead { header, content_length })
}

/// Fields of one connection of HTTP/1 are meaningless here; of `TE` there is one use (RFC 9114 section 4.2).
fn refuse_hop_by_hop(headers: &HeaderMap) -> Result<(), Malformed> {
    let only_trailers = headers.get_all(TE).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if !only_trailers || HOP_BY_HOP.iter().any(|name| *name != TE && headers.contains_key(name)) {
        return Err(Malformed::HopByHopField);
    }
    Ok(())
}

/// One length in plain digits. RFC 9110 section 8.6 lets a list of equal numbers be refused: an origin of HTTP/1.1 would
/// get it as it is.
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() {
        return Err(Malformed::ContentLength);
    }
    plain_length(length.as_bytes()).map(Some).ok_or(Malformed::ContentLength)
}

/// The authority as a `Host` value: a host with at most one, numeric port, and no user information.
fn host_value(authority: &Authority) -> Result<HeaderValue, Malformed> {
    let text = authority.as_str();
    let after_host = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(Malformed::Authority)?.1,
        None => &text[text.find(':').unwrap_or(text.len())..],
    };
    let port_is_valid = match after_host.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit()),
        None => after_host.is_empty(),
    };
    if authority.host().is_empty() || text.contains('@') || !port_is_valid {
        return Err(Malformed::Authority);
    }
    HeaderValue::from_str(text).map_err(|_| Malformed::Authority)
}

/// The authority of a request of HTTP/2 as its `Host`, if it can be one.
pub(super) fn checked_host(authority: &HeaderValue) -> Result<HeaderValue, Malformed> {
    let parsed = Authority::try_from(authority.as_bytes()).map_err(|_| Malformed::Authority)?;
    let host = host_value(&parsed)?;
    let mut probe = RequestHeader::build(Method::GET, b"/", None).map_err(|_| Malformed::Authority)?;
    probe.insert_header(HOST, host.clone()).map_err(|_| Malformed::Authority)?;
    validate_request_authority(&probe).map_err(|_| Malformed::Authority)?;
    Ok(host)
}

/// Whether a request of HTTP/2 can have this target, in origin form or `*` for OPTIONS.
pub(super) fn is_plain_target(method: &Method, target: &Bytes) -> bool {
    // Nearly all targets are made of these; of the rest the library knows which are none.
    let usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~%?=&+,;:@!$'()*".contains(byte);
    if target.first() == Some(&b'/') && target.get(1) != Some(&b'/') && target.iter().all(usual) {
        return true;
    }
    // A fragment would be left out silently.
    let path = PathAndQuery::from_maybe_shared(target.clone()).ok().filter(|path| path.as_str().len() == target.len());
    path.is_some_and(|path| check_target(method, &path).is_ok())
}

/// A request of HTTP/2 as the pipeline sees it.
pub(super) fn of_stream(request: StreamRequest, content_length: Option<u64>) -> Result<RequestHead, Malformed> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = if request.method == Method::CONNECT {
        let host = request.fields.get(HOST).ok_or(Malformed::Authority)?;
        Uri::try_from(host.as_bytes()).map_err(|_| Malformed::Authority)?
    } else {
        let path = PathAndQuery::from_maybe_shared(request.target).map_err(|_| Malformed::Target)?;
        Uri::from(path)
    };
    parts.method = request.method;
    parts.version = Version::HTTP_2;
    parts.headers = request.fields;
    let header = RequestHeader::from(parts);
    validate_request_authority(&header).map_err(|_| Malformed::Authority)?;
    Ok(RequestHead { header, content_length })
}

/// The target as HTTP/1.1 would write it: a path, `*` for OPTIONS, an authority for CONNECT.
fn origin_form(method: &Method, uri: &Uri, authority: Authority, bounds: HeadBounds) -> Result<Uri, Malformed> {
    let path = uri.path_and_query();
    if method == Method::CONNECT {
        // RFC 9114 section 4.4: neither scheme nor path.
        if path.is_some() || uri.scheme().is_some() {
            return Err(Malformed::Target);
        }
        return Uri::builder().authority(authority).build().map_err(|_| Malformed::Authority);
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") => return Err(Malformed::Misdirected),
        _ => return Err(Malformed::Scheme),
    }
    let path = path.ok_or(Malformed::Target)?;
    if path.as_str().len() > bounds.target_bytes {
        return Err(Malformed::TargetTooLong);
    }
    check_target(method, path)?;
    Uri::builder().path_and_query(path.clone()).build().map_err(|_| Malformed::Target)
}

fn check_target(method: &Method, path: &PathAndQuery) -> Result<(), Malformed> {
    let target = path.as_str().as_bytes();
    let form_is_valid = target.starts_with(b"/") || (target == b"*" && method == Method::OPTIONS);
    // A raw space or control byte would end the request line of an HTTP/1.1 origin.
    let bytes_are_valid = target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    let names_no_authority = matches!(raw_target_authority(target), RawTargetAuthority::None);
    if form_is_valid && bytes_are_valid && names_no_authority { Ok(()) } else { Err(Malformed::Target) }
}

/// One `Cookie` field again: HTTP/2 and HTTP/3 may split it for compression, HTTP/1.1 may
/// not (RFC 9113 section 8.2.3, RFC 9114 section 4.2.1).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The request as the head of an HTTP/1.1 message, which Pingora parses again for subrequests.
pub(super) fn http1_head(header: &RequestHeader) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(header.method.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(header.raw_path());
    head.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &header.headers {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"\r\n");
    head.freeze()
}

/// What an HTTP/1.1 origin would be asked for this, where it is accepted, and the length that its body must have. For
/// [`crate::fuzzing`].
pub(in crate::listener) fn http1_head_of(request: Request<()>, limits: &Limits) -> Option<(Bytes, Option<u64>)> {
    let head = request_head(request, HeadBounds::from(limits)).ok()?;
    Some((http1_head(&head.header), head.content_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> HeadBounds {
        HeadBounds { target_bytes: 64, header_count: 8 }
    }

    fn head(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<RequestHead, Malformed> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request_head(request.body(()).unwrap(), bounds())
    }

    /// Method, URI, fields, and why they are refused.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Malformed);

    #[test]
    fn malformed_requests_are_refused() {
        let url = "https://media.test/a";
        let many: Vec<(&str, &str)> = vec![("x", "y"); 9];
        let long = format!("https://media.test/{}", "a".repeat(64));
        let cases: [Case<'_>; 23] = [
            ("GET", url, &[("connection", "close")], Malformed::HopByHopField),
            ("GET", url, &[("transfer-encoding", "chunked")], Malformed::HopByHopField),
            ("GET", url, &[("upgrade", "websocket")], Malformed::HopByHopField),
            ("GET", url, &[("keep-alive", "1")], Malformed::HopByHopField),
            ("GET", url, &[("proxy-connection", "close")], Malformed::HopByHopField),
            ("GET", url, &[("te", "gzip")], Malformed::HopByHopField),
            ("POST", url, &[("content-length", "5"), ("content-length", "6")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "+5")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "5, 5")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "5"), ("content-length", "5")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "05")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "")], Malformed::ContentLength),
            ("POST", url, &[("content-length", "99999999999999999999")], Malformed::ContentLength),
            ("GET", "https://user@media.test/a", &[], Malformed::Authority),
            ("GET", "https://media.test:99999/a", &[], Malformed::Authority),
            ("GET", "https://media.test:/a", &[], Malformed::Authority),
            ("GET", url, &[("host", "media.test"), ("host", "media.test")], Malformed::Authority),
            ("GET", url, &[("host", "other.test")], Malformed::Authority),
            ("GET", "ftp://media.test/a", &[], Malformed::Scheme),
            ("GET", "http://media.test/a", &[], Malformed::Misdirected),
            ("GET", &long, &[], Malformed::TargetTooLong),
            ("GET", url, &many, Malformed::TooManyFields),
            ("CONNECT", url, &[], Malformed::Target),
        ];
        for (method, uri, fields, expected) in cases {
            assert_eq!(head(method, uri, fields).unwrap_err(), expected, "{method} {uri} {fields:?}");
        }
    }

    #[test]
    fn targets_in_absolute_form_or_with_control_bytes_are_refused() {
        for (method, path) in [("GET", "*"), ("GET", "http://other.test/"), ("GET", "/a b"), ("GET", "/\u{7f}")] {
            let Ok(path) = path.parse::<PathAndQuery>() else { continue };
            assert_eq!(check_target(&method.parse().unwrap(), &path), Err(Malformed::Target), "{path}");
        }
    }

    #[test]
    fn the_pipeline_sees_what_http1_would_have_sent() {
        let fields = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("content-length", "3")];
        let head = head("POST", "https://media.test:8443/a/b?c", &fields).unwrap();
        assert_eq!(head.content_length, Some(3));
        let expected = "POST /a/b?c HTTP/1.1\r\ncookie: a=1; b=2\r\nte: trailers\r\ncontent-length: 3\r\n\
                        host: media.test:8443\r\n\r\n";
        assert_eq!(http1_head(&head.header), expected);
        assert!(head.header.uri.authority().is_none());
    }

    #[test]
    fn options_asterisk_keeps_its_target() {
        let parts = http::uri::Builder::new().scheme("https").authority("media.test").path_and_query("*").build();
        let request = Request::builder().method("OPTIONS").uri(parts.unwrap()).body(()).unwrap();
        let head = request_head(request, bounds()).unwrap();
        assert_eq!(head.header.raw_path(), b"*");
    }
}
