//! One job: its progress, as operators see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::keeping::{Done, Kept, Room};
use super::{Reading, UNFOLLOWED, WarmOrder, Warmed};
use crate::media::LeftOut;

/// Failures shown one by one; the rest is counted.
const MAX_FAILURES: usize = 100;

/// Numbers of jobs. They need not be secret: who may ask about one may begin one.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub(super) struct Job {
    pub(super) id: String,
    pub(super) order: WarmOrder,
    began: Instant,
    cancelled: AtomicBool,
    cancelling: Notify,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    found: usize,
    fetched: usize,
    present: usize,
    failed: usize,
    bytes: u64,
    /// What is being read; no more than the order's concurrency.
    reading: Vec<(Box<str>, Arc<Reading>)>,
    asked_about: Option<Instant>,
    failures: Vec<(String, String)>,
    /// What there is of what a job that was ended was reading.
    kept: Vec<(String, Kept)>,
    /// How full the cache was when something had been evicted.
    full: Option<Room>,
    left_out: HashMap<&'static str, usize>,
    ended: Option<Instant>,
}

impl Job {
    pub(super) fn new(order: WarmOrder) -> Self {
        let id = format!("w{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cancelled = AtomicBool::new(false);
        Self { id, order, began: Instant::now(), cancelled, cancelling: Notify::new(), progress: Mutex::default() }
    }

    pub(super) fn is_running(&self) -> bool {
        self.progress.lock().ended.is_none()
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.cancelling.notify_one(); // kept for the one task of the job where that does not wait yet
    }

    /// Waits until it is cancelled, or nobody follows it who should.
    pub(super) async fn cancelled(&self) {
        while !self.is_cancelled() {
            if !self.order.followed {
                self.cancelling.notified().await;
            } else if timeout_at(self.followed_until(), self.cancelling.notified()).await.is_err()
                && self.followed_until() <= Instant::now()
            {
                self.cancel();
            }
        }
    }

    fn followed_until(&self) -> Instant {
        self.progress.lock().asked_about.unwrap_or(self.began) + UNFOLLOWED
    }

    /// Notes that somebody follows it.
    pub(super) fn asked_about(&self) {
        self.progress.lock().asked_about = Some(Instant::now());
    }

    /// Records that a target is being read, until what is returned is dropped.
    pub(super) fn reads(self: &Arc<Self>, target: &str) -> BeingRead {
        let reading = Arc::new(Reading::default());
        self.progress.lock().reading.push((target.into(), Arc::clone(&reading)));
        BeingRead { job: Arc::clone(self), reading }
    }

    /// What is being read.
    pub(super) fn being_read(&self) -> Vec<Box<str>> {
        self.progress.lock().reading.iter().map(|(target, _)| target.clone()).collect()
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.progress.lock().ended = Some(Instant::now());
    }

    pub(super) fn found(&self, count: usize) {
        self.progress.lock().found += count;
    }

    /// Records what came of a target.
    pub(super) fn warmed(&self, target: &str, warmed: &Warmed) {
        let mut progress = self.progress.lock();
        match warmed {
            Warmed::Fetched(bytes) => {
                progress.fetched += 1;
                progress.bytes += bytes;
            }
            Warmed::Present => progress.present += 1,
            Warmed::Failed(reason) => progress.fail(target, reason.clone()),
        }
    }

    /// Records that a target which was there is not any more.
    pub(super) fn is_not_kept(&self, done: &Done, reason: String) {
        let mut progress = self.progress.lock();
        match done.warmed {
            Warmed::Fetched(bytes) => {
                progress.fetched = progress.fetched.saturating_sub(1);
                progress.bytes = progress.bytes.saturating_sub(bytes);
            }
            Warmed::Present => progress.present = progress.present.saturating_sub(1),
            Warmed::Failed(_) => return,
        }
        progress.fail(&done.target, reason);
    }

    /// Records how full the cache is.
    pub(super) fn found_full(&self, room: Room) {
        self.progress.lock().full = Some(room);
    }

    /// Records what there is of a target that was being read.
    pub(super) fn keeps(&self, target: &str, kept: Kept) {
        self.progress.lock().kept.push((path_of(target), kept));
    }

    /// Records a playlist that is there but could not be followed.
    pub(super) fn not_followed(&self, target: &str, reason: String) {
        self.progress.lock().fail(target, reason);
    }

    /// Records references that were not followed.
    pub(super) fn left_out(&self, left_out: LeftOut) {
        let mut progress = self.progress.lock();
        let counts =
            [("other_host", left_out.foreign), ("malformed", left_out.malformed), ("beyond_limits", left_out.beyond)];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *progress.left_out.entry(name).or_default() += count;
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let progress = self.progress.lock();
        let state = match (progress.ended, self.is_cancelled()) {
            (None, _) => "running",
            (Some(_), true) => "cancelled",
            (Some(_), false) => "done",
        };
        let ended = progress.ended.unwrap_or_else(Instant::now);
        let failures: Vec<Value> =
            progress.failures.iter().map(|(target, reason)| json!({ "target": target, "reason": reason })).collect();
        let being_read = |(target, reading): &(Box<str>, Arc<Reading>)| json!({ "target": path_of(target), "bytes": reading.read(), "length": reading.length() });
        let reading: Vec<Value> = progress.reading.iter().map(being_read).collect();
        json!({
            "id": self.id,
            "state": state,
            "found": progress.found,
            "fetched": progress.fetched,
            "present": progress.present,
            "failed": progress.failed,
            "bytes": progress.bytes,
            "reading": reading,
            "seconds": ended.duration_since(self.began).as_secs_f64(),
            "failures": failures,
            "kept": progress.kept.iter().map(kept_json).collect::<Vec<_>>(),
            "full": progress.full.map(|room| json!({ "bytes": room.bytes, "capacity": room.capacity })),
            "left_out": progress.left_out,
        })
    }
}

impl Progress {
    fn fail(&mut self, target: &str, reason: String) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push((path_of(target), reason));
        }
    }
}

/// Slices are null where all of it is there, or on its way.
fn kept_json((target, kept): &(String, Kept)) -> Value {
    let slices = match kept {
        Kept::Slices { stored, all } => json!({ "stored": stored, "all": all }),
        Kept::Whole | Kept::Arriving | Kept::Nothing => Value::Null,
    };
    json!({ "target": target, "slices": slices, "arriving": *kept == Kept::Arriving })
}

/// Queries may carry tokens, and this is shown and logged.
fn path_of(target: &str) -> String {
    target.split('?').next().unwrap_or_default().to_owned()
}

/// A target that is being read.
pub(super) struct BeingRead {
    job: Arc<Job>,
    pub(super) reading: Arc<Reading>,
}

impl Drop for BeingRead {
    fn drop(&mut self) {
        self.job.progress.lock().reading.retain(|(_, reading)| !Arc::ptr_eq(reading, &self.reading));
    }
}
