//! Who gets what coded, and how that is described.

use std::io::Read;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tidegate_config::ids::CachePolicyName;
use tidegate_config::model::CompressionRules;

use super::*;

const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn client_gets_the_coding_that_it_likes_best_and_among_equals_ours() {
    let check = |lines: &[&str], expected: Option<Coding>| {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(negotiate(&request, &ALL), expected, "{lines:?}");
    };
    check(&[], None);
    check(&[""], None);
    check(&["gzip, deflate, br, zstd"], Some(Coding::Zstd));
    check(&["gzip, deflate, br"], Some(Coding::Brotli));
    check(&["gzip", "br"], Some(Coding::Brotli));
    check(&["GZip"], Some(Coding::Gzip));
    check(&["x-gzip"], Some(Coding::Gzip));
    check(&["deflate, compress, dcb"], None);
    check(&["gzip;q=1.0, br;q=0.9"], Some(Coding::Gzip));
    check(&["gzip;q=0.001, br;q=0"], Some(Coding::Gzip));
    check(&["gzip ; q=0.5, br;Q=0.4"], Some(Coding::Gzip));
    check(&["gzip;q=0"], None);
    check(&["*"], Some(Coding::Zstd));
    check(&["*;q=0"], None);
    check(&["*;q=0, gzip"], Some(Coding::Gzip));
    check(&["zstd;q=0, *"], Some(Coding::Brotli));
    check(&["identity;q=0, gzip;q=0.1"], Some(Coding::Gzip));
    check(&["identity, gzip;q=0.5"], None);
    check(&["identity;q=0.5, gzip;q=0.5"], Some(Coding::Gzip));
    check(&["identity;q=0"], None);
    for malformed in
        ["gzip;q=2", "gzip;q=0.1234", "gzip;q=", "gzip;q=a", "gzip;x=1", "gzip;q=1;x", "gzip;q=-1", ";", "gzip;q=1.001"]
    {
        check(&[malformed], None);
        check(&[malformed, "br"], Some(Coding::Brotli));
    }
    let long = format!("{}gzip", "x,".repeat(32));
    check(&[&long], None);
}

#[test]
fn policy_says_which_codings_there_are_and_which_goes_first() {
    let request = fields(&[("accept-encoding", "gzip, br, zstd")]);
    assert_eq!(negotiate(&request, &[Coding::Gzip, Coding::Zstd]), Some(Coding::Gzip));
    assert_eq!(negotiate(&request, &[]), None);
}

