//! Directives as they are met in the wild.

use http::{HeaderMap, HeaderName};

use super::*;
use crate::cache::rules::testing::fields;

fn targets() -> [HeaderName; 2] {
    [HeaderName::from_static("tidegate-cdn-cache-control"), HeaderName::from_static("cdn-cache-control")]
}

fn response(lines: &[&str]) -> ResponseDirectives {
    ResponseDirectives::parse(&fields(lines), &targets())
}

fn valid(seconds: u64) -> Option<Seconds> {
    Some(Seconds::Valid(Duration::from_secs(seconds)))
}

#[test]
fn max_age_is_read_in_every_spelling_that_rfc_9111_section_5_2_demands() {
    let check = |value: &str, expected: Option<Seconds>| {
        assert_eq!(response(&[&format!("Cache-Control: {value}")]).max_age, expected, "{value}");
    };
    check("max-age=60", valid(60));
    check("MAX-AGE=60", valid(60));
    check("max-age=\"60\"", valid(60));
    check("max-age=0060", valid(60));
    check("foo, ,max-age=60,", valid(60));
    check("foo=\"a, max-age=1, b\", max-age=60", valid(60));
    check("foo=\"\\\", max-age=1\", max-age=60", valid(60));
    check("max-age=60, max-age=1", valid(60)); // section 4.2.1: the first
    check("max-age=2147483647", valid(2_147_483_647));
    check("max-age=2147483649", valid(1 << 31)); // section 1.2.2
    check("max-age=99999999999999999999999999999999", valid(1 << 31));
    check("public", None);
    check("x-max-age=60", None);
}

#[test]
fn a_broken_number_is_remembered_as_invalid_so_that_the_response_is_stale() {
    for value in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=60s",
        "max-age='60'",
        "max-age= 60",
        "max-age =60",
        "max-age=\"60",
        "max-age=\"6\"0\"",
        "max-age=+60",
        "max-age=0x10",
        "max-age=\u{0660}",
    ] {
        let directives = response(&[&format!("Cache-Control: {value}")]);
        assert_eq!(directives.max_age, Some(Seconds::Invalid), "{value}");
        assert_eq!(directives.max_age.unwrap().or_stale(), Duration::ZERO);
    }
}

#[test]
fn a_slip_of_the_origin_never_hides_a_restriction_nor_grants_a_permission() {
    // RFC 9111 section 4.2.1: in doubt the most restrictive.
    let check = |value: &str, no_store: bool, whole: bool, public: bool, max_age: Option<Seconds>| {
        let directives = response(&[&format!("Cache-Control: {value}")]);
        let private = directives.private == FieldScope::Whole;
        assert_eq!((directives.no_store, private, directives.public), (no_store, whole, public), "{value}");
        assert_eq!(directives.max_age, max_age, "{value}");
    };
    let (no, yes, broken) = (false, true, Some(Seconds::Invalid));
    check("private no-store", yes, yes, no, None);
    check("no-store; private", yes, yes, no, None);
    check("max-age=60 no-store", yes, no, no, broken);
    check("max-age=60; private", no, yes, no, broken);
    check("max-age=60; public", no, no, no, broken);
    check("public max-age=60", no, no, no, broken);
    check("max-age=\"60, private", no, yes, no, broken);
    check("foo=\"open, private, max-age=60", no, yes, no, valid(60));
    check("foo=\"closed, private\", max-age=60", no, no, no, valid(60));
    check("foo=(private), public", no, yes, yes, None);
    check("=no-store", yes, no, no, None);
    check("no-storex, x-private", no, no, no, None);
    check("public, max-age=60", no, no, yes, valid(60));
}

#[test]
fn a_line_of_open_quotes_takes_no_longer_than_it_is_long() {
    let line = "\"a,\\".repeat(16_000);
    assert!(!response(&[&format!("Cache-Control: {line}")]).no_store);
}

