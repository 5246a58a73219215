//! Invalidation.

use super::*;
use crate::cache::rules::testing::fields;

#[test]
fn answered_unsafe_requests_invalidate() {
    // RFC 9111 section 4.4.
    let check = |method: &str, status: u16, expected: bool| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(invalidates(&method, StatusCode::from_u16(status).unwrap()), expected, "{method} {status}");
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        check(method, 200, true);
        check(method, 204, true);
        check(method, 303, true);
        check(method, 404, false);
        check(method, 500, false);
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"] {
        check(method, 200, false);
    }
}

#[test]
fn further_targets_stay_on_the_same_origin() {
    let check = |reference: &str, expected: Option<&str>| {
        let response = fields(&[&format!("Location: {reference}")]);
        let targets = further_targets("https", "a.test", "/dir/file?q=1", &response);
        assert_eq!(targets, expected.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{reference}");
    };
    check("/x", Some("/x"));
    check("/x?y=1#z", Some("/x?y=1"));
    check("x", Some("/dir/x"));
    check("./x/../y/", Some("/dir/y/"));
    check("../../../x", Some("/x"));
    check("..", Some("/"));
    check("/a/b/.", Some("/a/b/"));
    check("?q=2", Some("/dir/file?q=2"));
    check("", Some("/dir/file?q=1"));
    check("https://a.test/x", Some("/x"));
    check("HTTPS://A.test:443/x", Some("/x"));
    check("https://a.test", Some("/"));
    check("https://a.test?q", Some("/?q"));
    check("//a.test/x", Some("/x"));
    check("http://a.test/x", None);
    check("https://b.test/x", None);
    check("https://a.test:8443/x", None);
    check("//b.test/x", None);
    check("https://a.test@b.test/x", None);
    check("mailto:x", None);
    check("https:x", None);
}

#[test]
fn both_fields_are_looked_at() {
    let response = fields(&["Location: /a", "Content-Location: /b"]);
    assert_eq!(further_targets("http", "h", "/", &response), ["/a", "/b"]);
    assert!(further_targets("http", "h", "/", &fields(&[])).is_empty());
}
