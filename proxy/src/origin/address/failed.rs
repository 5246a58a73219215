//! Addresses to which no connection came about a moment ago, whichever origin they belong to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a failed address is tried after all others of its origin. Short enough that an address which is back gets
/// its share soon, long enough that a dead one costs one request in thousands the wait for it.
const MEMORY: Duration = Duration::from_secs(10);

/// Addresses remembered; more than any sensible number of dead ones, and a bound should all of them be.
const MOST: usize = 1_024;

/// Which addresses failed, and when.
#[derive(Debug, Default)]
pub(in crate::origin) struct FailedAddresses {
    /// How many are remembered: nearly always none, so that nobody takes the lock.
    count: AtomicUsize,
    since: Mutex<HashMap<SocketAddr, Instant>>,
}

impl FailedAddresses {
    /// No connection to it came about.
    pub(super) fn failed(&self, address: SocketAddr) {
        let now = Instant::now();
        let mut since = self.since.lock();
        since.retain(|_, failed| now.duration_since(*failed) < MEMORY);
        if since.len() < MOST || since.contains_key(&address) {
            since.insert(address, now);
        }
        self.count.store(since.len(), Ordering::Relaxed);
    }

    /// A connection to it came about.
    pub(super) fn succeeded(&self, address: SocketAddr) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut since = self.since.lock();
        since.remove(&address);
        self.count.store(since.len(), Ordering::Relaxed);
    }

    /// Puts those that failed a moment ago behind the others; otherwise the order stays.
    pub(super) fn move_last(&self, addresses: &mut [SocketAddr]) {
        if addresses.len() < 2 || self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = Instant::now();
        let since = self.since.lock();
        let failed = |address: &SocketAddr| since.get(address).is_some_and(|at| now.duration_since(*at) < MEMORY);
        addresses.sort_by_key(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    #[test]
    fn a_failed_address_goes_last_until_it_answers() {
        let failed = FailedAddresses::default();
        let mut addresses = [address(1), address(2), address(3)];
        failed.failed(address(1));
        failed.move_last(&mut addresses);
        assert_eq!(addresses, [address(2), address(3), address(1)]);
        failed.succeeded(address(1));
        addresses.sort_unstable();
        failed.move_last(&mut addresses);
        assert_eq!(addresses, [address(1), address(2), address(3)]);
    }

    #[test]
    fn the_number_of_failed_addresses_is_bounded() {
        let failed = FailedAddresses::default();
        for port in 0..u16::try_from(MOST + 10).unwrap() {
            failed.failed(SocketAddr::from(([192, 0, 2, 1], port)));
        }
        assert_eq!(failed.since.lock().len(), MOST);
    }
}
