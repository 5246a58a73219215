//! Who a client is taken for, and what is said about it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use proptest::prelude::*;

use super::cdn_loop::CdnLoop;
use super::via::Via;
use super::{ClientIdentity, ForwardingFields, Peer, Route, chain};
use crate::cache::key::Scheme;

/// Fields of lines like `Name: value`.
fn fields(lines: &[&str]) -> HeaderMap {
    let field = |line: &&str| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    lines.iter().map(field).fold(HeaderMap::new(), |mut fields, (name, value)| {
        fields.append(name, value);
        fields
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Identifies over plaintext from `peer`; networks 10/8 and fd00::/8 are trusted.
fn identify(peer: &str, lines: &[&str]) -> ClientIdentity {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    chain::identify(&trusted, Peer { address: address(peer), scheme: Scheme::Http }, &fields(lines))
}

/// The client and the proxies, separated by spaces.
fn check(peer: &str, lines: &[&str], expected: &str) {
    let found = identify(peer, lines);
    let shown: Vec<String> = [found.address].iter().chain(&found.proxies).map(ToString::to_string).collect();
    assert_eq!(shown.join(" "), expected, "{peer}: {lines:?}");
}

#[test]
fn nobody_but_a_trusted_proxy_is_believed() {
    check("192.0.2.9", &["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"], "192.0.2.9");
    check("::ffff:192.0.2.9", &["X-Forwarded-For: 192.0.2.1"], "192.0.2.9");
    check("10.0.0.1", &[], "10.0.0.1");
    check("10.0.0.1", &["X-Forwarded-For: 192.0.2.1"], "192.0.2.1 10.0.0.1");
    check("::ffff:10.0.0.1", &["X-Forwarded-For: 192.0.2.1"], "192.0.2.1 10.0.0.1");
    check("fd00::1", &["Forwarded: for=192.0.2.1"], "192.0.2.1 fd00::1");
}

#[test]
fn the_nearest_hop_that_is_not_trusted_is_the_client() {
    check("10.0.0.1", &["X-Forwarded-For: 192.0.2.66, 192.0.2.1"], "192.0.2.1 10.0.0.1");
    check("10.0.0.1", &["X-Forwarded-For: 192.0.2.66, 192.0.2.1, 10.0.0.2"], "192.0.2.1 10.0.0.2 10.0.0.1");
    check("10.0.0.1", &["X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 192.0.2.1"], "192.0.2.1 10.0.0.1");
    check("10.0.0.1", &["Forwarded: for=192.0.2.66, for=192.0.2.1;by=_a, for=10.9.9.9"], "192.0.2.1 10.9.9.9 10.0.0.1");
    check("10.0.0.1", &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], "10.0.0.3 10.0.0.2 10.0.0.1");
    check("10.0.0.1", &["X-Forwarded-For: 2001:db8::1, [fd00::7]:80"], "2001:db8::1 fd00::7 10.0.0.1");
}

#[test]
fn what_cannot_be_read_ends_the_walk_at_the_last_believable_hop() {
    for wrong in ["nonsense", "unknown", "_hidden", "192.0.2.1.2", "192.0.2.1 192.0.2.2", "\u{1}"] {
        let Ok(value) = HeaderValue::from_str(&format!("192.0.2.66, {wrong}, 10.0.0.2")) else { continue };
        check("10.0.0.1", &[&format!("X-Forwarded-For: {}", value.to_str().unwrap())], "10.0.0.2 10.0.0.1");
    }
    check("10.0.0.1", &["Forwarded: for=192.0.2.66, for=unknown, for=10.0.0.2"], "10.0.0.2 10.0.0.1");
    check("10.0.0.1", &["Forwarded: for=192.0.2.66, by=10.0.0.9, for=10.0.0.2"], "10.0.0.2 10.0.0.1");
    check("10.0.0.1", &["Forwarded: for=192.0.2.66, for==, for=10.0.0.2"], "10.0.0.2 10.0.0.1");
    check("10.0.0.1", &["Forwarded: for=_gazonk"], "10.0.0.1");
}

#[test]
fn fields_that_contradict_each_other_are_believed_as_far_as_they_agree() {
    check("10.0.0.1", &["Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1"], "192.0.2.1 10.0.0.1");
    check("10.0.0.1", &["Forwarded: for=192.0.2.66", "X-Forwarded-For: 192.0.2.1"], "10.0.0.1");
    check(
        "10.0.0.1",
        &["Forwarded: for=192.0.2.66, for=10.0.0.2", "X-Forwarded-For: 192.0.2.1, 10.0.0.2"],
        "10.0.0.2 10.0.0.1",
    );
    check("10.0.0.1", &["Forwarded: for=192.0.2.1, for=10.0.0.2", "X-Forwarded-For: 10.0.0.2"], "10.0.0.2 10.0.0.1");
}

#[test]
fn chains_are_followed_for_a_bounded_way() {
    let long = (0..1000).map(|number| format!("10.0.{}.{}", number / 250, number % 250)).collect::<Vec<_>>().join(",");
    let found = identify("10.0.0.1", &[&format!("X-Forwarded-For: 192.0.2.1,{long}")]);
    assert_eq!(found.proxies.len(), 16);
    assert_eq!(found.address, address("10.0.3.234"));
}

#[test]
fn the_scheme_is_what_the_trusted_proxy_was_asked() {
    let check = |peer: &str, lines: &[&str], expected: Scheme| {
        assert_eq!(identify(peer, lines).scheme, expected, "{peer}: {lines:?}");
    };
    use Scheme::{Http, Https};
    check("192.0.2.9", &["X-Forwarded-Proto: https"], Http);
    check("10.0.0.1", &["X-Forwarded-Proto: https"], Https);
    check("10.0.0.1", &["X-Forwarded-Proto: HTTPS", "X-Forwarded-For: 192.0.2.1"], Https);
    check("10.0.0.1", &["Forwarded: for=192.0.2.1;proto=https"], Https);
    check("10.0.0.1", &["Forwarded: for=192.0.2.66;proto=https, for=192.0.2.1;proto=http"], Http);
    check("10.0.0.1", &["X-Forwarded-Proto: gopher"], Http);
    check("10.0.0.1", &["X-Forwarded-Proto: "], Http);
    // One for each hop, the client's own choice of words on the left.
    check("10.0.0.1", &["X-Forwarded-Proto: https, http", "X-Forwarded-For: 192.0.2.66, 192.0.2.1"], Http);
    check("10.0.0.1", &["X-Forwarded-Proto: https, http", "X-Forwarded-For: 192.0.2.1, 10.0.0.2"], Https);
    check("10.0.0.1", &["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], Https);
    // However many of them, what the proxy appended is the last.
    for forged in 1..40 {
        let list = format!("X-Forwarded-Proto: {}http", "https, ".repeat(forged));
        check("10.0.0.1", &[&list, "X-Forwarded-For: 192.0.2.1"], Http);
        check("10.0.0.1", &["X-Forwarded-Proto: https", &list], Http);
    }
    // Contradictions leave what the connection itself has.
    check("10.0.0.1", &["Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-Proto: http"], Http);
    check("10.0.0.1", &["Forwarded: for=192.0.2.1;proto=http", "X-Forwarded-Proto: https"], Http);
}

/// What an origin is told, as lines.
fn told(route: Route<'_>, host: &str) -> Vec<String> {
    let host = HeaderValue::from_str(host).unwrap();
    let fields = ForwardingFields::new(route, Some(&host)).into_iter();
    fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect()
}

fn client<'a>(text: &str, proxies: &'a [IpAddr], scheme: Scheme, connection: Scheme) -> Route<'a> {
    Route::Client { address: address(text), scheme, proxies, connection }
}

#[test]
fn origins_are_told_of_the_client_in_both_forms() {
    assert_eq!(
        told(client("192.0.2.1", &[], Scheme::Https, Scheme::Https), "media.example"),
        [
            "x-forwarded-proto: https",
            "x-forwarded-host: media.example",
            "x-forwarded-for: 192.0.2.1",
            "forwarded: for=192.0.2.1;proto=https;host=media.example",
        ]
    );
    let proxies = [address("10.0.0.2"), address("fd00::1")];
    assert_eq!(
        told(client("2001:db8::1", &proxies, Scheme::Https, Scheme::Http), "media.example:8080"),
        [
            "x-forwarded-proto: https",
            "x-forwarded-host: media.example:8080",
            "x-forwarded-for: 2001:db8::1, 10.0.0.2, fd00::1",
            "forwarded: for=\"[2001:db8::1]\";proto=https;host=\"media.example:8080\", for=10.0.0.2, \
             for=\"[fd00::1]\";proto=http;host=\"media.example:8080\"",
        ]
    );
}

#[test]
fn a_fill_names_nobody() {
    assert_eq!(
        told(Route::Fill(Scheme::Https), "media.example"),
        ["x-forwarded-proto: https", "x-forwarded-host: media.example", "forwarded: proto=https;host=media.example"]
    );
}

#[test]
fn hosts_are_quoted_so_that_nothing_gets_out() {
    let line = told(Route::Fill(Scheme::Http), r#"a";for=192.0.2.66;x="\"#).pop().unwrap();
    assert_eq!(line, r#"forwarded: proto=http;host="a\";for=192.0.2.66;x=\"\\""#);
    assert_eq!(told(Route::Fill(Scheme::Http), "").pop().unwrap(), "forwarded: proto=http");
}

#[test]
fn via_has_the_version_and_the_name() {
    let via = Via::new("cdn.example");
    let check = |version, expected: &str| assert_eq!(via.received(version), expected);
    check(Version::HTTP_10, "1.0 cdn.example");
    check(Version::HTTP_11, "1.1 cdn.example");
    check(Version::HTTP_2, "2 cdn.example");
    check(Version::HTTP_3, "3 cdn.example");
}

#[test]
fn requests_that_go_round_are_found() {
    let ours = CdnLoop::new("tidegate", "eu-a-1");
    assert_eq!(ours.member(), "tidegate;node=eu-a-1");
    let check = |lines: &[&str], expected: bool| assert_eq!(ours.goes_round(&fields(lines)), expected, "{lines:?}");
    check(&[], false);
    check(&["CDN-Loop: other.example; abc=123, second"], false);
    check(&["CDN-Loop: tidegate-other, xtidegate, a;b=\"tidegate\""], false);
    // Two tiers of ours before this node are fine, three are not.
    check(&["CDN-Loop: tidegate"], false);
    check(&["CDN-Loop: tidegate;node=eu-b-1, other, tidegate;node=us-a-1"], false);
    check(&["CDN-Loop: tidegate;node=a, tidegate;node=b, tidegate;node=c"], true);
    check(&["CDN-Loop: tidegate", "CDN-Loop: Tidegate", "CDN-Loop: TIDEGATE"], true);
    // This very node once is enough.
    check(&["CDN-Loop: tidegate;node=eu-a-1"], true);
    check(&["CDN-Loop: other", "CDN-Loop: Tidegate ; x=1 ; Node = \"EU-A-1\" , third"], true);
    // Malformed members hide nothing, and cannot stand for ours.
    check(&["CDN-Loop: \"unclosed, tidegate;node=eu-a-1"], true);
    check(&["CDN-Loop: ;;;,=,\"\", tidegate;;node=eu-a-1"], true);
    check(&["CDN-Loop: ,,,,,,,,,,,,,,,,,,,,,,,,"], false);
    check(&[&format!("CDN-Loop: {}", ["a"; 16].join(","))], false);
    check(&[&format!("CDN-Loop: {}", ["a"; 17].join(","))], true);
}

#[test]
fn what_a_node_adds_it_finds_again() {
    for (id, node) in [("tidegate", "eu-a-1"), ("cdn.example:8443", "a"), ("MyCdn", "us-east-12")] {
        let ours = CdnLoop::new(id, node);
        let mut fields = HeaderMap::new();
        fields.append("cdn-loop", ours.member().clone());
        assert!(ours.goes_round(&fields), "{id} {node}");
        assert!(!CdnLoop::new(id, "another").goes_round(&fields), "{id} {node}");
    }
}

proptest! {
    #[test]
    fn whatever_is_claimed_the_client_is_found(
        peer in any::<[u8; 4]>(),
        forwarded in prop::collection::vec(any::<u8>(), 0..80),
        forwarded_for in prop::collection::vec(any::<u8>(), 0..80),
        looped in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut fields = HeaderMap::new();
        for (name, bytes) in [("forwarded", &forwarded), ("x-forwarded-for", &forwarded_for), ("cdn-loop", &looped)] {
            if let Ok(value) = HeaderValue::from_bytes(bytes) {
                fields.append(name, value);
            }
        }
        let trusted = ["0.0.0.0/1".parse().unwrap()];
        let peer = Peer { address: IpAddr::from(peer), scheme: Scheme::Https };
        let found = chain::identify(&trusted, peer, &fields);
        prop_assert_eq!(found.proxies.last().copied().unwrap_or(found.address), peer.address);
        let _either = CdnLoop::new("tidegate", "a").goes_round(&fields);
    }

    #[test]
    fn what_is_said_of_a_client_is_read_as_it_was_meant(
        hops in prop::collection::vec((any::<bool>(), any::<u32>(), any::<u128>()), 1..6),
        host in "[a-z0-9.:\\[\\]\"\\\\, ;=]{0,20}",
        tls in any::<bool>(),
    ) {
        let hops: Vec<IpAddr> = hops
            .into_iter()
            .map(|(short, four, six)| if short { IpAddr::from(four.to_be_bytes()) } else { IpAddr::from(six.to_be_bytes()) })
            .map(|address| address.to_canonical())
            .collect();
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        let route = Route::Client { address: hops[0], scheme, proxies: &hops[1..], connection: Scheme::Http };
        let host = HeaderValue::from_str(&host).unwrap();
        let said: HeaderMap = ForwardingFields::new(route, Some(&host)).into_iter().collect();
        // The next node, which trusts everybody, sees the same chain before its own peer.
        let everybody = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let peer = Peer { address: address("192.0.2.200"), scheme: Scheme::Http };
        let found = chain::identify(&everybody, peer, &said);
        let expected: Vec<IpAddr> = hops[1..].iter().copied().chain([peer.address]).collect();
        prop_assert_eq!((found.address, found.scheme), (hops[0], scheme));
        prop_assert_eq!(found.proxies, expected);
    }
}
