//! Whether a client goes on with the body it has begun, where Pingora does not look (HTTP/2).
//!
//! Owns the patience with a request body between two pieces. The pipeline tells when it begins to read a body, of each
//! piece, and how long an origin may take over it: a client is not blamed for what nobody reads, and nobody reads on
//! while the origin takes nothing.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    /// Of the request that runs in this task; absent where reading a body has a time-out of its own.
    static BODY_PROGRESS: Arc<BodyProgress>;
}

/// What an origin is given beyond its own time-out, which is to be heard of first.
const AFTER_ORIGIN: Duration = Duration::from_secs(1);

/// A wait for a piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    since: Instant,
    /// How long the origin may take over the pieces before it.
    taking: Duration,
}

/// The wait for the client's next piece.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    waiting: Mutex<Option<Waiting>>,
    changed: Notify,
}

/// Notes that the body of the current request is read from now on, or that a piece of it has come. The next one is read
/// when the origin has taken enough, for which it has this time.
pub(crate) fn body_goes_on(taking: Duration) {
    note(Some(Waiting { since: Instant::now(), taking }));
}

/// Notes that nothing more of it is waited for.
pub(crate) fn body_ended() {
    note(None);
}

fn note(waiting: Option<Waiting>) {
    // An error means that somebody else looks after this body.
    BODY_PROGRESS
        .try_with(|progress| {
            *progress.waiting.lock() = waiting;
            progress.changed.notify_one();
        })
        .ok();
}

/// Runs a request; `None` when the client did not go on with its body for so long.
pub(super) async fn while_body_comes<T>(patience: Duration, serving: impl Future<Output = T>) -> Option<T> {
    let progress = Arc::new(BodyProgress::default());
    let stalled = Arc::clone(&progress).stalled(patience);
    tokio::select! {
        biased;
        served = BODY_PROGRESS.scope(progress, serving) => Some(served),
        () = stalled => None,
    }
}

impl BodyProgress {
    async fn stalled(self: Arc<Self>, patience: Duration) {
        loop {
            let waiting = *self.waiting.lock();
            let Some(Waiting { since, taking }) = waiting else {
                self.changed.notified().await;
                continue;
            };
            sleep_until(since + patience.max(taking + AFTER_ORIGIN)).await;
            if *self.waiting.lock() == waiting {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);
    const TAKING: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn patience_lasts_from_piece_to_piece() {
        let served = while_body_comes(PATIENCE, async {
            sleep(PATIENCE * 2).await; // nobody reads yet
            for _ in 0..3 {
                body_goes_on(TAKING);
                sleep(PATIENCE / 2).await;
            }
            body_ended();
            sleep(PATIENCE * 2).await;
        });
        assert_eq!(served.await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_ends_its_request() {
        let begun = Instant::now();
        let served = while_body_comes(PATIENCE, async {
            body_goes_on(TAKING);
            sleep(PATIENCE * 2).await;
        });
        assert_eq!(served.await, None);
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_blamed_while_an_origin_may_still_take_what_has_come() {
        let begun = Instant::now();
        let served = while_body_comes(PATIENCE, async {
            body_goes_on(PATIENCE * 3);
            sleep(PATIENCE * 3).await;
            body_goes_on(PATIENCE * 3);
            sleep(PATIENCE * 4).await;
        });
        assert_eq!(served.await, None);
        assert_eq!(begun.elapsed(), PATIENCE * 6 + AFTER_ORIGIN);
    }
}
