//! What ends at this hop.

use super::*;
use crate::cache::rules::testing::fields;

/// Takes away the fields of these names.
fn by_name(names: fn(&HeaderMap) -> Vec<HeaderName>) -> impl Fn(&mut HeaderMap) {
    move |headers| {
        for name in names(headers) {
            headers.remove(name);
        }
    }
}

fn check(strip: impl Fn(&mut HeaderMap), given: &[&str], expected: &[&str]) {
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
    check(by_name(request_fields), &given, &["X-Kept: 1"]);
    check(by_name(response_fields), &given, &["Transfer-Encoding: chunked", "X-Kept: 1"]);
    check(strip_from_response, &given, &["X-Kept: 1"]);
    check(strip_from_request, &given, &["X-Kept: 1"]);
}

#[test]
fn each_direction_loses_what_a_proxy_keeps_to_itself() {
    check(strip_from_response, &["Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x"], &[]);
    let request = ["Proxy-Authorization: Basic x", "HTTP2-Settings: x", "Trailer: x-checksum"];
    check(strip_from_request, &request, &[]);
    check(by_name(request_fields), &request, &[]);
    check(by_name(response_fields), &["Proxy-Authenticate: Basic", "Trailer: x"], &["Trailer: x"]);
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

#[test]
fn requests_whose_connection_takes_away_what_matters_are_told() {
    let check = |lines: &[&str], expected: bool| assert_eq!(misleads(&fields(lines)), expected, "{lines:?}");
    check(&[], false);
    for fine in ["close", "keep-alive, Upgrade", "TE, close", "X-Hop", ",,", "", "transfer-encoding", "HTTP2-Settings"]
    {
        check(&[&format!("Connection: {fine}")], false);
    }
    let named =
        ["Host", "content-length", "AUTHORIZATION", "X-Forwarded-For", "forwarded", "Cdn-Loop", "via", "cookie"];
    for name in named {
        check(&[&format!("Connection: {name}")], true);
        check(&["Connection: close", &format!("Connection: keep-alive ,{name} ")], true);
    }
    for broken in [":authority", "\"Host\"", "x y", "a=b", "x;y", "h\u{f6}st"] {
        check(&[&format!("Connection: close, {broken}")], true);
    }
    check(&[&format!("Connection: {}", ["x"; 9].join(","))], false);
    check(&[&format!("Connection: {}", ["x"; 10].join(","))], true);
}
