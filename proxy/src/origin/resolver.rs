//! Addresses of origins: literals at once, names by the system's resolver, remembered for a short while.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use std::sync::Arc;

use moka::sync::Cache;
use tidegate_config::model::Origin;

use super::address::{Addresses, FailedAddresses};

/// How long an answer of the system's resolver is used; it hides the record's own TTL from us.
const ANSWER_LIFETIME: Duration = Duration::from_secs(15);

/// How long one look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Names remembered; an edge has a few origins.
const NAMES: u64 = 4_096;

/// Why an origin has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// The look-up failed.
    #[error("the name {name} could not be resolved: {reason}")]
    Lookup {
        /// The origin's host.
        name: String,
        /// The resolver's words.
        reason: String,
    },
    /// It took too long.
    #[error("the name {name} was not resolved within {} s", LOOKUP_TIMEOUT.as_secs())]
    TimedOut {
        /// The origin's host.
        name: String,
    },
}

/// Resolves origins' hosts.
#[derive(Debug, Clone)]
pub struct Resolver {
    answers: Cache<(String, u16), SocketAddr>,
    failed: Arc<FailedAddresses>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            answers: Cache::builder().max_capacity(NAMES).time_to_live(ANSWER_LIFETIME).build(),
            failed: Arc::default(),
        }
    }
}

impl Resolver {
    /// The addresses of an origin in the order to try them.
    pub async fn resolve(&self, origin: &Origin) -> Result<Addresses, ResolveError> {
        let address = self.lookup(&origin.host, origin.port).await?;
        let empty = || ResolveError::Lookup { name: origin.host.clone(), reason: "it has no address".to_owned() };
        Addresses::new(vec![address], &self.failed).ok_or_else(empty)
    }

    async fn lookup(&self, host: &str, port: u16) -> Result<SocketAddr, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        let key = (host.to_owned(), port);
        if let Some(address) = self.answers.get(&key) {
            return Ok(address);
        }
        let name = host.to_owned();
        let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, port))).await;
        let mut addresses = lookup
            .map_err(|_| ResolveError::TimedOut { name: name.clone() })?
            .map_err(|error| ResolveError::Lookup { name: name.clone(), reason: error.to_string() })?;
        let address = addresses.next().ok_or(ResolveError::Lookup { name, reason: "it has no address".to_owned() })?;
        self.answers.insert(key, address);
        Ok(address)
    }
}
