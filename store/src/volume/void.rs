//! What is not there though an index may say so: what was all forgotten at once, and what was let go because its time was
//! over.
//!
//! Owns that it stays so after a restart, whatever the clock does. Nothing is written to an index when a record expires: should
//! the clock be set back, it would be there again, and what was removed or replaced meanwhile with it. So before anything
//! goes because of the time, the time is written down.

use super::{StateError, Volume};

/// State of this name is the volume's own.
pub(super) const NAME: &str = "void";
/// Moments at which things expired that are told apart. The clock has to be set back for there to be more than one.
const MOST_MOMENTS: usize = 8;

/// What is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Void {
    /// Everything with a lower sequence.
    all_below: u64,
    /// What expired until then, with a lower sequence than this.
    over: Vec<(u64, u64)>,
}

impl Void {
    pub(super) fn covers(&self, sequence: u64, expires: u64) -> bool {
        sequence < self.all_below || self.over.iter().any(|(until, below)| expires <= *until && sequence < *below)
    }

    /// Everything there is now, if `next` is the next sequence.
    fn all(next: u64) -> Self {
        Self { all_below: next, over: Vec::new() }
    }

    /// And what is over now.
    fn and_over(&self, now: u64, next: u64) -> Self {
        let mut void = self.clone();
        void.over.retain(|(until, _)| *until > now);
        if void.over.len() >= MOST_MOMENTS {
            // A clock that is set back again and again: as much as the first two say, and a little more.
            let (until, _) = void.over.remove(0);
            void.over[0].0 = void.over[0].0.max(until);
        }
        void.over.push((now, next));
        void
    }

    fn encode(&self) -> Vec<u8> {
        let over = self.over.iter().flat_map(|(until, below)| [*until, *below]);
        std::iter::once(self.all_below).chain(over).flat_map(u64::to_le_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        let all_below = numbers.next()?;
        let numbers: Vec<u64> = numbers.collect();
        let over = numbers.as_chunks::<2>().0.iter().map(|[until, below]| (*until, *below)).collect();
        Some(Self { all_below, over })
    }
}

impl Volume {
    /// Reads what is not there; `false`: nobody knows any more, so it is everything, which has to be written down. After an
    /// error another time may tell.
    pub(super) fn read_void(&self) -> Result<bool, StateError> {
        let mut void = self.void.lock();
        *void = Void::all(u64::MAX);
        let known = match self.load_state(NAME)? {
            None => Some(Void::default()),
            Some(blob) if blob.unreadable_bytes == 0 => blob.parts.last().and_then(|part| Void::decode(part)),
            Some(_) => None,
        };
        let Some(known) = known else { return Ok(false) };
        let given = known.over.iter().map(|(_, below)| *below).chain([known.all_below]).max().unwrap_or(0);
        // Numbers that were never given speak of nothing.
        let possible = self.options.sequences.observe(given);
        *void = if possible { known } else { Void::all(u64::MAX) };
        Ok(possible)
    }

    /// Nothing that is there now is there any more.
    pub(super) fn void_everything(&self) -> Result<(), StateError> {
        let everything = Void::all(self.options.sequences.next());
        self.save_state(NAME, &everything.encode())?;
        *self.void.lock() = everything;
        Ok(())
    }

    /// What is over now stays so.
    pub(super) fn void_what_is_over(&self, now: u64) -> Result<(), StateError> {
        let void = self.void.lock().and_over(now, self.options.sequences.next());
        self.save_state(NAME, &void.encode())?;
        *self.void.lock() = void;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_go_is_covered_and_nothing_that_came_later() {
        let void = Void::all(10).and_over(1000, 20).and_over(500, 30);
        for (sequence, expires, covered) in [
            (9, u64::MAX, true),
            (10, 1001, false),
            (19, 1000, true),
            (20, 1000, false),
            (20, 500, true),
            (30, 500, false),
        ] {
            assert_eq!(void.covers(sequence, expires), covered, "{sequence} until {expires}");
        }
        assert_eq!(Void::decode(&void.encode()), Some(void.clone()));
        assert_eq!(void.and_over(2000, 40).over, [(2000, 40)], "later moments say all that earlier ones did");
        let many = (0..100).fold(Void::default(), |void, step| void.and_over(1000 - step, 10 + step));
        assert!(many.over.len() <= MOST_MOMENTS && many.covers(5, 1000) && many.covers(108, 901));
        assert_eq!(Void::decode(&[]), None);
    }
}
