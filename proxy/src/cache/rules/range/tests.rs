//! Ranges.

use super::*;
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::testing::fields;

fn parse(value: &str) -> RangeRequest {
    RangeRequest::parse(&fields(&[&format!("Range: {value}")]), None)
}

fn range(start: u64, end: u64) -> ByteRange {
    ByteRange { start, end }
}

#[test]
fn well_formed_ranges_are_read() {
    use RangeSpec::{From, FromTo, Suffix};
    let check = |value: &str, specs: &[RangeSpec]| {
        let expected = match specs {
            [one] => RangeRequest::One(*one),
            many => RangeRequest::Many(many.to_vec()),
        };
        assert_eq!(parse(value), expected, "{value}");
    };
    check("bytes=0-499", &[FromTo(0, 499)]);
    check("Bytes=500-", &[From(500)]);
    check("bytes=-500", &[Suffix(500)]);
    check("bytes=0-0,-1", &[FromTo(0, 0), Suffix(1)]);
    check("bytes= 0-1 ,, 5-6 ,", &[FromTo(0, 1), FromTo(5, 6)]);
    check("bytes=0-99999999999999999999999", &[FromTo(0, u64::MAX)]);
    check("bytes=18446744073709551615-", &[From(u64::MAX)]);
}

#[test]
fn a_range_that_is_invalid_in_any_part_is_ignored() {
    // RFC 9110 section 14.2.
    let many = format!("bytes={}", "0-1,".repeat(MAX_ASKED_RANGES + 1));
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,x",
        "bytes=0-1,5-4",
        "items=0-5",
        "bytes=0 - 5",
        "bytes=+0-5",
        "bytes=0x0-5",
        "bytes=--5",
        "bytes=1-2-3",
        "0-5",
        "bytes=0-5;x",
        "bytes =0-5",
        &many,
    ] {
        assert_eq!(parse(value), RangeRequest::Whole, "{value}");
    }
    assert_eq!(RangeRequest::parse(&fields(&[]), None), RangeRequest::Whole);
    let twice = fields(&["Range: bytes=0-1", "Range: bytes=2-3"]);
    assert_eq!(RangeRequest::parse(&twice, None), RangeRequest::Whole);
}

#[test]
fn if_range_holds_for_the_same_strong_entity_tag_only() {
    let check = |if_range: &[&str], etag: Option<&'static str>, part: bool| {
        let etag = etag.and_then(|etag| EntityTag::parse(&HeaderValue::from_static(etag)));
        let lines: Vec<&str> = if_range.iter().copied().chain(["Range: bytes=0-1"]).collect();
        let request = RangeRequest::parse(&fields(&lines), etag.as_ref());
        assert_eq!(request != RangeRequest::Whole, part, "{if_range:?} {etag:?}");
    };
    check(&[], None, true);
    check(&["If-Range: \"a\""], Some("\"a\""), true);
    check(&["If-Range: \"b\""], Some("\"a\""), false);
    check(&["If-Range: \"a\""], None, false);
    check(&["If-Range: W/\"a\""], Some("\"a\""), false);
    check(&["If-Range: W/\"a\""], Some("W/\"a\""), false);
    check(&["If-Range: \"a\""], Some("W/\"a\""), false);
    check(&["If-Range: Tue, 14 Nov 2023 22:13:00 GMT"], Some("\"a\""), false);
    check(&["If-Range: *"], Some("\"a\""), false);
    check(&["If-Range: \"a\"", "If-Range: \"a\""], Some("\"a\""), false);
}

#[test]
fn ranges_are_cut_to_what_exists() {
    let check = |value: &str, length: u64, expected: Resolved| {
        assert_eq!(parse(value).resolve(Some(length)), expected, "{value} of {length}");
    };
    let single = |start, end| Resolved::Single(range(start, end));
    check("bytes=0-499", 1000, single(0, 500));
    check("bytes=0-0", 1000, single(0, 1));
    check("bytes=0-", 1000, single(0, 1000));
    check("bytes=999-", 1000, single(999, 1000));
    check("bytes=500-99999", 1000, single(500, 1000));
    check("bytes=-1", 1000, single(999, 1000));
    check("bytes=-5000", 1000, single(0, 1000)); // section 14.1.2: the whole
    check("bytes=1000-", 1000, Resolved::Unsatisfiable);
    check("bytes=5000-6000", 1000, Resolved::Unsatisfiable);
    check("bytes=-0", 1000, Resolved::Unsatisfiable);
    check("bytes=5000-,0-1", 1000, single(0, 2)); // one of them exists
    check("bytes=0-1", 0, Resolved::Unsatisfiable);
    check("bytes=-1", 0, Resolved::Whole);
    check("bytes=0-18446744073709551615", u64::MAX, single(0, u64::MAX));
    check("nonsense", 1000, Resolved::Whole);
}

