//! Warming: operators have a URL, or all that a playlist lists, fetched into the cache before anybody asks.
//!
//! Owns the jobs, what they follow and their bounds. How a URL is fetched is behind [`Asker`], which goes through the
//! node's own routes and cache: like prefetching it never asks an address that a playlist names.

mod job;
mod keeping;
mod order;
mod reading;
mod walk;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::media::PlaylistKind;
use job::Job;
pub use keeping::{Kept, Room};
pub use order::WarmOrder;
pub use reading::Reading;

/// Jobs that run at the same time; each has its own concurrency.
const MAX_RUNNING: usize = 4;

/// Jobs that can be asked about, running ones included.
const MAX_REMEMBERED: usize = 64;

/// How long one URL may take: the longest films come within, at the speed of a television.
const MAX_TARGET_TIME: Duration = Duration::from_secs(30 * 60);

/// How long a job that is followed goes on while nobody asks about it: its command asks several times a second, waits half a
/// minute for an answer, and asks again after one that failed. One that was killed, or has lost its way to the node, must
/// not leave a film on its way.
const UNFOLLOWED: Duration = Duration::from_secs(90);

/// What came of one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warmed {
    /// It was fetched, so many bytes.
    Fetched(u64),
    /// It was there already.
    Present,
    /// It is not in the cache, for this reason.
    Failed(String),
}

/// A URL that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What came of it.
    pub warmed: Warmed,
    /// Its kind and body, where it is a playlist of a size that is read.
    pub playlist: Option<(PlaylistKind, Vec<u8>)>,
}

impl Reply {
    /// It is not in the cache, for this reason.
    #[must_use]
    pub fn failed(reason: &str) -> Self {
        Self { warmed: Warmed::Failed(reason.to_owned()), playlist: None }
    }
}

/// Where something is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmSite {
    /// Whether by `https`.
    pub tls: bool,
    /// Authority as in a Host field.
    pub authority: String,
}

/// Asks this node's own cache.
pub trait Asker: Send + Sync + 'static {
    /// Asks for a target and reads the answer to its end, telling how far it is.
    fn ask<'a>(&'a self, site: &'a WarmSite, target: &'a str, reading: &'a Reading) -> BoxFuture<'a, Reply>;

    /// How full the cache is, once it has turned away what it has no room for.
    fn room(&self) -> Room;

    /// How much of a target is in the cache.
    fn kept(&self, site: &WarmSite, target: &str) -> Kept;
}

/// Why an order is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too many run.
    #[error("{MAX_RUNNING} jobs run already")]
    Busy,
    /// The node is not put together yet.
    #[error("the node is starting")]
    Starting,
}

/// All jobs.
pub struct WarmJobs {
    asker: OnceLock<Arc<dyn Asker>>,
    jobs: Mutex<VecDeque<Arc<Job>>>,
    runtime: Handle,
}

impl WarmJobs {
    /// None yet; they will run on this runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self { asker: OnceLock::new(), jobs: Mutex::default(), runtime }
    }

    /// Says who asks; once, while the node is put together.
    pub fn set_asker(&self, asker: Arc<dyn Asker>) {
        if self.asker.set(asker).is_err() {
            log::warn!("warming has an asker already; the second one is not used");
        }
    }

    /// Begins a job, and shows it.
    ///
    /// # Errors
    /// When it is not begun.
    pub fn begin(&self, order: WarmOrder) -> Result<Value, NotTaken> {
        let asker = Arc::clone(self.asker.get().ok_or(NotTaken::Starting)?);
        let mut jobs = self.jobs.lock();
        if jobs.iter().filter(|job| job.is_running()).count() >= MAX_RUNNING {
            return Err(NotTaken::Busy);
        }
        while jobs.len() >= MAX_REMEMBERED {
            // Running ones are fewer than the remembered.
            let Some(place) = jobs.iter().position(|job| !job.is_running()) else { break };
            jobs.remove(place);
        }
        let job = Arc::new(Job::new(order));
        jobs.push_back(Arc::clone(&job));
        let shown = job.to_json();
        self.runtime.spawn(walk::run(job, asker));
        Ok(shown)
    }

    /// Shows a job to somebody who asks about it.
    #[must_use]
    pub fn show(&self, id: &str) -> Option<Value> {
        let job = self.jobs.lock().iter().find(|job| job.id == id).cloned()?;
        job.asked_about();
        Some(job.to_json())
    }

    /// Ends a job at once, whatever it waits for.
    #[must_use]
    pub fn cancel(&self, id: &str) -> Option<Value> {
        let job = self.jobs.lock().iter().find(|job| job.id == id).cloned()?;
        job.cancel();
        Some(job.to_json())
    }
}

#[cfg(test)]
mod tests;
