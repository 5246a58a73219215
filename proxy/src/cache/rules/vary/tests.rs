//! Variants.

use super::*;
use crate::cache::rules::testing::fields;

#[test]
fn vary_is_read_over_lines_sorted_and_without_repetition() {
    let check = |lines: &[&str], expected: &[&'static str]| {
        let names: Box<[HeaderName]> = expected.iter().map(|name| HeaderName::from_static(name)).collect();
        let expected = if names.is_empty() { VaryRule::None } else { VaryRule::Names(names) };
        assert_eq!(VaryRule::from_headers(&fields(lines)), expected, "{lines:?}");
    };
    check(&[], &[]);
    check(&["Vary:"], &[]);
    check(&["Vary: , ,"], &[]);
    check(&["Vary: Accept-Encoding"], &["accept-encoding"]);
    check(&["Vary: origin, Accept", "Vary: ACCEPT"], &["accept", "origin"]);
}

#[test]
fn what_cannot_be_understood_matches_nothing() {
    let many: Vec<String> = (0..=MAX_NAMES).map(|index| format!("x-{index}")).collect();
    for line in ["*", "accept, *", "*, accept", "not a name", "\"accept\"", &many.join(",")] {
        assert_eq!(VaryRule::from_headers(&fields(&[&format!("Vary: {line}")])), VaryRule::Any, "{line}");
    }
}

#[test]
fn only_requests_that_mean_the_same_share_a_variant() {
    let check = |vary: &str, left: &[&str], right: &[&str], same: bool| {
        let rule = VaryRule::from_headers(&fields(&[&format!("Vary: {vary}")]));
        let (first, second) = (rule.variant_key(&fields(left)), rule.variant_key(&fields(right)));
        assert_eq!(first == second, same, "{vary}: {left:?} {right:?}");
    };
    // RFC 9111 section 4.1.
    check("x", &[], &[], true);
    check("x", &[], &["X:"], false);
    check("x", &["X: 1"], &[], false);
    check("x", &["X: 1"], &["X: 2"], false);
    check("x", &["X: 1"], &["X: 1", "Y: 2"], true);
    check("accept", &["Accept: 1, 2"], &["Accept: 1,2"], true);
    check("accept", &["Accept: 1, 2"], &["Accept: 1", "Accept: 2"], true);
    check("accept", &["Accept: 1, 2"], &["Accept: 2, 1"], false);
    check("accept", &["Accept: 1,,2,"], &["Accept: 1,2"], true);
    check("prefer", &["Prefer: \"a, b\""], &["Prefer: \"a,b\""], false);
    check("prefer", &["Prefer: \"a\\\", b\""], &["Prefer: \"a\\\",b\""], false);
    check("x", &["X: a"], &["X: A"], false);
    check("x", &["X: \"a, b\""], &["X: \"a,b\""], false);
    check("x", &["X: \"a\\\", b\""], &["X: \"a\\\",b\""], false);
    check("x, y", &["X: 1"], &["Y: 1"], false);
    check("x, y", &["X: 1", "Y: 2"], &["X: 1y", "Y: 2"], false);
    check("x, y", &["X: 1", "Y: 2"], &["Y: 2", "X: 1"], true);
    check("accept-language", &["Accept-Language: de-DE, en"], &["Accept-Language: de-de,EN"], true);
    check("accept-language", &["Accept-Language: de, en"], &["Accept-Language: en, de"], false);
}

#[test]
fn what_is_no_list_for_certain_counts_as_it_is_sent() {
    let rule = VaryRule::from_headers(&fields(&["Vary: X, User-Agent"]));
    let spellings: [&[&str]; 11] = [
        &[],
        &["X:"],
        &["X: gold"],
        &["X: ,gold"],
        &["X: gold,"],
        &["X: gold", "X:"],
        &["X:", "X: gold"],
        &["X: gold, silver"],
        &["X: gold,silver"],
        &["X: gold", "X: silver"],
        &["X: gold", "X: gold"],
    ];
    for (number, spelling) in spellings.iter().enumerate() {
        for other in &spellings[number + 1..] {
            assert_ne!(rule.variant_key(&fields(spelling)), rule.variant_key(&fields(other)), "{spelling:?} {other:?}");
        }
    }
    // White space around a value is none of it (RFC 9110 section 5.5).
    let mut spaced = HeaderMap::new();
    spaced.insert("x", http::HeaderValue::from_static(" gold\t"));
    assert_eq!(rule.variant_key(&spaced), rule.variant_key(&fields(&["X: gold"])));
}

#[test]
fn the_order_and_spelling_of_accept_encoding_do_not_matter() {
    let rule = VaryRule::from_headers(&fields(&["Vary: Accept-Encoding"]));
    let check = |left: &str, right: &str, same: bool| {
        let key = |value: &str| rule.variant_key(&fields(&[&format!("Accept-Encoding: {value}")]));
        assert_eq!(key(left) == key(right), same, "{left} / {right}");
    };
    check("gzip, br", "br,gzip", true);
    check("gzip, br", "BR, GZIP", true);
    check("gzip;q=1.0, br", "br, gzip", true);
    check("gzip; q=0.50", "gzip;q=0.5", true);
    check("gzip;q=0.0", "gzip;q=0", true);
    check("x-gzip", "gzip", true);
    check("gzip, gzip", "gzip", true);
    check("gzip;q=0.5, br", "br;q=0.5, gzip", false);
    check("gzip;q=0", "gzip", false);
    check("gzip", "br", false);
    check("", "gzip", false);
}

#[test]
fn no_vary_makes_an_empty_key() {
    assert!(VaryRule::None.variant_key(&fields(&["X: 1"])).is_empty());
}
