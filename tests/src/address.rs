//! Loopback addresses and free ports that no other test uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};

/// Attempts to find a port that is free for TCP and UDP at once; on an address of our own the first one is.
const PORT_ATTEMPTS: usize = 32;

/// An address in 127.0.0.0/8 that belongs to the caller alone.
///
/// The middle bytes come from the process id, so that test processes running at the same time do not meet; the
/// first 63 networks are left to people and to `tidegate dev`.
#[must_use]
pub fn loopback() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let process = std::process::id();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    let network = u8::try_from(64 + ((process >> 8) & 0x7f)).unwrap_or(64);
    IpAddr::V4(Ipv4Addr::new(127, network, (process & 0xff) as u8, host.max(1)))
}

/// A port that is free for TCP and for UDP on this address.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port(address: IpAddr) -> u16 {
    let [port] = free_ports(address);
    port
}

/// Ports that are free for TCP and for UDP on this address, no two the same.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_ports<const COUNT: usize>(address: IpAddr) -> [u16; COUNT] {
    // All are held until all are found: a port that is let go of may be the next one given.
    let held: [TcpListener; COUNT] = std::array::from_fn(|_| hold_port(address));
    held.map(|listener| listener.local_addr().expect("a bound listener has an address").port())
}

fn hold_port(address: IpAddr) -> TcpListener {
    for _ in 0..PORT_ATTEMPTS {
        let listener = TcpListener::bind(SocketAddr::new(address, 0)).expect("a free TCP port on loopback");
        let found = listener.local_addr().expect("a bound listener has an address");
        if UdpSocket::bind(found).is_ok() {
            return listener;
        }
    }
    panic!("no port of {address} is free for both TCP and UDP after {PORT_ATTEMPTS} attempts");
}
