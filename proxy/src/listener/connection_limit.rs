//! How many connections are open, in all and from one client address, over TCP and QUIC together.
//!
//! Owns the counts only: which limits apply is said at each admission, so that a configuration change takes
//! effect with the next connection. Closing what is refused is the accept loops' business.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tidegate_config::model::Limits;

use super::Refusal;

/// Maps that the per-address counts are spread over, so that accept loops of several threads seldom wait for each
/// other. A power of two; 64 is several times the threads of the largest machine we expect.
const SHARDS: usize = 64;

/// Prefix by which IPv6 clients are counted: a /64 is what one subscriber gets at least (RFC 6177), so that counting
/// single addresses would limit nobody.
const IPV6_PREFIX_BITS: u32 = 64;

/// Counts open connections. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimit {
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    open: AtomicUsize,
    by_address: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hasher: RandomState,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            by_address: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

/// Keeps one connection counted; dropping it uncounts the connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    counts: Arc<Counts>,
    /// Present when the connection is counted for its address as well.
    address: Option<IpAddr>,
}

impl ConnectionLimit {
    /// Nothing is open yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Counts one connection from `client`.
    ///
    /// # Errors
    /// The limit that was reached; nothing is counted then.
    pub fn admit(&self, client: IpAddr, limits: &Limits) -> Result<ConnectionGuard, Refusal> {
        let mut guard = self.admit_unnamed(limits)?;
        guard.name(client, limits)?;
        Ok(guard)
    }

    /// Counts one connection whose client is not known yet.
    ///
    /// # Errors
    /// The limit of all connections was reached; nothing is counted then.
    pub fn admit_unnamed(&self, limits: &Limits) -> Result<ConnectionGuard, Refusal> {
        let counts = &self.counts;
        if counts.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            counts.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Connections);
        }
        Ok(ConnectionGuard { counts: Arc::clone(counts), address: None })
    }
}

impl ConnectionGuard {
    /// Counts the connection for its client as well, once that is known.
    ///
    /// # Errors
    /// The client's limit was reached; the connection is counted in all until the guard is dropped.
    pub fn name(&mut self, client: IpAddr, limits: &Limits) -> Result<(), Refusal> {
        let Some(most) = limits.connections_per_address.filter(|_| self.address.is_none()) else { return Ok(()) };
        let address = counted_address(client);
        if !self.counts.add(address, most) {
            return Err(Refusal::ConnectionsPerAddress);
        }
        self.address = Some(address);
        Ok(())
    }
}

impl Counts {
    fn shard(&self, address: IpAddr) -> &Mutex<HashMap<IpAddr, usize>> {
        let hash = self.hasher.hash_one(address) as usize;
        &self.by_address[hash % SHARDS]
    }

    /// Whether there was room for one more.
    fn add(&self, address: IpAddr, most: usize) -> bool {
        let mut shard = self.shard(address).lock();
        let count = shard.entry(address).or_insert(0);
        if *count < most {
            *count += 1;
            return true;
        }
        if *count == 0 {
            shard.remove(&address);
        }
        false
    }

    fn remove(&self, address: IpAddr) {
        let mut shard = self.shard(address).lock();
        if let Some(count) = shard.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&address);
            }
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.counts.remove(address);
        }
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address under which a client is counted.
fn counted_address(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - IPV6_PREFIX_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn limits(connections: usize, per_address: Option<usize>) -> Limits {
        let text = include_str!("../../../config/examples/edge.yaml").to_owned();
        let model = tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]).unwrap();
        let mut limits = model.node.limits;
        limits.connections = connections;
        limits.connections_per_address = per_address;
        limits
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn open_connections_are_bounded_in_all() {
        let (limit, limits) = (ConnectionLimit::new(), limits(2, None));
        let first = limit.admit(address("192.0.2.1"), &limits).unwrap();
        let _second = limit.clone().admit(address("192.0.2.1"), &limits).unwrap();
        assert_eq!(limit.admit(address("192.0.2.2"), &limits).unwrap_err(), Refusal::Connections);
        drop(first);
        assert_eq!(limit.open(), 1);
        assert!(limit.admit(address("192.0.2.2"), &limits).is_ok());
    }

    #[test]
    fn clients_are_counted_by_address_or_ipv6_prefix() {
        let check = |first: &str, second: &str, shared: bool| {
            let (limit, limits) = (ConnectionLimit::new(), limits(10, Some(1)));
            let guard = limit.admit(address(first), &limits).unwrap();
            assert_eq!(limit.admit(address(second), &limits).is_err(), shared, "{first} and {second}");
            assert_eq!(limit.open(), 1, "what is refused is not counted");
            drop(guard);
            assert!(limit.admit(address(second), &limits).is_ok());
        };
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }

    #[test]
    fn nothing_is_remembered_of_clients_that_left() {
        let (limit, limits) = (ConnectionLimit::new(), limits(1000, Some(1)));
        for last in 0..200 {
            drop(limit.admit(IpAddr::from([192, 0, 2, last]), &limits).unwrap());
        }
        assert!(limit.counts.by_address.iter().all(|shard| shard.lock().is_empty()));
    }
}
