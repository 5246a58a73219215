//! What of all that a job has fetched is in the cache when it ends: a full one has turned some away by then.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::job::Job;
use super::{Asker, Warmed};

/// How much of a target is in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// What is not there is on its way.
    Arriving,
    /// Some of its slices.
    Slices {
        /// How many are stored.
        stored: u64,
        /// How many there are.
        all: u64,
    },
    /// Nothing.
    Nothing,
}

/// How full the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Bytes that are stored.
    pub bytes: u64,
    /// Bytes that may be.
    pub capacity: u64,
}

/// A target of which the job was given all.
pub(super) struct Done {
    pub(super) target: Box<str>,
    pub(super) warmed: Warmed,
    /// Bytes of its body.
    pub(super) bytes: u64,
}

/// How long what was read to its end may take until it is stored. That follows at once; a slice that was evicted and is being
/// fetched for somebody else takes longer, and will be there.
const STORING: Duration = Duration::from_secs(2);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Targets that are looked for without a break, which others of the runtime may use.
const BATCH: usize = 64;

/// The part of the capacity that a full cache may have free: what is evicted together is more than what was to be stored.
const FREE_SHARE: u64 = 8;

/// Looks for everything that the job was given, and tells it what is not there.
pub(super) async fn look_for(job: &Job, asker: &dyn Asker, done: Vec<Done>) {
    let (room, until) = (asker.room(), Instant::now() + STORING);
    let mut is_full = false;
    for (number, one) in done.iter().enumerate() {
        if number % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
        let mut kept = asker.kept(&job.order.site, &one.target);
        while kept == Kept::Arriving && Instant::now() < until {
            sleep(PAUSE).await;
            asker.room(); // so that it is turned away now if it will be
            kept = asker.kept(&job.order.site, &one.target);
        }
        let Some((missing, what)) = missing_of(one.bytes, kept) else { continue };
        let evicted = room.is_full_for(missing);
        is_full |= evicted;
        let why = if evicted { "evicted: the cache is full" } else { "made invalid or replaced meanwhile" };
        job.is_not_kept(one, format!("{why}; {what}"));
    }
    if is_full {
        job.found_full(room);
    }
}

/// Tells the job what there is of targets that it did not come to the end of.
pub(super) fn look_for_parts(job: &Job, asker: &dyn Asker, targets: &[Box<str>]) {
    for target in targets {
        match asker.kept(&job.order.site, target) {
            Kept::Nothing => {}
            kept => job.keeps(target, kept),
        }
    }
}

/// Bytes that are missing of so many, and what is there; nothing where all of it is.
fn missing_of(bytes: u64, kept: Kept) -> Option<(u64, String)> {
    match kept {
        Kept::Whole | Kept::Arriving => None,
        Kept::Nothing => Some((bytes, "nothing of it is stored".to_owned())),
        Kept::Slices { stored, all } => {
            let missing = bytes / all.max(1) * all.saturating_sub(stored);
            Some((missing, format!("{stored} of {all} slices are stored")))
        }
    }
}

impl Room {
    /// Whether so many bytes more have no room.
    fn is_full_for(self, missing: u64) -> bool {
        self.bytes.saturating_add(missing) >= self.capacity - self.capacity / FREE_SHARE
    }
}
