//! Damping of flaps, as RFC 2439 does for routes: every fall adds a penalty that decays by itself, and who has too
//! much of it stays out until most is gone.

use std::time::Duration;

use super::moment::Moment;

/// Added by each fall.
const PENALTY: f64 = 1_000.0;
/// Half of a penalty is gone after this.
const HALF_LIFE: Duration = Duration::from_secs(5 * 60);
/// From here on an origin stays out: the third fall at once, the fourth within minutes.
const SUPPRESS: f64 = 3_000.0;
/// Below this it may come back.
const REUSE: f64 = 750.0;
/// No origin stays out longer after its last fall than this.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The penalty of one origin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Damping {
    penalty: f64,
    /// When the penalty was as much as it says.
    at: Moment,
    held: bool,
}

impl Damping {
    /// It fell.
    pub(super) fn fell(&mut self, now: Moment) {
        let held = self.is_held(now);
        self.penalty = (self.penalty(now) + PENALTY).min(most());
        self.at = now;
        self.held = held || self.penalty >= SUPPRESS;
    }

    /// The penalty that is left.
    pub(super) fn penalty(&self, now: Moment) -> f64 {
        let half_lives = (now - self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.penalty * (-half_lives).exp2()
    }

    /// Until when it stays out for its flaps, if it does.
    pub(super) fn held_until(&self, now: Moment) -> Option<Moment> {
        let until = self.at + HALF_LIFE.mul_f64((self.penalty / REUSE).max(1.0).log2());
        (self.held && until > now).then_some(until)
    }

    fn is_held(&self, now: Moment) -> bool {
        self.held_until(now).is_some()
    }
}

/// The penalty that decays to reuse in the longest time.
fn most() -> f64 {
    REUSE * (LONGEST.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Moment::after(Duration::from_secs(seconds))
    }

    /// Falls at these seconds, and until which second the origin is held after the last, if at all.
    fn check(falls: &[u64], held_until: Option<u64>) {
        let mut damping = Damping::default();
        for &fall in falls {
            damping.fell(seconds(fall));
        }
        let last = seconds(*falls.last().unwrap());
        let found = damping.held_until(last).map(|until| until.since_start().as_secs());
        assert_eq!(found, held_until, "falls at {falls:?}");
        if let Some(until) = held_until {
            assert!(damping.held_until(seconds(until + 1)).is_none(), "falls at {falls:?}");
        }
    }

    #[test]
    fn who_falls_often_stays_out_longer() {
        check(&[0], None);
        check(&[0, 1], None);
        // 3000 decays to 750 in two half-lives.
        check(&[0, 0, 0], Some(600));
        check(&[0, 0, 0, 0], Some(724));
        // The first two have decayed by half before the third.
        check(&[0, 0, 300], None);
        check(&[0, 0, 300, 300], Some(900));
        // Held already: another fall prolongs, although its sum alone would not have begun it.
        check(&[0, 0, 0, 500], Some(912));
        // The longest time.
        check(&[0; 100], Some(1_800));
    }

    proptest! {
        #[test]
        fn nobody_is_held_longer_than_the_longest(mut falls in prop::collection::vec(0_u64..100_000, 1..60)) {
            falls.sort_unstable();
            let mut damping = Damping::default();
            for &fall in &falls {
                damping.fell(seconds(fall));
                let until = damping.held_until(seconds(fall)).unwrap_or_default();
                prop_assert!(until - seconds(fall) <= LONGEST + Duration::from_millis(1));
                prop_assert!(damping.penalty(seconds(fall)) <= most());
            }
        }
    }
}
