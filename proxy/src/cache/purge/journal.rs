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

/// Added records after which the record is written anew, if it is so many times the names that are told apart. The least of
/// them are a few pages.
const MOST_ADDED: usize = 2;
const LEAST_ADDED: usize = 4096;

/// How long purges that nobody waits for gather: what unsafe methods change would else keep devices syncing.
const GATHERING: Duration = Duration::from_millis(200);

/// Between two attempts to write all that a device has missed, which is away mostly.
const PAUSE: Duration = Duration::from_secs(10);

/// Purges on their way to disk.
pub(super) struct Journal {
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// Somebody waits.
    hurry: Notify,
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
        Arc::new(Self { waiting: Mutex::default(), wake: Notify::new(), hurry: Notify::new() })
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

    /// Has all that is known written, some time.
    pub(super) fn write_whole(&self) {
        self.waiting.lock().whole = true;
        self.wake.notify_one();
    }

    /// Waits until all that was noted is written, and says how far.
    pub(super) async fn written(&self) -> Kept {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().told.push(tell);
        self.hurry.notify_one();
        // Gone without a word: the node stops.
        told.await.unwrap_or_default()
    }

    /// Writes for as long as it is let. `begun` says how far the record was written that this goes on with.
    pub(super) async fn run(self: Arc<Self>, log: Arc<dyn PurgeLog>, generations: Arc<Generations>, begun: Kept) {
        let mut written = Written { log, generations, added: 0, is_behind: begun.on < begun.of };
        loop {
            if written.is_behind {
                drop(tokio::time::timeout(PAUSE, self.hurry.notified()).await);
            } else {
                tokio::select! {
                    () = self.hurry.notified() => {}
                    () = self.wake.notified() => drop(tokio::time::timeout(GATHERING, self.hurry.notified()).await),
                }
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
        let most = (MOST_ADDED * self.generations.names()).max(LEAST_ADDED);
        let mut kept = Kept::default();
        let append = !all && !self.is_behind && self.added <= most;
        if append {
            kept = self.log.append(added(self.generations.secret(), records)).await;
        }
        if !append || kept.on == 0 {
            kept = self.write_whole().await;
        }
        let was_behind = std::mem::replace(&mut self.is_behind, kept.on < kept.of);
        if self.is_behind && !was_behind {
            log::warn!(devices = kept.on, of = kept.of; "purges could not be written down on every device");
        }
        kept
    }

    async fn write_whole(&mut self) -> Kept {
        self.added = 0;
        let secret = self.generations.secret();
        let kept = self.log.replace(whole(secret, &self.generations.records())).await;
        if kept.on > 0 || kept.of == 0 {
            return kept;
        }
        // There may be no room for all of it. That everything was purged up to now is said in a line; it takes more.
        let kept = self.log.replace(whole(secret, &self.generations.in_brief())).await;
        if kept.on > 0 {
            log::warn!("there is no room for all purges: after a restart everything that is on disk now is purged");
        }
        kept
    }
}