#[test]
fn conflicting_directives_are_all_kept_for_the_rules_to_weigh() {
    let directives = response(&["Cache-Control: public, private, no-cache, max-age=60, no-store, s-maxage=0"]);
    assert!(directives.public && directives.no_store);
    assert_eq!((&directives.private, &directives.no_cache), (&FieldScope::Whole, &FieldScope::Whole));
    assert_eq!((directives.max_age, directives.s_maxage), (valid(60), valid(0)));
}

#[test]
fn a_permission_for_authorized_reuse_must_be_well_formed() {
    // RFC 9111 section 3.5.
    let check = |value: &str, expected: bool| {
        let directives = response(&[&format!("Cache-Control: {value}")]);
        assert_eq!(directives.permit_authorized_reuse(), expected, "{value}");
    };
    check("public", true);
    check("must-revalidate", true);
    check("s-maxage=0", true);
    check("s-maxage=\"9\"", true);
    check("s-maxage=x", false);
    check("s-maxage", false);
    check("public=1", false);
    check("max-age=60, proxy-revalidate, immutable", false);
}

#[test]
fn several_lines_are_one_list() {
    let directives = response(&["Cache-Control: public", "Cache-Control: max-age=5, s-maxage=7", "Cache-Control:"]);
    assert!(directives.public);
    assert_eq!((directives.max_age, directives.s_maxage), (valid(5), valid(7)));
    assert_eq!(directives.source, DirectiveSource::CacheControl);
    assert_eq!(response(&["Cache-Control:"]).source, DirectiveSource::Silent);
}

#[test]
fn an_argument_does_not_weaken_a_restriction_but_voids_a_permission() {
    let directives = response(&["Cache-Control: no-store=x, must-revalidate=1, public=1, must-understand=x"]);
    assert!(directives.no_store && directives.must_revalidate);
    assert!(!directives.public && !directives.must_understand);
}

