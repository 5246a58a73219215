//! The pace of a body: no faster than its player has use for (`rtp` of CMCD), so that what it does not need is left to
//! others on its line.
//!
//! Pure: the time comes in, and how long to wait goes out.

use std::time::{Duration, Instant};

use super::Kbps;

/// No body is slowed below this, in bytes a second (1 Mbit/s), whatever a player asks for: one that stalls for a mistake
/// of its own would blame us, and a slow response holds its connection for longer.
const FLOOR: u64 = 125_000;

/// What goes out at once, in time at the pace: a second fills the player's own pipeline, and the rest is paced.
const BURST: Duration = Duration::from_secs(1);

/// Pieces are of so much time at the pace: seldom enough for timers, often enough for a steady stream.
const PIECE: Duration = Duration::from_millis(100);

/// Largest piece, which is what is handed to connections that are not paced.
const MAX_PIECE: u64 = 256 * 1024;

/// One response's pace.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Bytes a second.
    rate: u64,
    /// When everything sent so far would have been sent at the pace alone, less the burst.
    due: Option<Instant>,
}

impl Pace {
    /// At what a player requests.
    #[must_use]
    pub fn new(requested: Kbps) -> Self {
        Self { rate: requested.bytes().max(FLOOR), due: None }
    }

    /// Bytes to be sent at once, at most.
    #[must_use]
    pub fn piece(&self) -> usize {
        let bytes = self.rate * u64::try_from(PIECE.as_millis()).unwrap_or(100) / 1000;
        usize::try_from(bytes.min(MAX_PIECE)).unwrap_or(usize::MAX).max(1)
    }

    /// So many bytes are about to be sent: how long they are to wait. What was not sent in its time is made up for by
    /// a burst at most.
    pub fn wait(&mut self, now: Instant, bytes: usize) -> Duration {
        let takes = Duration::from_nanos(
            u64::try_from(u128::from(bytes as u64) * 1_000_000_000 / u128::from(self.rate)).unwrap_or(u64::MAX),
        );
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let due = self.due.map_or(earliest, |due| due.max(earliest)) + takes;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(kilobits: u64) -> Pace {
        Pace::new(Kbps::new(kilobits).unwrap())
    }

    /// Sends so many bytes, each piece when it may go, and returns when the last of them went.
    fn send(pace: &mut Pace, start: Instant, bytes: usize) -> Duration {
        let mut now = start;
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(pace.piece());
            now += pace.wait(now, piece);
            left -= piece;
        }
        now - start
    }

    #[test]
    fn body_takes_its_time_at_the_pace_less_a_burst_of_a_second() {
        let start = Instant::now();
        let check = |kilobits: u64, bytes: usize, expected: f64| {
            let took = send(&mut pace(kilobits), start, bytes).as_secs_f64();
            assert!((took - expected).abs() < 0.01, "{kilobits} kbit/s, {bytes} bytes: {took} s");
        };
        check(8_000, 1_000_000, 0.0);
        check(8_000, 3_000_000, 2.0);
        check(80_000, 50_000_000, 4.0);
        // Never below the floor.
        check(1, 375_000, 2.0);
    }

    #[test]
    fn time_that_was_lost_is_made_up_for_by_one_burst() {
        let start = Instant::now();
        let mut pace = pace(8_000);
        send(&mut pace, start, 1_000_000);
        // The client took nothing for a minute: then there is a second's worth, and no more.
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.wait(later, 1_000_000), Duration::ZERO);
        assert_eq!(pace.wait(later, 1_000_000), Duration::from_secs(1));
    }

    #[test]
    fn pieces_are_a_tenth_of_a_second_and_bounded() {
        assert_eq!(pace(8_000).piece(), 100_000);
        assert_eq!(pace(1).piece(), 12_500);
        assert_eq!(pace(100_000_000).piece(), 256 * 1024);
    }
}
