//! How much of a body is taken at once, and who goes first where many have waited for the same fill.

use super::{PIECE, length_of};
use crate::cache::engine::{Object, Outcome};
use crate::cmcd::Pace;

/// Bytes of a body that leave with its head where many may wait for the same fill. Each of them then has its first bytes
/// before any of them gets more: copying the first 64 KiB to a thousand clients takes tens of milliseconds, these hardly
/// any. Enough to see what a file is.
const FIRST_PIECE: usize = 4 * 1024;

/// The turns in which one body is written.
pub(super) struct Turns {
    /// Whether there is nobody, or nobody any more, whom it would keep from their first bytes.
    is_begun: bool,
}

impl Turns {
    /// Those of a response that came about so: others may wait for what is fetched.
    pub(super) fn of(outcome: Outcome, object: &Object) -> Self {
        Self::new(outcome, is_needed_whole(length_of(object), object.meta.at_live_edge))
    }

    fn new(outcome: Outcome, is_needed_whole: bool) -> Self {
        Self { is_begun: is_needed_whole || !matches!(outcome, Outcome::Miss { .. }) }
    }

    /// Most bytes that are taken at once.
    pub(super) fn most(&self, pace: Option<&Pace>) -> usize {
        let most = if self.is_begun { PIECE } else { FIRST_PIECE };
        pace.map_or(most, |pace| pace.piece().min(most))
    }

    /// Behind the first piece, lets everyone in this thread go first who was woken before.
    pub(super) async fn let_others_begin(&mut self) {
        if !std::mem::replace(&mut self.is_begun, true) {
            tokio::task::yield_now().await;
        }
    }
}

/// Whether first bytes of it help nobody: what is one write anyway stays one, and so does what players at the live edge wait
/// for. They need its last byte, and a second write for each of thousands delays that.
fn is_needed_whole(length: Option<u64>, at_live_edge: bool) -> bool {
    at_live_edge || length.is_some_and(|length| length <= PIECE as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::task::JoinSet;

    use super::*;
    use crate::cache::rules::decide::{FetchReason, WhyStale};
    use crate::cache::rules::storability::NotStored;

    const JOINED: Outcome = Outcome::Miss { reason: FetchReason::Miss, collapsed: true, stored: Ok(()) };
    const STARTED: Outcome = Outcome::Miss { reason: FetchReason::Miss, collapsed: false, stored: Ok(()) };

    #[tokio::test]
    async fn first_piece_of_what_is_fetched_is_four_kibibytes_and_of_nothing_else() {
        let others = [Outcome::Hit, Outcome::Stale(WhyStale::Accepted), Outcome::Revalidated { collapsed: true }];
        let alone = Outcome::Unshared(NotStored::NoStore);
        let waited_for = [(JOINED, 4096), (STARTED, 4096)];
        let begun = others.into_iter().chain([alone]).map(|outcome| (outcome, PIECE));
        for (outcome, first) in waited_for.into_iter().chain(begun) {
            let mut turns = Turns::new(outcome, false);
            assert_eq!(turns.most(None), first, "{outcome:?}");
            turns.let_others_begin().await;
            assert_eq!(turns.most(None), PIECE, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_one_write_or_at_the_live_edge_is_not_cut() {
        let piece = PIECE as u64;
        for (length, at_live_edge, expected) in [
            (Some(piece), false, true),
            (Some(piece + 1), false, false),
            (None, false, false),
            (None, true, true),
            (Some(piece + 1), true, true),
        ] {
            assert_eq!(is_needed_whole(length, at_live_edge), expected, "{length:?} {at_live_edge}");
        }
        assert_eq!(Turns::new(JOINED, true).most(None), PIECE);
    }

    #[tokio::test]
    async fn everyone_has_a_first_piece_before_anybody_has_a_second() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut clients = JoinSet::new();
        for _ in 0..5 {
            let written = Arc::clone(&written);
            clients.spawn(async move {
                let mut turns = Turns::new(JOINED, false);
                for _ in 0..2 {
                    written.lock().push(turns.most(None));
                    turns.let_others_begin().await;
                }
            });
        }
        clients.join_all().await;
        assert_eq!(*written.lock(), [[FIRST_PIECE; 5], [PIECE; 5]].concat());
    }
}
