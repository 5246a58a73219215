//! What ends at this hop.

use super::*;
use crate::cache::rules::testing::fields;

fn check(strip: fn(&mut HeaderMap), given: &[&str], expected: &[&str]) {
    let mut headers = fields(given);
    strip(&mut headers);
    assert_eq!(headers, fields(expected), "{given:?}");
}

#[test]
fn hop_by_hop_fields_and_those_named_by_connection_are_stripped() {
    let given = [
        "Connection: close, X-Hop",
        "Connection: x-other,,",
        "X-Hop: 1",
        "X-Other: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: close",
        "TE: trailers",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "X-Kept: 1",
    ];
    check(strip_from_response, &given, &["X-Kept: 1"]);
    check(strip_from_request, &given, &["X-Kept: 1"]);
}

#[test]
fn each_direction_loses_what_a_proxy_keeps_to_itself() {
    check(strip_from_response, &["Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x"], &[]);
    check(strip_from_request, &["Proxy-Authorization: Basic x", "HTTP2-Settings: x"], &[]);
}

#[test]
fn connection_cannot_take_away_end_to_end_fields() {
    // RFC 9110 section 7.6.1.
    let kept = ["Cache-Control: no-store", "Authorization: x", "Cookie: a=b", "Host: h", "Content-Length: 1"];
    let lines: Vec<&str> = kept
        .iter()
        .copied()
        .chain(["Connection: cache-control, authorization, cookie, host, content-length"])
        .collect();
    check(strip_from_request, &lines, &kept);
    check(strip_from_response, &lines, &kept);
}

#[test]
fn a_broken_connection_field_is_survived() {
    check(strip_from_response, &["Connection: @@, \"x\", y z", "X: 1"], &["X: 1"]);
}
