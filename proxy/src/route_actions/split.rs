//! Which pool of a split a request goes to: the same one each time for the same key.

use tidegate_config::model::StickyKey;

use crate::routing::{Tie, seed};

/// Buckets that keys fall into; a share is a number of them.
pub(super) const BUCKETS: u16 = 10_000;

/// The number of the part that takes this request; none when it goes to the route's own pool.
///
/// The first part has the lowest buckets and the second one the highest; the third stands behind the first, the fourth
/// before the second, and so on inwards. What is left in the middle is the route's own. So the last two parts grow and
/// shrink only against the route's own share, and with one or two parts no key ever moves between parts.
#[must_use]
pub fn choose_part(by: &StickyKey, shares: impl Iterator<Item = u16>, tie: &Tie<'_>) -> Option<usize> {
    part_of(shares, bucket(by, tie))
}

fn part_of(shares: impl Iterator<Item = u16>, bucket: u16) -> Option<usize> {
    let (mut low, mut high) = (0_u16, BUCKETS);
    for (number, share) in shares.enumerate() {
        let taken = if number % 2 == 0 {
            let end = high.min(low.saturating_add(share));
            std::mem::replace(&mut low, end)..end
        } else {
            let start = low.max(high.saturating_sub(share));
            start..std::mem::replace(&mut high, start)
        };
        if taken.contains(&bucket) {
            return Some(number);
        }
    }
    None
}

/// No salt by route: a player's playlist and segments, which different routes may take, go to the same side.
fn bucket(by: &StickyKey, tie: &Tie<'_>) -> u16 {
    u16::try_from(seed(by, tie) % u64::from(BUCKETS)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
