//! Field sections of responses in QPACK (RFC 9204), with the static table and plain literals only.
//!
//! Owns one trade: strings are not compressed by Huffman's code, which would take more time than all else that a
//! cached response needs and save some hundred bytes of it. What needs the peer's limits is left to h3.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::frame::frame;

/// Largest section that is encoded here, as RFC 9114 section 4.2.2 measures it. Every client takes as much; of larger
/// ones h3 asks first what the client announced.
const LARGEST: usize = 4096;

/// What RFC 9114 section 4.2.2 counts for a field besides its name and value.
const FIELD_OVERHEAD: usize = 32;

/// Type of a HEADERS frame (RFC 9114 section 7.2.2).
const HEADERS: u8 = 0x01;

/// `:status` in the static table, for codes that have no entry with their value.
const STATUS_NAME: u64 = 24;

/// The HEADERS frame of a response; nothing when it is too large to be sent without asking.
pub(super) fn headers_frame(status: StatusCode, fields: &HeaderMap) -> Option<Bytes> {
    let size = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD).sum::<usize>();
    if size > LARGEST {
        return None;
    }
    let mut section = BytesMut::with_capacity(size);
    section.put_slice(&[0, 0]); // no reference to the dynamic table (RFC 9204 section 4.5.1)
    put_status(&mut section, status);
    for (name, value) in fields {
        put_field(&mut section, name, value);
    }
    Some(frame(HEADERS, &section))
}

fn put_status(section: &mut BytesMut, status: StatusCode) {
    let index = match status.as_u16() {
        200 => 25,
        206 => 65,
        304 => 26,
        404 => 27,
        503 => 28,
        _ => {
            put_integer(section, 0x50, 4, STATUS_NAME);
            return put_string(section, status.as_str().as_bytes());
        }
    };
    put_integer(section, 0xc0, 6, index);
}

fn put_field(section: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    let sensitive = value.is_sensitive();
    match static_name(name) {
        Some((index, with_value)) if !sensitive && with_value == Some(value.as_bytes()) => {
            put_integer(section, 0xc0, 6, index); // RFC 9204 section 4.5.2
        }
        Some((index, _)) => {
            put_integer(section, if sensitive { 0x70 } else { 0x50 }, 4, index); // section 4.5.4
            put_string(section, value.as_bytes());
        }
        None => {
            let name = name.as_str().as_bytes();
            put_integer(section, if sensitive { 0x30 } else { 0x20 }, 3, name.len() as u64); // section 4.5.6
            section.put_slice(name);
            put_string(section, value.as_bytes());
        }
    }
}

/// Where the static table (RFC 9204 appendix A) has a name that responses use, and the value that stands there, if
/// responses use that too.
fn static_name(name: &HeaderName) -> Option<(u64, Option<&'static [u8]>)> {
    Some(match *name {
        header::AGE => (2, None),
        header::CONTENT_DISPOSITION => (3, None),
        header::CONTENT_LENGTH => (4, None),
        header::DATE => (6, None),
        header::ETAG => (7, None),
        header::LAST_MODIFIED => (10, None),
        header::LINK => (11, None),
        header::LOCATION => (12, None),
        header::SET_COOKIE => (14, None),
        header::ACCEPT_RANGES => (32, Some(b"bytes")),
        header::ACCESS_CONTROL_ALLOW_HEADERS => (75, Some(b"*")),
        header::ACCESS_CONTROL_ALLOW_ORIGIN => (35, Some(b"*")),
        header::CACHE_CONTROL => (40, Some(b"no-store")),
        header::CONTENT_ENCODING => (43, Some(b"gzip")),
        header::CONTENT_TYPE => (46, Some(b"application/json")),
        header::STRICT_TRANSPORT_SECURITY => (56, None),
        header::VARY => (59, Some(b"accept-encoding")),
        header::X_CONTENT_TYPE_OPTIONS => (61, Some(b"nosniff")),
        header::ACCESS_CONTROL_ALLOW_METHODS => (76, None),
        header::ACCESS_CONTROL_EXPOSE_HEADERS => (79, None),
        header::ALT_SVC => (83, None),
        header::CONTENT_SECURITY_POLICY => (85, None),
        header::SERVER => (92, None),
        _ => return None,
    })
}

/// A string literal without Huffman's code.
fn put_string(section: &mut BytesMut, text: &[u8]) {
    put_integer(section, 0, 7, text.len() as u64);
    section.put_slice(text);
}

/// An integer behind the bits of `first` in its byte (RFC 7541 section 5.1).
fn put_integer(section: &mut BytesMut, first: u8, prefix_bits: u32, value: u64) {
    let most = (1_u64 << prefix_bits) - 1;
    if value < most {
        return section.put_u8(first | value as u8);
    }
    section.put_u8(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        section.put_u8(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    section.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, fields: &[(&'static str, &str)], expected: &[u8]) {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let frame = headers_frame(StatusCode::from_u16(status).unwrap(), &map).unwrap();
        assert_eq!(&frame[..2], [0x01, u8::try_from(expected.len()).unwrap()]);
        assert_eq!(&frame[2..], expected, "{status} {fields:?}");
    }

    #[test]
    fn sections_are_written_as_the_rfc_shows() {
        check(200, &[], b"\x00\x00\xd9");
        check(418, &[], b"\x00\x00\x5f\x09\x03418");
        check(206, &[("accept-ranges", "bytes")], b"\x00\x00\xff\x02\xe0");
        check(200, &[("age", "7"), ("vary", "origin")], b"\x00\x00\xd9\x52\x017\x5f\x2c\x06origin");
        check(200, &[("x-own", "")], b"\x00\x00\xd9\x25x-own\x00");
        check(200, &[("x-long-name", "v")], b"\x00\x00\xd9\x27\x04x-long-name\x01v");
    }

    #[test]
    fn values_that_must_not_be_indexed_say_so() {
        let mut value = HeaderValue::from_static("1");
        value.set_sensitive(true);
        let map = HeaderMap::from_iter([(HeaderName::from_static("x-id"), value)]);
        let frame = headers_frame(StatusCode::OK, &map).unwrap();
        assert_eq!(&frame[2..], b"\x00\x00\xd9\x34x-id\x011");
    }

    #[test]
    fn large_sections_are_left_to_who_knows_the_limits() {
        let value = HeaderValue::from_str(&"v".repeat(LARGEST)).unwrap();
        let map = HeaderMap::from_iter([(header::SERVER, value)]);
        assert!(headers_frame(StatusCode::OK, &map).is_none());
    }

    #[test]
    fn integers_grow_as_rfc_7541_shows() {
        for (first, bits, value, expected) in
            [(0, 5, 10, &[0x0a][..]), (0, 5, 1337, &[0x1f, 0x9a, 0x0a]), (0, 8, 42, &[0x2a])]
        {
            let mut written = BytesMut::new();
            put_integer(&mut written, first, bits, value);
            assert_eq!(written, expected, "{value}");
        }
    }
}
