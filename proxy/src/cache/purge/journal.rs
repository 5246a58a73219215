//! Writes purges down, many at once.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::generations::Generations;
use super::purge_log::{Kept, PurgeLog, added, whole};
use super::record::PurgeRecord;

/// Purges that wait to be written. More do so only where a device stands still; then the table is written whole, in which
/// they are.
const MOST_WAITING: usize = 1 << 16;

/// Added records after which the record is written anew: five times what it takes when the table is full.
const MOST_ADDED: usize = 1 << 21;

/// Between two attempts to write all that a device has missed, which is away mostly.
const PAUSE: Duration = Duration::from_secs(10);

/// Purges on their way to disk.
pub(super) struct Journal {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    records: Vec<PurgeRecord>,
    /// There were too many: only the whole table has all.
    whole: bool,
    told: Vec<oneshot::Sender<Kept>>,
}

impl Journal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), wake: Notify::new() })
    }

    /// Has a purge written, some time.
    pub(super) fn note(&self, records: impl IntoIterator<Item = PurgeRecord>) {
        let mut waiting = self.waiting.lock();
        if !waiting.whole {
            waiting.records.extend(records);
        }
        if waiting.records.len() > MOST_WAITING {
            waiting.records = Vec::new();
            waiting.whole = true;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Waits until all that was noted is written, and says how far.
    pub(super) async fn written(&self) -> Kept {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().told.push(tell);
        self.wake.notify_one();
        // Gone without a word: the node stops.
        told.await.unwrap_or_default()
    }

    /// Writes for as long as it is let.
    pub(super) async fn run(self: Arc<Self>, log: Arc<dyn PurgeLog>, generations: Arc<Generations>) {
        let mut written = Written { log, generations, added: 0, is_behind: false };
        loop {
            if written.is_behind {
                drop(tokio::time::timeout(PAUSE, self.wake.notified()).await);
            } else {
                self.wake.notified().await;
            }
            let Waiting { records, whole, told } = std::mem::take(&mut *self.waiting.lock());
            let kept = written.write(&records, whole).await;
            for tell in told {
                tell.send(kept).unwrap_or_default(); // who asked may be gone
            }
        }
    }
}

struct Written {
    log: Arc<dyn PurgeLog>,
    generations: Arc<Generations>,
    added: usize,
    /// Some copy lacks something, so that adding to it is not enough.
    is_behind: bool,
}

impl Written {
    async fn write(&mut self, records: &[PurgeRecord], all: bool) -> Kept {
        self.added += records.len();
        let kept = if all || self.is_behind || self.added > MOST_ADDED {
            self.added = 0;
            let part = whole(self.generations.secret(), &self.generations.records());
            self.log.replace(part).await
        } else {
            self.log.append(added(records)).await
        };
        let was_behind = std::mem::replace(&mut self.is_behind, kept.on < kept.of);
        if self.is_behind && !was_behind {
            log::warn!(devices = kept.on, of = kept.of; "purges could not be written down on every device");
        }
        kept
    }
}
