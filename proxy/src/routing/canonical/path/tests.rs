//! What the canonical path makes of a path, and that doing it twice changes nothing.

use super::*;
use proptest::prelude::*;

fn check(raw: &str, expected: Result<&str, PathError>) {
    let parsed = CanonicalPath::parse(raw);
    assert_eq!(parsed.as_ref().map(CanonicalPath::as_str).map_err(|error| *error), expected, "{raw:?}");
}

#[test]
fn canonical_paths_are_borrowed() {
    for raw in ["/", "/a", "/a/", "/vod/demo/segment_1.m4s", "/a%2Fb", "/%25", "/a;b=c/@:!$&'()*+,~", "/...", "/.a/..b"]
    {
        check(raw, Ok(raw));
        assert!(CanonicalPath::parse(raw).unwrap().is_as_sent(), "{raw}");
    }
    assert!(!CanonicalPath::parse("/%41").unwrap().is_as_sent());
}

#[test]
fn unreserved_escapes_are_decoded_and_others_kept_in_upper_case() {
    check("/%41%7a%30%2D%2e%5F%7e", Ok("/Az0-._~"));
    check("/a%2fb", Ok("/a%2Fb"));
    check("/a%3ab:c", Ok("/a%3Ab:c"));
    check("/%c3%a9", Ok("/%C3%A9"));
    check("/%20%3f%23", Ok("/%20%3F%23"));
}

#[test]
fn nothing_is_decoded_twice() {
    check("/%2541", Ok("/%2541"));
    check("/%252e%252e/a", Ok("/%252e%252e/a"));
}

#[test]
fn bytes_that_must_be_escaped_are() {
    check("/é", Ok("/%C3%A9"));
    check("/a b|{c}", Ok("/a%20b%7C%7Bc%7D"));
    check("/a\"<>^`[]", Ok("/a%22%3C%3E%5E%60%5B%5D"));
}

#[test]
fn a_backslash_is_data() {
    check("/a\\..\\b", Ok("/a%5C..%5Cb"));
    check("/a%5c..%5cb", Ok("/a%5C..%5Cb"));
}

#[test]
fn dot_segments_are_removed_however_they_are_written() {
    check("/a/./b", Ok("/a/b"));
    check("/a/../b", Ok("/b"));
    check("/a/b/..", Ok("/a/"));
    check("/a/b/../", Ok("/a/"));
    check("/a/.", Ok("/a/"));
    check("/.", Ok("/"));
    check("/a/..", Ok("/"));
    check("/a/%2e%2E/b", Ok("/b"));
    check("/a/.%2e/%2e/b", Ok("/b"));
    check("/a/..%2Fb", Ok("/a/..%2Fb"));
    check("/a/..;/b", Ok("/a/..;/b"));
}

#[test]
fn duplicate_slashes_are_merged_before_dots_are_removed() {
    check("//", Ok("/"));
    check("//a///b//", Ok("/a/b/"));
    check("/a//../b", Ok("/b"));
    check("/a/.//b", Ok("/a/b"));
}

#[test]
fn an_empty_path_is_the_root() {
    check("", Ok("/"));
}

#[test]
fn invalid_paths_are_refused() {
    check("a", Err(PathError::NotAbsolute));
    check("*", Err(PathError::NotAbsolute));
    for raw in ["/%", "/%4", "/%4g", "/a%/b", "/%%41", "/%+1"] {
        check(raw, Err(PathError::InvalidEscape));
    }
    for raw in ["/\0", "/%00", "/a\tb", "/%0d%0A", "/\x7f", "/%7F"] {
        check(raw, Err(PathError::ControlCharacter));
    }
    for raw in ["/a?b", "/a#b"] {
        check(raw, Err(PathError::Delimiter));
    }
    for raw in ["/..", "/a/../..", "/a/../../b", "/%2e%2e/b", "//../a"] {
        check(raw, Err(PathError::AboveRoot));
    }
}

fn likely_path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"/".to_vec()),
        2 => Just(b".".to_vec()),
        2 => Just(b"%2e".to_vec()),
        1 => Just(b"%2F".to_vec()),
        1 => Just(b"%25".to_vec()),
        1 => Just(b"%c3".to_vec()),
        1 => Just(b"\\".to_vec()),
        4 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => "[a-z]{1,3}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| [b"/".to_vec(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn parsing_twice_is_parsing_once(raw in likely_path()) {
        if let Ok(path) = CanonicalPath::parse(&raw) {
            let again = CanonicalPath::parse(path.as_str()).unwrap();
            prop_assert_eq!(&again, &path);
            prop_assert!(again.is_as_sent());
        }
    }

    #[test]
    fn the_canonical_form_holds_no_dot_segment_and_no_empty_one(raw in likely_path()) {
        if let Ok(path) = CanonicalPath::parse(&raw) {
            let text = path.as_str();
            prop_assert!(text.starts_with('/') && text.is_ascii());
            prop_assert!(!text.contains("//") && !text.contains("/./") && !text.contains("/../"), "{}", text);
            prop_assert!(!text.ends_with("/.") && !text.ends_with("/.."), "{}", text);
        }
    }

    #[test]
    fn the_fast_lane_and_the_slow_one_agree(raw in likely_path()) {
        if as_canonical(&raw).is_some() {
            prop_assert_eq!(normalise(&raw).map(String::into_bytes), Ok(raw));
        }
    }
}
