//! Copies of requests for another pool, whose answers are read and thrown away.
//!
//! A copy is sent like a request of the cache, by a task on the runtime of fills: nobody waits for it, its failure is
//! counted and nothing else, and when too many are on their way further ones are dropped. Only requests without a body
//! are copied: to copy one, its body would have to be held back until it is whole.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderName;
use tidegate_config::model::Mirror;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::split::BUCKETS;
use crate::cache::engine::{FetchEvent, FetchStream, Fetcher};
use crate::origin::FillRequest;
use crate::telemetry::{Metrics, MirrorOutcome};

/// Marks a copy, so that whoever gets it can tell it from a client's request.
pub const MIRROR_FIELD: HeaderName = HeaderName::from_static("x-tidegate-mirror");

/// Copies on their way at once. Enough for a pool that answers within its usual time; one that hangs is to take no more
/// than this of connections and memory.
const MAX_IN_FLIGHT: usize = 128;

/// The longest that one copy goes on: it is no use to anybody after that.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Bytes read of one answer. A segment of media has a few megabytes; more says nothing new about the other pool.
const MAX_BYTES: usize = 16 << 20;

/// Sends copies.
pub struct MirrorSender {
    fetcher: OnceLock<Arc<dyn Fetcher<FillRequest>>>,
    slots: Arc<Semaphore>,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl MirrorSender {
    /// One that sends from this runtime.
    #[must_use]
    pub fn new(runtime: Handle, metrics: Arc<Metrics>) -> Self {
        Self { fetcher: OnceLock::new(), slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)), runtime, metrics }
    }

    /// Says who fetches; once, while the node is put together.
    pub fn set_fetcher(&self, fetcher: Arc<dyn Fetcher<FillRequest>>) {
        if self.fetcher.set(fetcher).is_err() {
            log::warn!("mirroring has a fetcher already; the second one is not used");
        }
    }

    /// Sends a copy, if there is room for it. Returns at once.
    pub fn send(&self, request: FillRequest) {
        let (Some(fetcher), Ok(slot)) = (self.fetcher.get(), Arc::clone(&self.slots).try_acquire_owned()) else {
            self.metrics.mirrored(MirrorOutcome::Dropped);
            return;
        };
        let (fetcher, metrics) = (Arc::clone(fetcher), Arc::clone(&self.metrics));
        self.runtime.spawn(async move {
            let answered = tokio::time::timeout(MAX_TIME, throw_away(fetcher.fetch(request))).await;
            metrics.mirrored(answered.unwrap_or(MirrorOutcome::Failed));
            drop(slot);
        });
    }
}

/// Reads an answer to its end or bound.
async fn throw_away(mut answer: Box<dyn FetchStream>) -> MirrorOutcome {
    let mut read = 0;
    while read < MAX_BYTES {
        match answer.next().await {
            Ok(FetchEvent::End | FetchEvent::Head { end: true, .. }) => break,
            Ok(FetchEvent::Body(bytes)) => read += bytes.len(),
            Ok(FetchEvent::Head { .. } | FetchEvent::Trailers(_)) => {}
            Err(error) => {
                log::debug!("a mirrored request failed: {error}");
                return MirrorOutcome::Failed;
            }
        }
    }
    MirrorOutcome::Answered
}

/// Whether the request with this random number is among those that are copied.
#[must_use]
pub fn is_chosen(mirror: &Mirror, random: u128) -> bool {
    random % u128::from(BUCKETS) < u128::from(mirror.share)
}
