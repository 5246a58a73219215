//! What fuzzing checks of the parsers that are our own: one function for each, from any bytes.
//!
//! Owns properties only. The crate in `fuzz/` calls these with what libFuzzer makes up; the tests below do so with what
//! proptest does, so that they run everywhere. Not for use by anything that serves.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tidegate_config::model::Limits;

pub use crate::cache::engine::fuzz_stored_head as stored_head;
pub use crate::cache::rules::fuzzing::{cache_control, dates, entity_tags, ranges, vary};
use crate::client_identity;
use crate::cmcd::{self, Cmcd};
use crate::listener;
use crate::listener::proxy_protocol::{Decoder, Progress};
use crate::media::{Location, PlaylistKind, Reload, list};
use crate::routing::{CanonicalHost, CanonicalPath};

/// A function that is given any bytes and fails by panicking.
pub type Target = fn(&[u8]);

/// All of them with their names.
pub const TARGETS: [(&str, Target); 16] = [
    ("canonical_form", canonical_form),
    ("proxy_protocol", proxy_protocol),
    ("forwarded", forwarded),
    ("http1_head", http1_head),
    ("http1_chunks", http1_chunks),
    ("hpack", hpack),
    ("http3_fields", http3_fields),
    ("http3_head", http3_head),
    ("cmcd", cmcd),
    ("playlists", playlists),
    ("cache_control", cache_control),
    ("ranges", ranges),
    ("vary", vary),
    ("dates", dates),
    ("entity_tags", entity_tags),
    ("stored_head", stored_head),
];

/// The canonical form of a canonical form is itself.
pub fn canonical_form(bytes: &[u8]) {
    if let Ok(path) = CanonicalPath::parse(bytes) {
        assert!(path.as_str().starts_with('/'));
        let again = CanonicalPath::parse(path.as_str()).expect("a canonical path is one");
        assert!(again.is_as_sent() && again.as_str() == path.as_str(), "{again:?} of {path:?}");
    }
    if let Ok((host, _port)) = CanonicalHost::parse(bytes) {
        let (again, port) = CanonicalHost::parse(host.as_str()).expect("a canonical host is one");
        assert!(again.as_str() == host.as_str() && port.is_none(), "{again:?} of {host:?}");
    }
}

/// A PROXY header means the same however its bytes are cut, and no byte behind it is taken.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = Decoder::default().feed(bytes);
    let mut decoder = Decoder::default();
    let mut taken = 0;
    let piecewise = bytes.iter().find_map(|byte| {
        taken += 1;
        match decoder.feed(std::slice::from_ref(byte)) {
            Ok(Progress::More) => None,
            Ok(Progress::Done(_, told)) => Some(Ok(Progress::Done(taken, told))),
            Err(error) => Some(Err(error)),
        }
    });
    assert_eq!(format!("{whole:?}"), format!("{:?}", piecewise.unwrap_or(Ok(Progress::More))));
    if let Ok(Progress::Done(length, _)) = whole {
        assert!(length <= bytes.len());
        let alone = Decoder::default().feed(&bytes[..length]);
        assert_eq!(format!("{whole:?}"), format!("{alone:?}"));
    }
}

/// What is appended to `Forwarded` is read whatever stands before it.
pub fn forwarded(bytes: &[u8]) {
    const APPENDED: &str = "for=192.0.2.1;proto=https";
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut fields = HeaderMap::new();
    fields.append(header::FORWARDED, value);
    let commas = bytes.iter().filter(|byte| **byte == b',').count();
    assert!(client_identity::forwarded_addresses(&fields).len() <= commas + 1);
    let appended = [bytes, b", ", APPENDED.as_bytes()].concat();
    let Ok(value) = HeaderValue::from_bytes(&appended) else { return };
    fields.insert(header::FORWARDED, value);
    let nearest = client_identity::forwarded_addresses(&fields).first().copied().flatten();
    assert_eq!(nearest, "192.0.2.1".parse().ok());
}

/// What a playlist lists stays on its own host, is a target that could be asked for, and resolves to itself.
pub fn playlists(bytes: &[u8]) {
    let place = Location::new("media.example:8443", "/live/index?session=1").expect("a place");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let _directives = Reload::of(Some(bytes));
    for kind in [PlaylistKind::Hls, PlaylistKind::Dash] {
        let Ok(listing) = list(kind, bytes, &place, now) else { continue };
        let pieces = listing.tracks.iter().flat_map(|track| track.pieces.iter().map(|piece| &piece.target));
        let others = listing.playlists.iter().chain(&listing.hints);
        for target in pieces.chain(others) {
            let plain = target.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(plain && target.starts_with('/'), "{target:?}");
            // Two slashes at the front would be read as an authority; as a target they are none.
            if !target.starts_with("//") {
                let again = place.join(target).map(Location::into_target);
                assert_eq!(again.as_deref(), Ok(&**target));
            }
        }
    }
}

