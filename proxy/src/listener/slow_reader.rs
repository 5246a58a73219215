//! How slowly a client may take what waits for it.
//!
//! Owns one bound for all protocols: who is given something must take a part of it within each write time-out, and of a
//! response that could go on no less than a least rate. Otherwise a byte a minute would hold a response, and what is kept
//! in memory for it, for as long as somebody likes. What passes while a response only waits its turn behind others is
//! not held against it.

use std::time::Duration;

/// What the slowest client takes. Lines of 64 kbit/s carry thirty times as much, and whoever reads still more slowly waits
/// for hours for a picture.
const LEAST_BYTES_PER_SECOND: u64 = 256;

/// No wait is shorter: what is left of the patience may be next to nothing, over and over, while others move.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Who is to move next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Turn {
    /// The client, as nothing else holds this response up.
    #[default]
    Client,
    /// Others of the same connection, behind which this response waits.
    Others,
    /// The connection's socket, which is full: whether the client takes anything is watched there, for all its responses.
    Socket,
    /// The one or the other. A client that takes nothing at all of this response is not waiting for others.
    Unknown,
}

/// What a client has taken so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// Bytes of this response.
    pub(super) own: u64,
    /// Bytes of all responses on its connection.
    pub(super) all: u64,
    pub(super) turn: Turn,
}

/// How much patience is left with the reader of one response, or of a whole connection.
#[derive(Debug, Default)]
pub(super) struct SlowReader {
    /// What has been waited since it had last taken enough.
    waited: Duration,
    /// What it had taken then.
    begun: Taken,
}

impl SlowReader {
    /// Nothing can go on for now. How long that may last, of all the patience there is.
    pub(super) fn may_wait(&mut self, patience: Duration, taken: Taken) -> Duration {
        if self.waited.is_zero() || taken.own.saturating_sub(self.begun.own) >= least(patience) {
            self.begin(taken);
        }
        patience.saturating_sub(self.waited).max(SHORTEST_WAIT)
    }

    /// It has lasted so long.
    pub(super) fn waited(&mut self, time: Duration, before: Taken, after: Taken) {
        let moved = after.all.saturating_sub(before.all);
        let for_others = before.turn == Turn::Others && moved > 0 && moved >= least(time);
        if !for_others && before.turn != Turn::Socket {
            self.waited += time;
        }
    }

    /// Whether a client that let it last for as long as it may is waited for all the same.
    pub(super) fn goes_on(&mut self, patience: Duration, taken: Taken) -> bool {
        let own = taken.own.saturating_sub(self.begun.own);
        let counts = match taken.turn {
            Turn::Client => own,
            Turn::Unknown if own == 0 => 0,
            Turn::Others | Turn::Socket | Turn::Unknown => taken.all.saturating_sub(self.begun.all),
        };
        if counts >= least(patience) {
            self.begin(taken);
        }
        taken.turn == Turn::Socket || self.waited < patience
    }

    fn begin(&mut self, taken: Taken) {
        *self = Self { waited: Duration::ZERO, begun: taken };
    }
}

/// The least that is taken in so long.
fn least(time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(LEAST_BYTES_PER_SECOND) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Seconds after which the reader is given up, of an hour, if it takes so much of this response and of others at
    /// once, each time after so many seconds.
    fn given_up(every: u64, own: u64, others: u64, turn: Turn) -> Option<u64> {
        let (mut reader, mut taken) = (SlowReader::default(), Taken { own: 0, all: 0, turn });
        let (mut now, mut next) = (0, every);
        while now < 3_600 {
            let before = taken;
            let wait = reader.may_wait(PATIENCE, taken).as_secs();
            let end = (now + wait).min(next);
            let waited = Duration::from_secs(end - now);
            now = end;
            if now == next {
                next += every;
                taken.own += own;
                taken.all += own + others;
                reader.waited(waited, before, taken);
            } else {
                reader.waited(waited, before, taken);
                if !reader.goes_on(PATIENCE, taken) {
                    return Some(now);
                }
            }
        }
        None
    }

    #[test]
    fn who_takes_a_byte_now_and_then_is_given_up_and_slow_lines_are_not() {
        let check = |every, own, others, turn, expected: Option<u64>| {
            assert_eq!(given_up(every, own, others, turn), expected, "{own} and {others} every {every} s, {turn:?}");
        };
        use Turn::{Client, Others, Unknown};
        for turn in [Client, Unknown, Others] {
            check(61, 0, 0, turn, Some(60));
            check(7_200, 1 << 20, 0, turn, Some(60));
            check(59, 1, 0, turn, Some(60));
            check(1, 200, 0, turn, Some(60));
            check(1, 300, 0, turn, None);
            // 64 kbit/s, and taken at once what has come since.
            check(1, 8_000, 0, turn, None);
            check(50, 400_000, 0, turn, None);
        }
        // Others take all there is.
        check(1, 0, 8_000, Others, None);
        check(45, 0, 360_000, Others, None);
        check(1, 0, 100, Others, Some(60));
        check(1, 0, 8_000, Unknown, Some(60));
        check(1, 0, 8_000, Client, Some(60));
        // One of a hundred on a slow line.
        check(1, 80, 7_900, Others, None);
        check(1, 80, 7_900, Unknown, None);
        check(1, 80, 7_900, Client, Some(60));
    }

    #[test]
    fn socket_that_is_full_is_not_held_against_a_response() {
        let full = Taken { turn: Turn::Socket, ..Taken::default() };
        let mut reader = SlowReader::default();
        for _ in 0..100 {
            let wait = reader.may_wait(PATIENCE, full);
            assert_eq!(wait, PATIENCE);
            reader.waited(wait, full, full);
            assert!(reader.goes_on(PATIENCE, full));
        }
        // From then on the client lets nothing go.
        let closed = Taken { turn: Turn::Client, ..full };
        let wait = reader.may_wait(PATIENCE, closed);
        reader.waited(wait, closed, closed);
        assert!(!reader.goes_on(PATIENCE, closed));
    }

    #[test]
    fn next_to_no_patience_runs_out_as_well() {
        let stuck = Taken { turn: Turn::Others, ..Taken::default() };
        let mut reader = SlowReader::default();
        reader.may_wait(PATIENCE, stuck);
        reader.waited(PATIENCE - Duration::from_millis(2), stuck, stuck);
        let wait = reader.may_wait(PATIENCE, stuck);
        assert_eq!(wait, SHORTEST_WAIT);
        reader.waited(wait, stuck, stuck);
        assert!(!reader.goes_on(PATIENCE, stuck));
        // Nor in rests that are too short for anything to be due.
        let mut reader = SlowReader::default();
        reader.may_wait(PATIENCE, stuck);
        for _ in 0..60_000 {
            reader.waited(Duration::from_millis(1), stuck, stuck);
        }
        assert!(!reader.goes_on(PATIENCE, stuck));
    }
}
