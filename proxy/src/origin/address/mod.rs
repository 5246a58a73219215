//! The addresses of an origin: in which order they are tried, which of them failed lately, and a connection to the
//! first that answers.
//!
//! Knows nothing of names: those are the resolver's.

mod connector;
mod failed;
mod order;

use std::net::SocketAddr;
use std::sync::Arc;

pub(super) use connector::AddressConnector;
pub(super) use failed::FailedAddresses;
pub(super) use order::interleaved;

/// Addresses of one origin in the order to try them; never empty.
#[derive(Debug, Clone)]
pub struct Addresses {
    first: SocketAddr,
    all: Arc<[SocketAddr]>,
    failed: Arc<FailedAddresses>,
}

impl Addresses {
    /// These addresses, those last that failed a moment ago; none of nothing.
    #[must_use]
    pub(super) fn new(mut all: Vec<SocketAddr>, failed: &Arc<FailedAddresses>) -> Option<Self> {
        failed.move_last(&mut all);
        let first = *all.first()?;
        Some(Self { first, all: all.into(), failed: Arc::clone(failed) })
    }

    /// The one to try first.
    #[must_use]
    pub fn first(&self) -> SocketAddr {
        self.first
    }

    /// All, in order.
    #[must_use]
    pub fn all(&self) -> &[SocketAddr] {
        &self.all
    }
}