/// A header section ends in one place whatever follows, and what is accepted another parser accepts as well.
pub fn http1_head(bytes: &[u8]) {
    let limits = limits();
    let Some(length) = listener::fuzzing::head_length(bytes, limits) else { return };
    assert!(length <= bytes.len());
    assert_eq!(listener::fuzzing::head_length(&bytes[..length], limits), Some(length));
    assert_eq!(listener::fuzzing::head_length(&bytes[..length - 1], limits), None, "complete before its end");
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(&bytes[..length]);
    assert_eq!(parsed, Ok(httparse::Status::Complete(length)), "{}", bytes[..length].escape_ascii());
}

/// A chunked body ends in one place, however its bytes are cut.
pub fn http1_chunks(bytes: &[u8]) {
    let whole = listener::fuzzing::chunked_length(bytes.chunks(bytes.len().max(1)));
    for cut in [1, 2, 3, 5] {
        assert_eq!(listener::fuzzing::chunked_length(bytes.chunks(cut)), whole, "in pieces of {cut}");
    }
    if let Some(length) = whole {
        assert_eq!(listener::fuzzing::chunked_length([&bytes[..length]].into_iter()), Some(length));
    }
}

/// Header blocks of HTTP/2 mean the same under every bound, and what is written is what was read.
pub fn hpack(bytes: &[u8]) {
    listener::fuzzing::header_blocks(bytes);
}

/// A field section with a second path, or a path behind a field, is never well placed.
pub fn http3_fields(bytes: &[u8]) {
    /// `:path: /` and `accept: */*` of the static table (RFC 9204 appendix A).
    const PATH: u8 = 0xc1;
    const ACCEPT: u8 = 0xdd;
    if !listener::fuzzing::pseudo_headers_are_well_placed(bytes) {
        return;
    }
    for more in [&[PATH, PATH][..], &[ACCEPT, PATH]] {
        assert!(!listener::fuzzing::pseudo_headers_are_well_placed(&[bytes, more].concat()), "{bytes:x?} {more:x?}");
    }
}

/// What is accepted over HTTP/3 is one request in HTTP/1.1 as well: to another parser, and to our own grammar.
pub fn http3_head(bytes: &[u8]) {
    let Some((request, authority)) = http3_request(bytes) else { return };
    let (is_connect, limits) = (request.method() == Method::CONNECT, limits());
    let Some((head, length)) = listener::fuzzing::http1_head_of(request, limits) else { return };
    let told = head.escape_ascii();
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Request::new(&mut fields);
    assert_eq!(parsed.parse(&head), Ok(httparse::Status::Complete(head.len())), "{told}");
    let target = parsed.path.unwrap_or_default();
    assert!(is_connect || target.starts_with('/') || target == "*", "{told}");
    let named = |name: &str| parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert_eq!(named("host"), 1, "{told}");
    let host = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
    assert!(host.is_some_and(|host| host.value.eq_ignore_ascii_case(authority.as_bytes())), "{told}");
    assert_eq!(["transfer-encoding", "connection", "upgrade"].map(named), [0; 3], "{told}");
    assert_eq!(named("content-length") > 0, length.is_some(), "{told}");
    assert!(is_connect || listener::fuzzing::head_length(&head, limits) == Some(head.len()), "{told}");
}

/// A request and its authority from lines: method, path, authority, and fields with a colon.
fn http3_request(bytes: &[u8]) -> Option<(Request<()>, String)> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let method = lines.next()?;
    let path = PathAndQuery::try_from(lines.next()?).ok()?;
    let authority = std::str::from_utf8(lines.next()?).ok()?;
    let uri = match method {
        b"CONNECT" => Uri::builder().authority(authority),
        _ => Uri::builder().scheme("https").authority(authority).path_and_query(path),
    };
    let mut request = Request::builder().method(method).uri(uri.build().ok()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], &line[colon + 1..]);
    }
    Some((request.body(()).ok()?, authority.to_owned()))
}

/// What players say is read alike from the query and from a field, is bounded, and names no other host; and a target
/// without it says nothing any more.
pub fn cmcd(bytes: &[u8]) {
    let mut fields = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    fields.insert(&cmcd::FIELDS[0], value);
    let told = Cmcd::of(None, &fields).expect("there is a field");
    let encoded = percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC);
    let query = format!("a&CMCD={encoded}&b");
    assert_eq!(Cmcd::of(Some(query.as_bytes()), &HeaderMap::new()).as_ref(), Some(&told));
    if let Some(reference) = told.next.and_then(|next| next.reference) {
        assert!(!reference.starts_with("//") && !reference.contains(['\\', '#', ' ', '"']), "{reference:?}");
        let first = reference.split(['/', '?']).next().unwrap_or_default();
        assert!(!first.contains(':'), "{reference:?}");
    }
    let without = cmcd::without_argument(format!("/p?{query}").as_bytes());
    assert_eq!(without.as_deref(), Some(&b"/p?a&b"[..]));
    if let Some(without) = cmcd::without_argument(bytes) {
        assert_eq!(cmcd::without_argument(&without), None);
    }
}

/// The limits of the commented example, which are the defaults.
fn limits() -> &'static Limits {
    static LIMITS: OnceLock<Limits> = OnceLock::new();
    LIMITS.get_or_init(|| {
        let text = include_str!("../../config/examples/edge.yaml").to_owned();
        let loaded = tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]);
        loaded.expect("the example is valid").node.limits.clone()
    })
}

#[cfg(test)]
mod tests;
