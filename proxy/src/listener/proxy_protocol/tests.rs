//! Headers as proxies send them, and as they must not.

use proptest::prelude::*;

use super::*;

/// A header of version 2 with this rest.
fn version2(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[version_and_command, family], &length, rest].concat()
}

fn ipv4() -> Vec<u8> {
    vec![192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb]
}

fn ipv6(client: &str) -> Vec<u8> {
    let client: std::net::Ipv6Addr = client.parse().unwrap();
    [client.octets().as_slice(), &[0; 16], &[0x12, 0x67], &[0x01, 0xbb]].concat()
}

fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), value].concat()
}

/// A header of version 2 whose last extension is its checksum, changed by `damage`.
fn summed(damage: u32) -> Vec<u8> {
    let rest = [ipv4(), extension(0x01, b"h2"), extension(0x03, &[0; 4])].concat();
    let mut header = version2(0x21, 0x11, &rest);
    let sum = crc32c::crc32c(&[&header]) ^ damage;
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

/// What comes of a header followed by a request, split in two at every place.
fn check(header: &[u8], expected: Result<Told, ProxyProtocolError>) {
    let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
    for split in 0..=header.len() {
        let mut decoder = Decoder::default();
        let shown = header.escape_ascii();
        let found = match decoder.feed(&bytes[..split]) {
            Ok(Progress::More) => decoder.feed(&bytes[split..]).map(|progress| (split, progress)),
            other => other.map(|progress| (0, progress)),
        };
        match (found, expected) {
            (Ok((before, Progress::Done(taken, told))), Ok(expected)) => {
                assert_eq!(told, expected, "{shown}");
                assert_eq!(before + taken, header.len(), "what follows is left: {shown}");
            }
            (found, expected) => assert_eq!(found.map(|_| ()), expected.map(|_| ()), "{shown} split at {split}"),
        }
    }
}

fn client(address: &str) -> Result<Told, ProxyProtocolError> {
    Ok(Told::Client(address.parse().unwrap()))
}

#[test]
fn lines_of_version_1_are_read() {
    check(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", client("192.0.2.7:4711"));
    check(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", client("[2001:db8::7]:4711"));
    check(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", client("192.0.2.7:0"));
    check(b"PROXY UNKNOWN\r\n", Ok(Told::Itself));
    check(b"PROXY UNKNOWN whatever stands here\r\n", Ok(Told::Itself));
    let longest = [b"PROXY UNKNOWN ".as_slice(), &[b'f'; 91], b"\r\n"].concat();
    assert_eq!(longest.len(), 107);
    check(&longest, Ok(Told::Itself));
}

#[test]
fn lines_that_are_not_version_1_are_refused() {
    let malformed = [
        "PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 1\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 4711 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +4711 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 04711 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1  443\r\n",
        "PROXY TCP4 192.0.2.07 198.51.100.1 4711 443\r\n",
        "PROXY TCP4 192.0.2 198.51.100.1 4711 443\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 4711 443\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 4711 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n",
        "PROXY TCP4 192.0.2.7\r198.51.100.1 4711 443\r\n",
        "PROXY UNKNOWN \u{e9}\u{0}\r\r\n",
    ];
    for line in malformed {
        check(line.as_bytes(), Err(ProxyProtocolError::Malformed));
    }
    check(b"PROXY UNKNOWN \xff\r\n", Err(ProxyProtocolError::Malformed));
    check(&[b"PROXY UNKNOWN ".as_slice(), &[b'f'; 92], b"\r\n"].concat(), Err(ProxyProtocolError::TooLong));
}

#[test]
fn headers_of_version_2_are_read() {
    check(&version2(0x21, 0x11, &ipv4()), client("192.0.2.7:4711"));
    check(&version2(0x21, 0x21, &ipv6("2001:db8::7")), client("[2001:db8::7]:4711"));
    check(&version2(0x21, 0x21, &ipv6("::ffff:192.0.2.7")), client("192.0.2.7:4711"));
    check(&version2(0x21, 0x31, &[0; 216]), Ok(Told::Itself));
    check(&version2(0x21, 0x00, b"anything"), Ok(Told::Itself));
    check(&version2(0x20, 0x00, b""), Ok(Told::Itself));
    check(&version2(0x20, 0x11, b"no addresses"), Ok(Told::Itself));
    let extended = [ipv4(), extension(0x02, b"media.example"), extension(0xea, &[7; 300]), extension(0x04, b"")];
    check(&version2(0x21, 0x11, &extended.concat()), client("192.0.2.7:4711"));
    check(&summed(0), client("192.0.2.7:4711"));
}

#[test]
fn headers_that_are_not_version_2_are_refused() {
    use ProxyProtocolError::{Checksum, Malformed, Missing, TooLong, Unsupported};
    check(&version2(0x11, 0x11, &ipv4()), Err(Unsupported));
    check(&version2(0x22, 0x11, &ipv4()), Err(Unsupported));
    check(&version2(0x21, 0x12, &ipv4()), Err(Unsupported));
    check(&version2(0x21, 0x41, &ipv4()), Err(Unsupported));
    check(&version2(0x21, 0x11, &ipv4()[..11]), Err(Malformed));
    check(&version2(0x21, 0x21, &ipv4()), Err(Malformed));
    check(&version2(0x21, 0x31, &[0; 215]), Err(Malformed));
    check(&version2(0x21, 0x11, &[ipv4(), vec![1, 0]].concat()), Err(Malformed));
    check(&version2(0x21, 0x11, &[ipv4(), vec![1, 0, 5, b'x']].concat()), Err(Malformed));
    check(&version2(0x21, 0x11, &[ipv4(), extension(0x03, b"abc")].concat()), Err(Malformed));
    check(&version2(0x21, 0x11, &[0; 4097]), Err(TooLong));
    check(&summed(1), Err(Checksum));
    check(b"\r\n\r\n\0\r\nQUIZ\n!\x11\0\0", Err(Missing));
}

#[test]
fn what_begins_differently_is_no_header() {
    for bytes in
        ["GET / HTTP/1.1\r\n", "PROX", "PROXYTCP4", "proxy TCP4 ", "PRI * HTTP/2.0", "\r\n\r\nGET", "\u{16}\u{3}\u{1}"]
    {
        check(bytes.as_bytes(), Err(ProxyProtocolError::Missing));
    }
}

/// Bytes that are like headers, and others.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let version2 = (any::<u8>(), any::<u8>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..400)).prop_map(
        |(command, family, length, rest)| {
            let length = length.to_be_bytes();
            [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command & 1, family & 0x33], &length, &rest].concat()
        },
    );
    let version1 = "PROXY (TCP4|TCP6|UNKNOWN) [0-9a-f.: ]{0,110}(\r\n|\n)?".prop_map(String::into_bytes);
    prop_oneof![version1, version2, prop::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #[test]
    fn any_bytes_split_anywhere_come_to_the_same(bytes in any_bytes(), splits in prop::collection::vec(any::<u16>(), 0..5)) {
        let whole = Decoder::default().feed(&bytes);
        let mut splits: Vec<usize> = splits.iter().map(|at| usize::from(*at) % (bytes.len() + 1)).collect();
        splits.sort_unstable();
        splits.push(bytes.len());
        let (mut decoder, mut start, mut found) = (Decoder::default(), 0, Ok(Progress::More));
        for end in splits {
            found = match decoder.feed(&bytes[start..end]) {
                Ok(Progress::Done(taken, told)) => Ok(Progress::Done(start + taken, told)),
                other => other,
            };
            if found != Ok(Progress::More) {
                break;
            }
            start = end;
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn no_more_is_kept_than_the_longest_header(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let line = b"PROXY UNKNOWN ".as_slice();
        let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\0".as_slice();
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\xff\xff".as_slice();
        for (begin, longest) in [(line, 107), (binary, 16 + 4096), (local, 16)] {
            let mut decoder = Decoder::default();
            if decoder.feed(&[begin, &bytes].concat()) == Ok(Progress::More) {
                prop_assert!(begin.len() + bytes.len() < longest);
            }
        }
    }
}