fn eligible(lines: &[(&'static str, &str)], length: Option<u64>, first: Option<&[u8]>) -> bool {
    let fields = fields(lines);
    let content = Content { status: StatusCode::OK, fields: &fields, path: "/a", length, first_bytes: first };
    is_eligible(&CompressionRules::default(), &[HeaderName::from_static("cdn-cache-control")], &content)
}

#[test]
fn text_and_playlists_gain_by_it_and_media_does_not() {
    let check = |content_type: &str, expected: bool| {
        let found = eligible(&[("content-type", content_type)], Some(5000), Some(b"....."));
        assert_eq!(found, expected, "{content_type}");
    };
    for text in [
        "text/html",
        "TEXT/vtt; charset=utf-8",
        "application/json",
        "application/ld+json",
        "image/svg+xml",
        "application/dash+xml ;x",
        "application/ttml+xml",
    ] {
        check(text, true);
    }
    for other in [
        "video/mp4",
        "video/mp2t",
        "audio/mp4",
        "application/mp4",
        "image/png",
        "application/octet-stream",
        "text/event-stream",
        "text",
        "text/",
        "+json",
        "application/pdf",
        "font/woff2",
        "",
    ] {
        check(other, false);
    }
    let playlist = |content_type, first: &[u8]| eligible(&[("content-type", content_type)], Some(5000), Some(first));
    assert!(playlist("application/vnd.apple.mpegurl", b"#EXTM3U\n#EXT-X-VERSION:3\n"));
    assert!(playlist("application/octet-stream", b"#EXTM3U\n#EXT-X-VERSION:3\n"));
    assert!(!playlist("application/vnd.apple.mpegurl", b"\x1f\x8b\x08\x00\x00"), "compressed already");
    assert!(eligible(&[], Some(5000), Some(b"#EXTM3U\n#EXT-X-VERSION:3\n")));
    assert!(eligible(&[("content-type", "application/x-mpegurl")], None, None), "before its first bytes");
}

#[test]
fn what_may_not_or_need_not_be_coded_is_left_alone() {
    let text = ("content-type", "text/html");
    let check = |more: &[(&'static str, &str)], length: Option<u64>, expected: bool| {
        let lines = [&[text], more].concat();
        assert_eq!(eligible(&lines, length, None), expected, "{more:?} {length:?}");
    };
    check(&[], Some(511), false);
    check(&[], Some(512), true);
    check(&[], Some(4 << 20), true);
    check(&[], Some((4 << 20) + 1), false);
    check(&[], None, true);
    check(&[("content-encoding", "gzip")], Some(5000), false);
    check(&[("content-encoding", "identity")], Some(5000), false);
    check(&[("content-range", "bytes 0-4/5")], Some(5000), false);
    check(&[("cache-control", "max-age=5, No-Transform")], Some(5000), false);
    check(&[("cdn-cache-control", "no-transform")], Some(5000), false);
    check(&[("cache-control", "max-age=5")], Some(5000), true);
    let fields = fields(&[text]);
    for status in [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_FOUND, StatusCode::NO_CONTENT] {
        let content = Content { status, fields: &fields, path: "/a", length: Some(5000), first_bytes: None };
        assert!(!is_eligible(&CompressionRules::default(), &[], &content), "{status}");
    }
}

#[test]
fn ranges_and_clients_that_forbid_it_get_content_as_it_is() {
    let mut policy = CachePolicy::plain(CachePolicyName::parse("p").unwrap());
    let stored = fields(&[("content-type", "text/html")]);
    let content =
        Content { status: StatusCode::OK, fields: &stored, path: "/a", length: Some(5000), first_bytes: None };
    let request = fields(&[("accept-encoding", "gzip")]);
    assert_eq!(choose(&policy, &request, &content), Choice::Never);
    policy.compression = Some(CompressionRules::default());
    let check = |lines: &[(&'static str, &str)], expected: Choice| {
        assert_eq!(choose(&policy, &fields(lines), &content), expected, "{lines:?}");
    };
    check(&[("accept-encoding", "gzip")], Choice::Coded(Coding::Gzip));
    check(&[], Choice::Plain);
    check(&[("accept-encoding", "gzip"), ("range", "bytes=0-5")], Choice::Plain);
    check(&[("accept-encoding", "gzip"), ("cache-control", "no-transform")], Choice::Plain);
    let media = Content { fields: &HeaderMap::new(), ..content };
    assert_eq!(choose(&policy, &request, &media), Choice::Never);
}

#[test]
fn what_is_coded_decodes_to_what_it_was() {
    let blocks = [Bytes::from("#EXTINF:4.0,\n".repeat(1000)), Bytes::from_static(b"end"), Bytes::new()];
    let whole = blocks.concat();
    for coding in ALL {
        for blocks in [&blocks[..], &blocks[2..], &[]] {
            let coded = encode(coding, blocks).unwrap();
            let mut decoded = Vec::new();
            match coding {
                Coding::Zstd => zstd::stream::copy_decode(&coded[..], &mut decoded).unwrap(),
                Coding::Brotli => drop(brotli::Decompressor::new(&coded[..], 4096).read_to_end(&mut decoded).unwrap()),
                Coding::Gzip => drop(flate2::read::GzDecoder::new(&coded[..]).read_to_end(&mut decoded).unwrap()),
            }
            let expected = if blocks.len() == 3 { &whole[..] } else { &[] };
            assert_eq!(decoded, expected, "{coding:?}");
            assert!(blocks.len() < 3 || coded.len() * 10 < whole.len(), "{coding:?}");
        }
    }
}

#[test]
fn coded_form_has_fields_of_its_own() {
    let stored = [
        ("content-type", "text/html"),
        ("content-length", "5000"),
        ("etag", "\"v1\""),
        ("accept-ranges", "bytes"),
        ("repr-digest", "sha-256=:x:"),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("vary", "Origin"),
    ];
    let check = |representation: Representation, unchanged: bool, expected: &[(&'static str, &str)]| {
        let mut found = fields(&stored);
        if unchanged {
            representation.describe_unchanged(&mut found)
        } else {
            representation.describe(&mut found)
        }
        let mut wanted = HeaderMap::new();
        for (name, value) in expected {
            wanted.append(*name, value.parse().unwrap());
        }
        assert_eq!(found, wanted, "{representation:?}");
    };
    check(Representation::Only, false, &stored);
    check(Representation::Plain, false, &[&stored[..], &[("vary", "Accept-Encoding")]].concat());
    let kept = [stored[0], stored[5], stored[6], ("vary", "Accept-Encoding"), ("etag", "W/\"v1\"")];
    check(Representation::Coded(Coding::Brotli), false, &[&kept[..], &[("content-encoding", "br")]].concat());
    check(Representation::Coded(Coding::Brotli), true, &kept);
}

#[test]
fn vary_names_accept_encoding_once_and_weak_tags_stay_as_they_are() {
    let check = |vary: &str, added: bool| {
        let stored = fields(&[("vary", vary), ("etag", "W/\"a\"")]);
        let lines: Vec<_> = Representation::Coded(Coding::Gzip).fields(&stored).collect();
        assert_eq!(lines.iter().any(|(name, _)| *name == header::VARY), added, "{vary}");
        assert!(lines.contains(&(header::ETAG, HeaderValue::from_static("W/\"a\""))));
    };
    check("Origin", true);
    check("Origin, ACCEPT-ENCODING ,x", false);
    check("x-accept-encoding", true);
}
