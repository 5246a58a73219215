//! Port numbers: the same for all edge nodes, moved together when one of them is busy anywhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::output::tell;

use super::error::DevError;

/// Sets of ports that are tried. With the step below the last set is at 12,780 and more, which stays below the numbers
/// that Linux gives to outgoing connections (32,768 and up).
const MAX_SETS: u16 = 48;

/// Distance of two sets.
const STEP: u16 = 100;

/// Where a fleet says which numbers are its own: no node is there, so two fleets that start at the same moment cannot
/// both hold it, whatever of their nodes already listens.
const CLAIM: Ipv4Addr = Ipv4Addr::new(127, 0, 10, 1);

/// The fleet's port numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// Plaintext HTTP.
    pub(super) http: u16,
    /// HTTPS by TCP, and QUIC by UDP.
    pub(super) https: u16,
    /// Operator's listener.
    pub(super) admin: u16,
}

/// Ports taken for this fleet; they are its own until this is dropped.
#[derive(Debug)]
pub(super) struct ClaimedPorts {
    pub(super) ports: Ports,
    set: u16,
    _claim: UdpSocket,
}

impl Ports {
    const DEFAULT: Self = Self { http: 8080, https: 8443, admin: 9900 };

    fn set(number: u16) -> Self {
        let Self { http, https, admin } = Self::DEFAULT;
        let distance = number * STEP;
        Self { http: http + distance, https: https + distance, admin: admin + distance }
    }
}

/// Finds a set of ports that is free on all these addresses, and says when it is not the usual one.
pub(super) fn claim(addresses: &[Ipv4Addr]) -> Result<ClaimedPorts, DevError> {
    claim_from(0, addresses)
}

impl ClaimedPorts {
    /// Another set, when somebody who claims nothing took an address of this one before our nodes did.
    pub(super) fn moved_if_busy(self, addresses: &[Ipv4Addr]) -> Result<Option<Self>, DevError> {
        match first_busy(self.ports, addresses)? {
            Some(address) => {
                tell_moving(address, self.set);
                claim_from(self.set + 1, addresses).map(Some)
            }
            None => Ok(None),
        }
    }
}

fn claim_from(first: u16, addresses: &[Ipv4Addr]) -> Result<ClaimedPorts, DevError> {
    for set in first..MAX_SETS {
        let ports = Ports::set(set);
        let claimed = SocketAddr::new(IpAddr::V4(CLAIM), ports.http);
        let busy = match unless_busy(claimed, UdpSocket::bind(claimed))? {
            None => claimed,
            Some(claim) => match first_busy(ports, addresses)? {
                None => return Ok(ClaimedPorts { ports, set, _claim: claim }),
                Some(address) => address,
            },
        };
        tell_moving(busy, set);
    }
    Err(DevError::NoPorts(Ports::set(MAX_SETS - 1).http))
}

fn tell_moving(busy: SocketAddr, set: u16) {
    let next = Ports::set(set + 1).http;
    tell(&format!("{busy} is busy; the whole fleet moves to other ports (HTTP on {next})"));
}

fn first_busy(ports: Ports, addresses: &[Ipv4Addr]) -> Result<Option<SocketAddr>, DevError> {
    for &address in addresses {
        let at = |port| SocketAddr::new(IpAddr::V4(address), port);
        for address in [ports.http, ports.https, ports.admin].map(at) {
            if unless_busy(address, TcpListener::bind(address))?.is_none() {
                return Ok(Some(address));
            }
        }
        if unless_busy(at(ports.https), UdpSocket::bind(at(ports.https)))?.is_none() {
            return Ok(Some(at(ports.https)));
        }
    }
    Ok(None)
}

fn unless_busy<S>(address: SocketAddr, bound: io::Result<S>) -> Result<Option<S>, DevError> {
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(source) => Err(DevError::Address { address, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that no fleet uses, so that the test meets only itself.
    const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 13, 1), Ipv4Addr::new(127, 0, 13, 2)];

    #[test]
    fn one_busy_address_moves_the_whole_set() {
        let busy = claim(&ADDRESSES).unwrap();
        let address = SocketAddr::new(IpAddr::V4(ADDRESSES[1]), busy.ports.https);
        let taken = busy.ports;
        drop(busy);
        let _socket = UdpSocket::bind(address).unwrap();
        let moved = claim(&ADDRESSES).unwrap();
        assert_ne!(moved.ports, taken);
        assert_eq!(moved.ports.https - taken.https, moved.ports.http - taken.http);
    }

    #[test]
    fn a_claimed_set_is_nobody_elses() {
        let first = claim(&ADDRESSES).unwrap();
        let second = claim(&ADDRESSES).unwrap();
        assert_ne!(first.ports, second.ports);
    }
}
