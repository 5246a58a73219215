//! Whether a fill that nobody reads any more goes on. Pure: time comes in.
//!
//! Its object is likely to be asked for again: someone did a moment ago. So what is small or nearly there is fetched to
//! its end. The rest of a long film that a viewer left after a minute is not: it would cost the origin, and the cache
//! other objects, hours of video. Whoever fills without a reader (renewals, fetching ahead) has its own reason.

use std::time::Duration;

use tokio::time::Instant;

/// Bodies up to this size are always fetched whole: segments are, and asking for the rest later costs as much as it.
const SMALL: u64 = 8 << 20;

/// With this part of a body left, one over so many, it is fetched to its end.
const NEARLY_THERE: u64 = 4;

/// For so long the fill goes on without a reader in any case: players that seek or lose a connection come back at once.
const GRACE: Duration = Duration::from_secs(5);

/// Who is interested in one fill.
#[derive(Debug)]
pub(super) enum Interest {
    /// Someone ordered it without reading it.
    Ordered,
    /// Clients, as long as any of them reads.
    Readers {
        /// Since when none of them does.
        unread: Option<Instant>,
    },
}

impl Interest {
    /// Whether to give up: `written` bytes of `length` have come, and `is_read` says whether anybody reads them.
    pub(super) fn is_lost(&mut self, is_read: bool, written: u64, length: Option<u64>, now: Instant) -> bool {
        let Self::Readers { unread } = self else { return false };
        if is_read {
            *unread = None;
            return false;
        }
        let since = *unread.get_or_insert(now);
        !is_worth_its_rest(written, length) && now.saturating_duration_since(since) >= GRACE
    }
}

fn is_worth_its_rest(written: u64, length: Option<u64>) -> bool {
    match length {
        Some(length) => length <= SMALL || length.saturating_sub(written) <= length / NEARLY_THERE,
        None => written <= SMALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 100 << 20;

    #[test]
    fn small_and_nearly_complete_bodies_are_worth_their_rest() {
        for (written, length, worth) in [
            (0, Some(SMALL), true),
            (0, Some(SMALL + 1), false),
            (LARGE / 2, Some(LARGE), false),
            (LARGE * 3 / 4, Some(LARGE), true),
            (LARGE, Some(LARGE), true),
            (SMALL, None, true),
            (SMALL + 1, None, false),
        ] {
            assert_eq!(is_worth_its_rest(written, length), worth, "{written} of {length:?}");
        }
    }

    #[test]
    fn interest_is_lost_some_time_after_the_last_reader_left() {
        let (start, mut interest) = (Instant::now(), Interest::Readers { unread: None });
        let mut lost = |is_read: bool, after: u64| {
            interest.is_lost(is_read, LARGE / 2, Some(LARGE), start + Duration::from_secs(after))
        };
        assert!(!lost(true, 0));
        assert!(!lost(false, 100), "it has just left");
        assert!(!lost(false, 104));
        assert!(!lost(true, 105), "another one came");
        assert!(!lost(false, 106));
        assert!(!lost(false, 110));
        assert!(lost(false, 111));
        let later = start + Duration::from_secs(1000);
        assert!(!Interest::Ordered.is_lost(false, 0, Some(LARGE), later), "nobody was to read it");
    }
}
