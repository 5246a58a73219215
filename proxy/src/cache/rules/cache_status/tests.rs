//! Cache-Status members.

use super::*;
use crate::cache::rules::testing::fields;

fn forward(reason: ForwardReason, status: Option<u16>, stored: bool, collapsed: bool) -> Outcome {
    let status = status.map(|status| StatusCode::from_u16(status).unwrap());
    Outcome::Forward { reason, status, stored, collapsed }
}

#[test]
fn members_are_written_as_rfc_9211_asks() {
    let check = |outcome: Outcome, ttl: Option<i64>, detail: Option<&'static str>, expected: &str| {
        assert_eq!(Member { outcome, ttl, detail }.to_value(), expected);
    };
    check(Outcome::Hit, Some(59), None, "tidegate; hit; ttl=59");
    check(Outcome::Hit, Some(-5), Some("stale-if-error"), "tidegate; hit; ttl=-5; detail=stale-if-error");
    check(forward(ForwardReason::UriMiss, None, true, false), Some(60), None, "tidegate; fwd=uri-miss; stored; ttl=60");
    check(forward(ForwardReason::UriMiss, None, false, true), None, None, "tidegate; fwd=uri-miss; collapsed");
    check(
        forward(ForwardReason::Stale, Some(304), true, true),
        Some(9),
        None,
        "tidegate; fwd=stale; fwd-status=304; stored; collapsed; ttl=9",
    );
    for (reason, word) in [
        (ForwardReason::Bypass, "bypass"),
        (ForwardReason::Method, "method"),
        (ForwardReason::VaryMiss, "vary-miss"),
        (ForwardReason::Request, "request"),
        (ForwardReason::Partial, "partial"),
    ] {
        check(
            forward(reason, None, false, false),
            None,
            Some("no-store"),
            &format!("tidegate; fwd={word}; detail=no-store"),
        );
    }
}

#[test]
fn something_stale_is_told_with_its_reason() {
    // RFC 9211 sections 2.1, 2.2 and 2.5: a hit was not forwarded, and what is forwarded is no hit.
    let check = |why: WhyStale, expected: &str| assert_eq!(Member::stale(why, -7).to_value(), expected);
    check(WhyStale::WhileRevalidate, "tidegate; hit; ttl=-7; detail=stale-while-revalidate");
    check(WhyStale::Accepted, "tidegate; hit; ttl=-7; detail=max-stale");
    check(WhyStale::Unasked, "tidegate; hit; ttl=-7; detail=stale-if-error");
    check(WhyStale::Failed(None), "tidegate; fwd=stale; ttl=-7; detail=stale-if-error");
    let down = WhyStale::Failed(Some(StatusCode::BAD_GATEWAY));
    check(down, "tidegate; fwd=stale; fwd-status=502; ttl=-7; detail=stale-if-error");
}

#[test]
fn our_member_follows_those_nearer_to_the_origin() {
    let mut headers = fields(&["Cache-Status: shield; hit"]);
    Member::hit(1).append_to(&mut headers);
    assert_eq!(headers, fields(&["Cache-Status: shield; hit", "Cache-Status: tidegate; hit; ttl=1"]));
}
