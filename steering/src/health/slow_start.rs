//! From coming up to the full share: an origin whose caches are cold gets its load back little by little.

use std::time::Duration;

use super::moment::Moment;
use crate::candidate::Share;

/// Share in percent with which it begins.
const FIRST_SHARE: u8 = 10;

/// The share of an origin that came up at `from`, and gets all after `length`.
pub(super) fn share(from: Moment, length: Duration, now: Moment) -> Share {
    let elapsed = now - from;
    if elapsed >= length {
        return Share::FULL;
    }
    let part = elapsed.as_secs_f64() / length.as_secs_f64();
    // Between 10 and 100, so nothing is lost; a share grows in whole percents.
    Share::percent(FIRST_SHARE + (f64::from(100 - FIRST_SHARE) * part) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_from_a_tenth_to_all() {
        let from = Moment::after(Duration::from_secs(1_000));
        let length = Duration::from_secs(120);
        for (seconds, expected) in [(0, 10), (12, 19), (60, 55), (119, 99), (120, 100), (9_999, 100)] {
            assert_eq!(share(from, length, from + Duration::from_secs(seconds)).as_percent(), expected, "{seconds} s");
        }
        assert_eq!(share(from, Duration::ZERO, from), Share::FULL);
        assert_eq!(share(from, length, Moment::default()).as_percent(), 10, "a clock read out of order");
    }
}