#[test]
fn qualified_forms_name_their_fields() {
    let names =
        |list: &[&'static str]| FieldScope::Fields(list.iter().map(|name| HeaderName::from_static(name)).collect());
    let check = |value: &str, expected: FieldScope| {
        assert_eq!(response(&[&format!("Cache-Control: private{value}")]).private, expected, "{value}");
    };
    check("=\"Set-Cookie\"", names(&["set-cookie"]));
    check("=\"set-cookie, x-user\"", names(&["set-cookie", "x-user"]));
    check("=set-cookie", names(&["set-cookie"]));
    check("=\"a\", private=\"b\"", names(&["a", "b"]));
    check("=\"a\", private", FieldScope::Whole);
    check(", private=\"a\"", FieldScope::Whole);
    check("=\"\"", FieldScope::Whole);
    check("=\"not a name\"", FieldScope::Whole);
    check("=\"open", FieldScope::Whole);
}

#[test]
fn the_first_valid_targeted_field_replaces_cache_control() {
    // RFC 9213 section 2.2.
    let check = |lines: &[&str], source: DirectiveSource, max_age: Option<Seconds>| {
        let directives = response(lines);
        assert_eq!((directives.source, directives.max_age), (source, max_age), "{lines:?}");
    };
    let plain = "Cache-Control: max-age=1";
    check(&[plain, "CDN-Cache-Control: max-age=60"], DirectiveSource::Targeted, valid(60));
    check(
        &[plain, "CDN-Cache-Control: max-age=60", "Tidegate-CDN-Cache-Control: max-age=5"],
        DirectiveSource::Targeted,
        valid(5),
    );
    check(
        &[plain, "CDN-Cache-Control: max-age=60", "Tidegate-CDN-Cache-Control: max-age="],
        DirectiveSource::Targeted,
        valid(60),
    );
    check(&[plain, "CDN-Cache-Control:"], DirectiveSource::CacheControl, valid(1));
    check(&[plain, "CDN-Cache-Control: public"], DirectiveSource::Targeted, None);
    check(&[plain, "CDN-Cache-Control: max-age=60;foo=1;bar"], DirectiveSource::Targeted, valid(60));
    check(&[plain, "CDN-Cache-Control: max-age=1, max-age=60"], DirectiveSource::Targeted, valid(60));
    check(&[plain, "CDN-Cache-Control: public", "CDN-Cache-Control: max-age=60"], DirectiveSource::Targeted, valid(60));
    check(
        &[plain, "CDN-Cache-Control: a=(1 \"x\" t);q, b=:YQ==:, f=%\"f%c3%bc\", c=@17, d=?0, e=1.5, max-age=60"],
        DirectiveSource::Targeted,
        valid(60),
    );
    check(&["CDN-Cache-Control: max-age=-1"], DirectiveSource::Targeted, Some(Seconds::Invalid));
    // Values of another type than the directive's are dropped, the field stays valid (section 2.1).
    let wrong = ["max-age=\"60\"", "max-age=1.5", "max-age=abc", "max-age", "max-age=(60)", "max-age=60, max-age=x"];
    for value in wrong {
        check(&[plain, &format!("CDN-Cache-Control: {value}")], DirectiveSource::Targeted, None);
    }
}

#[test]
fn a_malformed_targeted_field_is_ignored_as_a_whole() {
    for value in [
        "max-age=60,",
        "Max-Age=60",
        "max-age=60 public",
        "max-age=\"60",
        "&",
        "max-age=60, ,public",
        "max-age=1234567890123456",
        "a=1.",
        "a=1.2345",
        "a=?2",
        "a=:x",
        "a=(1",
        "a=(1(2))",
        "max-age=60;",
        "=1",
        "a=%\"%E4\"",
        "a=%\"%ff\"",
        "a=%\"%f\"",
        "a=@x",
    ] {
        let directives = response(&["Cache-Control: max-age=1", &format!("CDN-Cache-Control: {value}")]);
        assert_eq!(directives.source, DirectiveSource::CacheControl, "{value}");
        assert_eq!(directives.max_age, valid(1), "{value}");
    }
}

#[test]
fn targeted_booleans_and_field_lists_take_effect() {
    let directives = response(&["CDN-Cache-Control: no-store=?0, private, no-cache=\"set-cookie\", must-revalidate"]);
    assert!(!directives.no_store && directives.must_revalidate);
    assert_eq!(directives.private, FieldScope::Whole);
    assert_eq!(directives.no_cache, FieldScope::Fields(vec![HeaderName::from_static("set-cookie")]));
}

#[test]
fn request_directives_are_read() {
    let request = RequestDirectives::parse(&fields(&[
        "Cache-Control: no-cache, no-store, only-if-cached, max-age=1",
        "Cache-Control: min-fresh=\"2\", max-stale=3, stale-if-error=4",
    ]));
    let expected = RequestDirectives {
        no_cache: true,
        no_store: true,
        only_if_cached: true,
        max_age: Some(Duration::from_secs(1)),
        min_fresh: Some(Duration::from_secs(2)),
        max_stale: Some(MaxStale::UpTo(Duration::from_secs(3))),
        stale_if_error: Some(Duration::from_secs(4)),
    };
    assert_eq!(request, expected);
    assert_eq!(RequestDirectives::parse(&HeaderMap::new()), RequestDirectives::default());
}

#[test]
fn max_stale_without_a_limit_accepts_any_age_and_a_broken_one_none() {
    let check = |value: &str, expected: Option<MaxStale>| {
        let request = RequestDirectives::parse(&fields(&[&format!("Cache-Control: {value}")]));
        assert_eq!(request.max_stale, expected, "{value}");
    };
    check("max-stale", Some(MaxStale::Any));
    check("max-stale=x", None);
    check("max-stale=", None);
}

#[test]
fn pragma_counts_only_without_cache_control() {
    let check = |lines: &[&str], expected: bool| {
        assert_eq!(RequestDirectives::parse(&fields(lines)).no_cache, expected, "{lines:?}");
    };
    check(&["Pragma: no-cache"], true);
    check(&["Pragma: x, No-Cache"], true);
    check(&["Pragma: x"], false);
    check(&["Pragma: no-cache", "Cache-Control: max-age=9"], false); // RFC 9111 section 5.4
}
