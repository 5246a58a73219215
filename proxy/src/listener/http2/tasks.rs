//! Tasks of an HTTP/2 connection's streams: how many run, since when none does, and waiting for the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Tasks {
    running: AtomicUsize,
    none_left: Notify,
    /// Reference for `last_ended`.
    begin: Instant,
    /// Milliseconds after `begin` when the last running task ended.
    last_ended: AtomicU64,
}

/// Counts one task until dropped.
#[derive(Debug)]
pub(super) struct StreamGuard(Arc<Tasks>);

impl Tasks {
    pub(super) fn new(now: Instant) -> Self {
        Self { running: AtomicUsize::new(0), none_left: Notify::new(), begin: now, last_ended: AtomicU64::new(0) }
    }

    pub(super) fn begin(tasks: &Arc<Self>) -> StreamGuard {
        tasks.running.fetch_add(1, Ordering::Relaxed);
        StreamGuard(Arc::clone(tasks))
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Notes that something was answered without a task.
    pub(super) fn note_activity(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ended.store(millis, Ordering::Relaxed);
    }

    /// Since when none runs, if none does.
    pub(super) fn last_ended(&self) -> Instant {
        self.begin + Duration::from_millis(self.last_ended.load(Ordering::Relaxed))
    }

    pub(super) async fn all_ended(&self) {
        while self.running() > 0 {
            self.none_left.notified().await;
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let tasks = &self.0;
        if tasks.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            tasks.note_activity();
            tasks.none_left.notify_one();
        }
    }
}
