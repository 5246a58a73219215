//! Whether a client goes on with the body it has begun, where Pingora does not look (HTTP/2).
//!
//! Owns the patience with a request body between two pieces. The pipeline tells when it begins to read a body, and of
//! each piece; a client is not blamed for what nobody reads.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    /// Of the request that runs in this task; absent where reading a body has a time-out of its own.
    static BODY_PROGRESS: Arc<BodyProgress>;
}

/// When the client's next piece began to be waited for.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    waiting_since: Mutex<Option<Instant>>,
    changed: Notify,
}

/// Notes that the body of the current request is read from now on, or that a piece of it has come.
pub(crate) fn body_goes_on() {
    note(Some(Instant::now()));
}

/// Notes that nothing more of it is waited for.
pub(crate) fn body_ended() {
    note(None);
}

fn note(waiting_since: Option<Instant>) {
    // An error means that somebody else looks after this body.
    BODY_PROGRESS
        .try_with(|progress| {
            *progress.waiting_since.lock() = waiting_since;
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
            let waiting_since = *self.waiting_since.lock();
            let Some(since) = waiting_since else {
                self.changed.notified().await;
                continue;
            };
            sleep_until(since + patience).await;
            if *self.waiting_since.lock() == Some(since) {
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

    #[tokio::test(start_paused = true)]
    async fn patience_lasts_from_piece_to_piece() {
        let served = while_body_comes(PATIENCE, async {
            sleep(PATIENCE * 2).await; // nobody reads yet
            for _ in 0..3 {
                body_goes_on();
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
            body_goes_on();
            sleep(PATIENCE * 2).await;
        });
        assert_eq!(served.await, None);
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
