//! Addresses of origins: literals at once, names by DNS, remembered as long as their records say and refreshed before
//! that, so that requests hardly ever wait for a name and an origin does not die with its DNS.
//!
//! Owns what is remembered and when it is asked for again. Asking is `lookup`'s.

mod lookup;
mod remembered;
mod services;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use tidegate_config::model::{Discovery, Origin};
use tokio::runtime::Handle;

use self::lookup::{DnsClient, LOOKUP_TIMEOUT, Question, Records};
use self::remembered::{Remembered, Step};
use super::address::{Addresses, FailedAddresses, interleaved};
use crate::telemetry::ResolverMetrics;

/// Names remembered; they come from configurations only, and a node has a few.
const NAMES: usize = 4_096;

/// Addresses tried of one origin at most: connecting to more takes longer than any time-out.
const MOST_ADDRESSES: usize = 32;

/// Turns of one request: to begin, to wait, to use, and once more should the look-up be lost with its runtime.
const MOST_STEPS: usize = 6;

/// Why an origin has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// DNS says that there is none.
    #[error("the name {name} has no address: {reason}")]
    Nothing {
        /// The origin's host.
        name: String,
        /// What DNS says.
        reason: String,
    },
    /// DNS did not say, and nothing is remembered.
    #[error("the name {name} could not be resolved: {reason}")]
    Failed {
        /// The origin's host.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// It took too long.
    #[error("the name {name} was not resolved within {} s", LOOKUP_TIMEOUT.as_secs())]
    TimedOut {
        /// The origin's host.
        name: String,
    },
}

/// Resolves origins' hosts. Clones share what is remembered.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    client: ArcSwap<DnsClient>,
    names: RwLock<HashMap<Question, Arc<Remembered>>>,
    failed: Arc<FailedAddresses>,
    /// Spreads connections over addresses.
    rotation: AtomicUsize,
    runtime: Handle,
    metrics: ResolverMetrics,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks these servers, or the system's when there are none, on this runtime: a look-up belongs to
    /// no request and outlives the one that began it.
    #[must_use]
    pub fn new(servers: &[SocketAddr], runtime: Handle, metrics: ResolverMetrics) -> Self {
        Self(Arc::new(Shared {
            client: ArcSwap::from_pointee(DnsClient::new(servers)),
            names: RwLock::default(),
            failed: Arc::default(),
            rotation: AtomicUsize::new(0),
            runtime,
            metrics,
        }))
    }

    /// Asks these servers from now on, or the system's. Reads the system's files anew, and asks anew for every name
    /// when it is next used; until the answer comes the remembered ones are good.
    pub fn configure(&self, servers: &[SocketAddr]) {
        self.0.client.store(Arc::new(DnsClient::new(servers)));
        let now = Instant::now();
        for remembered in self.0.names.read().values() {
            remembered.refresh_when_used(now);
        }
    }

    /// The addresses of an origin in the order to try them.
    ///
    /// # Errors
    /// When there is none, or none is known.
    pub async fn resolve(&self, origin: &Origin) -> Result<Addresses, ResolveError> {
        let rotation = self.0.rotation.fetch_add(1, Ordering::Relaxed);
        let all = match origin.host.parse::<IpAddr>() {
            Ok(address) if origin.discovery == Discovery::Address => vec![SocketAddr::new(address, origin.port)],
            _ => self.ordered(origin, rotation).await?,
        };
        let nothing = || ResolveError::Nothing { name: origin.host.clone(), reason: "no usable address".to_owned() };
        Addresses::new(all, &self.0.failed).ok_or_else(nothing)
    }

    async fn ordered(&self, origin: &Origin, rotation: usize) -> Result<Vec<SocketAddr>, ResolveError> {
        let records = self.records(Question::of(origin)).await?;
        let mut all = match &*records {
            Records::Addresses(addresses) => with_port(interleaved(addresses, rotation), origin.port),
            Records::Services(list) => services::ordered(list, rotation)
                .into_iter()
                .flat_map(|service| with_port(interleaved(&service.addresses, rotation), service.port))
                .collect(),
        };
        all.truncate(MOST_ADDRESSES);
        Ok(all)
    }

    /// What is remembered of a name, or what DNS says of it now.
    async fn records(&self, question: Question) -> Result<Arc<Records>, ResolveError> {
        let remembered = self.remembered(&question);
        for _ in 0..MOST_STEPS {
            match remembered.step(Instant::now()) {
                Step::Use(records) => return Ok(records),
                Step::UseStale(records) => {
                    self.0.metrics.stale_answers.inc();
                    return Ok(records);
                }
                Step::UseAndRefresh(records) => {
                    self.begin_lookup(&question, &remembered);
                    return Ok(records);
                }
                Step::Refuse(error) => return Err(error.about(&question.name)),
                Step::Begin => self.begin_lookup(&question, &remembered),
                Step::Wait(mut ended, until) => {
                    // Ended or not, what is known then decides.
                    drop(tokio::time::timeout_at(until.into(), ended.changed()).await);
                }
            }
        }
        Err(ResolveError::Failed { name: question.name, reason: "look-ups end without an answer".to_owned() })
    }

    fn remembered(&self, question: &Question) -> Arc<Remembered> {
        if let Some(remembered) = self.0.names.read().get(question) {
            return Arc::clone(remembered);
        }
        let mut names = self.0.names.write();
        if names.len() >= NAMES && !names.contains_key(question) {
            let now = Instant::now();
            names.retain(|_, remembered| !remembered.is_forgettable(now));
        }
        if names.len() >= NAMES {
            // Not kept: asked for at each use, which is slow and right.
            return Arc::default();
        }
        Arc::clone(names.entry(question.clone()).or_default())
    }

    /// Begins a look-up unless one is under way.
    fn begin_lookup(&self, question: &Question, remembered: &Arc<Remembered>) {
        let Some(flight) = remembered.begin(Instant::now()) else { return };
        let (client, metrics) = (self.0.client.load_full(), self.0.metrics.clone());
        let (question, remembered) = (question.clone(), Arc::clone(remembered));
        self.0.runtime.spawn(async move {
            let found = client.look_up(&question).await;
            metrics.looked_up(found.outcome());
            remembered.end(&question, found, Instant::now(), flight);
        });
    }
}

fn with_port(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

#[cfg(test)]
mod tests;