#[test]
fn nothing_is_said_before_the_length_is_known() {
    for value in ["bytes=0-1", "bytes=5-", "bytes=-5", "bytes=0-1,5-6"] {
        assert_eq!(parse(value).resolve(None), Resolved::NeedsLength, "{value}");
    }
    assert_eq!(RangeRequest::Whole.resolve(None), Resolved::Whole);
}

#[test]
fn overlapping_and_near_ranges_are_joined_and_the_order_stays() {
    let check = |value: &str, expected: &[(u64, u64)]| {
        let expected: Vec<_> = expected.iter().map(|(start, end)| range(*start, *end)).collect();
        let resolved = match expected.as_slice() {
            [one] => Resolved::Single(*one),
            _ => Resolved::Multi(expected),
        };
        assert_eq!(parse(value).resolve(Some(10_000)), resolved, "{value}");
    };
    check("bytes=0-9,1000-1009", &[(0, 10), (1000, 1010)]);
    check("bytes=1000-1009,0-9", &[(1000, 1010), (0, 10)]); // section 15.3.7.2
    check("bytes=0-99,50-149", &[(0, 150)]);
    check("bytes=0-99,100-199", &[(0, 200)]);
    check("bytes=0-99,180-199", &[(0, 200)]);
    check("bytes=0-99,181-199", &[(0, 100), (181, 200)]);
    check("bytes=0-,0-,0-,-1", &[(0, 10_000)]);
    check("bytes=0-9,1000-1009,2000-2009,5-1500", &[(0, 1501), (2000, 2010)]);
    check("bytes=2000-2009,1000-1009,0-9,5-1500", &[(2000, 2010), (0, 1501)]);
}

#[test]
fn too_many_parts_are_sent_as_the_whole() {
    let ask = |count: usize| {
        let specs: Vec<String> = (0..count).map(|index| format!("{0}-{0}", index * 1000)).collect();
        parse(&format!("bytes={}", specs.join(","))).resolve(Some(1_000_000))
    };
    assert!(matches!(ask(MAX_PARTS), Resolved::Multi(parts) if parts.len() == MAX_PARTS));
    assert_eq!(ask(MAX_PARTS + 1), Resolved::Whole);
}

#[test]
fn content_range_counts_inclusively() {
    assert_eq!(range(0, 500).content_range(1234), "bytes 0-499/1234");
    assert_eq!(unsatisfied_content_range(1234), "bytes */1234");
}

#[test]
fn a_multipart_frame_has_the_length_it_promises() {
    let kind = HeaderValue::from_static("video/mp4");
    let multipart = Multipart::new(&[range(0, 2), range(1000, 1003)], 5000, Some(&kind), 0xabc);
    let mut body = Vec::new();
    for (head, part) in &multipart.parts {
        body.extend_from_slice(head);
        body.extend(std::iter::repeat_n(b'x', usize::try_from(part.length()).unwrap()));
    }
    body.extend_from_slice(&multipart.tail);
    assert_eq!(body.len() as u64, multipart.content_length);
    let boundary = "00000000000000000000000000000abc";
    assert_eq!(multipart.content_type, format!("multipart/byteranges; boundary={boundary}"));
    let expected = format!(
        "--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-1/5000\r\n\r\nxx\r\n\
         --{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 1000-1002/5000\r\n\r\nxxx\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    let plain = Multipart::new(&[range(0, 1), range(500, 501)], 1000, None, 1);
    assert!(!plain.parts[0].0.windows(12).any(|window| window == b"Content-Type"));
}
