use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn key(fields: &HeaderMap) -> Tie<'_> {
    Tie { host: "a.test", path: "/a", client: Some(IpAddr::from([192, 0, 2, 1])), fields }
}

/// Part of each bucket.
fn parts(shares: &[u16]) -> Vec<Option<usize>> {
    (0..BUCKETS).map(|bucket| part_of(shares.iter().copied(), bucket)).collect()
}

fn count(parts: &[Option<usize>], part: Option<usize>) -> usize {
    parts.iter().filter(|it| **it == part).count()
}

#[test]
fn key_decides_on_the_bucket() {
    let mut fields = HeaderMap::new();
    fields.insert("cookie", HeaderValue::from_static("a=b; user=7"));
    for by in [StickyKey::Path, StickyKey::ClientAddress, StickyKey::Cookie("user".to_owned())] {
        assert_eq!(u64::from(bucket(&by, &key(&fields))), seed(&by, &key(&fields)) % u64::from(BUCKETS), "{by:?}");
    }
}

#[test]
fn keys_spread_over_parts_by_their_shares() {
    let by = StickyKey::Header(HeaderName::from_static("x-user"));
    let mut found = [0_u32; 3];
    for number in 0..20_000 {
        let mut fields = HeaderMap::new();
        fields.insert("x-user", HeaderValue::from(number));
        found[choose_part(&by, [1_000, 4_000].into_iter(), &key(&fields)).unwrap_or(2)] += 1;
    }
    for (found, expected) in found.into_iter().zip([2_000_u32, 8_000, 10_000]) {
        assert!(found.abs_diff(expected) < 300, "{found} instead of {expected}");
    }
}

fn shares() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(1_u16..=2_000, 1..=5)
}

proptest! {
    #[test]
    fn every_part_has_its_share_of_buckets(shares in shares()) {
        let parts = parts(&shares);
        for (number, share) in shares.iter().enumerate() {
            prop_assert_eq!(count(&parts, Some(number)), usize::from(*share));
        }
    }

    #[test]
    fn one_or_two_parts_that_change_move_no_key_but_their_own(
        before in prop::collection::vec(0_u16..=5_000, 1..=2), number in 0_usize..2, share in 0_u16..=5_000,
    ) {
        let number = number % before.len();
        let mut after = before.clone();
        after[number] = share;
        let (before_parts, after_parts) = (parts(&before), parts(&after));
        let moved = before_parts.iter().zip(&after_parts).filter(|(before, after)| before != after).count();
        prop_assert_eq!(moved, usize::from(before[number].abs_diff(share)));
    }

    #[test]
    fn part_at_the_end_grows_against_the_routes_own_share_alone(shares in shares(), more in 1_u16..=1_000) {
        let mut grown = shares.clone();
        *grown.last_mut().unwrap() += more;
        let (before, after) = (parts(&shares), parts(&grown));
        let last = shares.len() - 1;
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before == after || (before, after) == (None, Some(last)));
        }
    }
}
