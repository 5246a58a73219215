//! `Forwarded` by the grammar of RFC 7239.

use proptest::prelude::*;

use super::*;

/// The elements of these lines, nearest first, as text: the address or `-`, and the scheme where there is one. A
/// malformed one is `malformed`.
fn read(lines: &[&str]) -> Vec<String> {
    let mut fields = HeaderMap::new();
    for line in lines {
        fields.append(header::FORWARDED, http::HeaderValue::from_str(line).unwrap());
    }
    let shown = |element: Element| {
        let address = element.address.map_or("-".to_owned(), |address| address.to_string());
        element.scheme.map_or(address.clone(), |scheme| format!("{address} {}", scheme.as_str()))
    };
    elements(&fields).map(|element| element.map_or("malformed".to_owned(), shown)).collect()
}

fn check(lines: &[&str], expected: &[&str]) {
    assert_eq!(read(lines), expected, "{lines:?}");
}

#[test]
fn examples_of_the_rfc_are_read() {
    // Sections 4, 6.1, 6.2, 6.3 and 7.1.
    check(&[r#"for="_gazonk""#], &["-"]);
    check(&[r#"For="[2001:db8:cafe::17]:4711""#], &["2001:db8:cafe::17"]);
    check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], &["192.0.2.60 http"]);
    check(&["for=192.0.2.43, for=198.51.100.17"], &["198.51.100.17", "192.0.2.43"]);
    check(&[r#"for=192.0.2.43, for="[2001:db8:cafe::17]""#], &["2001:db8:cafe::17", "192.0.2.43"]);
    check(&["for=192.0.2.43", r#"for="[2001:db8:cafe::17]""#], &["2001:db8:cafe::17", "192.0.2.43"]);
    check(&[r#"for="192.0.2.43:47011""#], &["192.0.2.43"]);
    check(&["for=_hidden, for=_SEVKISEK"], &["-", "-"]);
    check(&["for=unknown"], &["-"]);
    check(&[r#"for=192.0.2.43, for="[2001:db8:cafe::17]", for=unknown"#], &["-", "2001:db8:cafe::17", "192.0.2.43"]);
}

#[test]
fn other_spellings_of_the_grammar_are_read() {
    check(&[r#"FOR="192.0.2.1";PROTO="HTTPS";host="a,b;c=\"d\\";by=_x"#], &["192.0.2.1 https"]);
    check(&["proto=https"], &["- https"]);
    check(&["proto=gopher;for=192.0.2.1"], &["192.0.2.1"]);
    check(&["for=192.0.2.1;secret=x;other=\"y\""], &["192.0.2.1"]);
    check(&[" for=192.0.2.1 , , for=192.0.2.2 ,"], &["192.0.2.2", "192.0.2.1"]);
    check(&["for=192.0.2.1; proto=https"], &["192.0.2.1 https"]);
    check(&[r#"for="192.0.2.1:_port", for="unknown:80", for="_a:_b""#], &["-", "-", "192.0.2.1"]);
    check(&[r#"for="[::ffff:192.0.2.1]""#], &["192.0.2.1"]);
    check(&[r#"for="1\92.0.2.1""#], &["192.0.2.1"]);
    check(&["", ","], &[]);
}

#[test]
fn what_the_grammar_does_not_allow_is_malformed() {
    let malformed = [
        "for",
        "for=",
        "=192.0.2.1",
        "for =192.0.2.1",
        "for= 192.0.2.1",
        "for=192.0.2.1;",
        "for=192.0.2.1;;proto=http",
        "for=192.0.2.1;for=192.0.2.2",
        "proto=http;proto=https",
        "for=192.0.2.1:80",
        "for=[2001:db8::1]",
        r#"for="2001:db8::1""#,
        r#"for="[2001:db8::1""#,
        r#"for="[2001:db8::1]80""#,
        r#"for="[192.0.2.1]""#,
        r#"for="192.0.2.1:""#,
        r#"for="192.0.2.1:123456""#,
        r#"for="192.0.2.1:8o""#,
        "for=192.0.2",
        "for=192.0.2.1.example",
        "for=_",
        r#"for="_a b""#,
        r#"for="192.0.2.1" x"#,
        r#"for="192.0.2.1"#,
        "a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;for=192.0.2.1",
    ];
    for element in malformed {
        check(&[element], &["malformed"]);
    }
}

#[test]
fn nothing_that_a_client_writes_reaches_over_what_a_proxy_appended() {
    for forged in [
        r#"for=""#,
        r#"for="\"#,
        r#"for="x, for=192.0.2.66"#,
        r#"","#,
        r#"for="[2001:db8::1"#,
        "for=192.0.2.66;",
        ";;;",
        r#"\"\"\""#,
    ] {
        let line = format!("{forged}, for=192.0.2.1;proto=https");
        assert_eq!(read(&[&line]).first().map(String::as_str), Some("192.0.2.1 https"), "{line}");
        let quoted = format!(r#"{forged}, for="[2001:db8::7]:80";host="a\"b""#);
        assert_eq!(read(&[&quoted]).first().map(String::as_str), Some("2001:db8::7"), "{quoted}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
        let mut fields = HeaderMap::new();
        for value in lines.iter().filter_map(|line| http::HeaderValue::from_bytes(line).ok()) {
            fields.append(header::FORWARDED, value);
        }
        prop_assert!(elements(&fields).count() <= lines.iter().map(|line| line.len() + 1).sum());
    }

    #[test]
    fn what_is_well_formed_survives_whatever_stands_before(
        forged in r#"[a-z0-9=;,"\\ \[\]:._-]{0,40}"#,
        address in any::<Ipv6Addr>(),
        port in any::<u16>(),
    ) {
        let line = format!(r#"{forged}, for="[{address}]:{port}";proto=http"#);
        let nearest = read(&[&line]).into_iter().next();
        prop_assert_eq!(nearest, Some(format!("{} http", IpAddr::V6(address).to_canonical())));
    }
}
