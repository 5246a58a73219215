//! What is read of requests, and what is not.

use super::*;

fn of_query(query: &str) -> Option<Cmcd> {
    Cmcd::of(Some(query.as_bytes()), &HeaderMap::new())
}

fn of_fields(fields: &[(&'static str, &str)]) -> Option<Cmcd> {
    let lines = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    Cmcd::of(None, &lines.collect())
}

/// As the query says it once percent-encoded, and as a field says it.
fn both(text: &str) -> Cmcd {
    let encoded: String = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).collect();
    let query = of_query(&format!("a=b&CMCD={encoded}&c")).unwrap();
    let field = of_fields(&[("cmcd-request", text)]).unwrap();
    assert_eq!(query, field, "{text}");
    query
}

fn kbps(kilobits: u64) -> Option<Kbps> {
    Some(Kbps::new(kilobits).unwrap())
}

#[test]
fn request_without_cmcd_says_nothing() {
    let check = |query: Option<&str>| {
        assert_eq!(Cmcd::of(query.map(str::as_bytes), &HeaderMap::new()), None, "{query:?}");
    };
    check(None);
    check(Some(""));
    check(Some("cmcd=bs"));
    check(Some("a=CMCD=bs&XCMCD=bs&CMCD"));
}

#[test]
fn keys_of_their_types_are_read() {
    let all = both(
        "bl=21300,br=3200,bs,cid=\"faec5fc2-ac30-11ea,bb37\",d=4004,dl=18500,mtp=48100,nor=\"..%2F300kbps%2Ftrack.m4v\",\
         nrr=\"12323-48763\",ot=v,pr=1.08,rtp=12000,sf=d,sid=\"6e2fb550-c457\",st=l,su,tb=6000,com.example-x=\"bs\"",
    );
    let next = NextObject {
        reference: Some("../300kbps/track.m4v".to_owned()),
        range: Some(NextRange::Between(12_323, 48_763)),
    };
    let expected = Cmcd {
        object_type: Some(ObjectType::Video),
        stream_type: Some(StreamType::Live),
        bitrate: kbps(3200),
        buffer_length: Some(Duration::from_millis(21_300)),
        buffer_starved: true,
        startup: true,
        measured_throughput: kbps(48_100),
        requested_throughput: kbps(12_000),
        next: Some(next),
    };
    assert_eq!(all, expected);
}

#[test]
fn object_types_are_those_of_the_standard() {
    let check = |token: &str, expected: ObjectType| {
        assert_eq!(both(&format!("ot={token}")).object_type, Some(expected), "{token}");
    };
    check("m", ObjectType::Manifest);
    check("a", ObjectType::Audio);
    check("v", ObjectType::Video);
    check("av", ObjectType::Muxed);
    check("i", ObjectType::Init);
    check("c", ObjectType::Text);
    check("tt", ObjectType::Text);
    check("k", ObjectType::Key);
    check("o", ObjectType::Other);
    check("vv", ObjectType::Other);
    check("V", ObjectType::Other);
}

#[test]
fn what_is_ill_typed_or_absurd_counts_as_unsaid() {
    let texts = [
        "br",
        "br=?1",
        "br=\"3200\"",
        "br=3200.5",
        "br=-1",
        "br=+1",
        "br=0",
        "br=100000001",
        "br=9999999999999999",
        "br=3200;v",
        "br=(3200 128)",
        "br= 3200",
        "bl=86400001",
        "bl=1e3",
        "rtp=x",
        "mtp=",
        "bs=1",
        "bs=true",
        "bs=?0",
        "bs=\"?1\"",
        "su=x",
        "ot=\"v\"",
        "ot",
        "ot=",
        "st=x",
        "st=V",
        "BR=3200",
        "=5",
        ",,,",
        "",
        "bs x",
    ];
    for text in texts {
        assert_eq!(both(text), Cmcd::default(), "{text}");
    }
}

#[test]
fn a_wrong_member_spoils_no_other() {
    let check = |text: &str| assert_eq!(both(text).bitrate, kbps(5), "{text}");
    check("bs=x,br=5");
    check("br=x,br=5,br=6");
    check(" br=5\t, ");
    check("cid=\"a,br=6\",br=5");
    check("cid=\"a\\\",br=6\",br=5");
    check("x=\"a\\\\\",br=5");
    check("br=5,sid=\"never closed,br=6");
}

#[test]
fn fields_go_before_the_query() {
    let mut fields = HeaderMap::new();
    fields.append("cmcd-session", "sid=\"x\"".parse().unwrap());
    fields.append("cmcd-object", "br=1".parse().unwrap());
    fields.append("cmcd-object", "br=2,ot=a".parse().unwrap());
    let cmcd = Cmcd::of(Some(b"CMCD=br%3D3%2Cbs%2Cot%3Dv"), &fields).unwrap();
    assert_eq!((cmcd.bitrate, cmcd.object_type, cmcd.buffer_starved), (kbps(1), Some(ObjectType::Audio), true));
}

#[test]
fn next_object_is_a_relative_reference_without_host() {
    let check = |nor: &str, expected: Option<&str>| {
        let next = both(&format!("nor=\"{nor}\"")).next;
        assert_eq!(next.and_then(|next| next.reference).as_deref(), expected, "{nor}");
    };
    check("seg2.m4s", Some("seg2.m4s"));
    check("seg%202.m4s", None);
    check("seg%25202.m4s", Some("seg%202.m4s"));
    check("/a/b?c=d:e", Some("/a/b?c=d:e"));
    check("%2Fa%2Fb%3Fc%3Dd", Some("/a/b?c=d"));
    check("?b", Some("?b"));
    check("./a:b", Some("./a:b"));
    for hostile in [
        "https://evil.test/a",
        "HTTPS:a",
        "%2F%2Fevil.test%2Fa",
        "//evil.test/a",
        "\\\\\\\\evil.test",
        "%5C%5Cevil.test",
        "a%00b",
        "a%0d%0ab",
        "a#b",
        "%ff",
        "",
        "data:x",
        "a%7Fb",
    ] {
        check(hostile, None);
    }
    check(&"a".repeat(1024), Some(&"a".repeat(1024)));
    check(&"a".repeat(1025), None);
}

#[test]
fn next_range_is_one_range_of_bytes() {
    let check = |nrr: &str, expected: Option<&str>| {
        let next = both(&format!("nrr=\"{nrr}\"")).next;
        let range = next.and_then(|next| next.range).map(NextRange::to_range);
        assert_eq!(range.as_deref(), expected, "{nrr}");
    };
    check("0-0", Some("bytes=0-0"));
    check("12323-48763", Some("bytes=12323-48763"));
    check("5-", Some("bytes=5-"));
    check("-500", Some("bytes=-500"));
    for wrong in ["", "-", "5", "6-5", "-0", "a-b", "0-1,3-4", "bytes=0-1", "1--2", "0-1234567890123456", " 0-1"] {
        check(wrong, None);
    }
    assert_eq!(both("nrr=\"0-5\"").next.unwrap().reference, None, "the same object");
}

#[test]
fn target_without_cmcd_keeps_everything_else_as_it_was() {
    let check = |target: &str, expected: Option<&str>| {
        let without = without_argument(target.as_bytes()).map(|target| String::from_utf8(target).unwrap());
        assert_eq!(without.as_deref(), expected, "{target}");
    };
    check("/a", None);
    check("/CMCD=bs", None);
    check("/a?cmcd=bs&CMCD", None);
    check("/a?CMCD=bs", Some("/a"));
    check("/a?CMCD=", Some("/a"));
    check("/a?b=%zz&CMCD=bs&&c=?CMCD=", Some("/a?b=%zz&&c=?CMCD="));
    check("/a?CMCD=bs&CMCD=su", Some("/a"));
}

#[test]
fn no_more_is_read_than_the_bounds_allow() {
    let many = format!("{}br=5", "x=1,".repeat(MAX_KEYS));
    assert_eq!(both(&many).bitrate, None);
    let just = format!("{}br=5", "x=1,".repeat(MAX_KEYS - 1));
    assert_eq!(both(&just).bitrate, kbps(5));
    let long = format!("br=5,x=\"{}\"", "a".repeat(MAX_BYTES));
    assert_eq!(both(&long), Cmcd::default());
    // Each line by itself; a short one behind a long one still counts.
    let cmcd = of_fields(&[("cmcd-request", &long), ("cmcd-object", "br=7")]).unwrap();
    assert_eq!(cmcd.bitrate, kbps(7));
}
