//! Binding public sockets.
//!
//! Owns socket options that accepted connections inherit, so that accepting costs no system call for them. What is
//! done with the sockets is for the accept loops.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::LazyLock;
use std::time::Duration;

use pingora_core::protocols::l4::ext::get_tcp_info;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

/// Connections that the kernel completes before they are accepted. The kernel cuts it to `net.core.somaxconn`
/// (4,096 by default); a burst of clients after a failover must fit.
pub(super) const BACKLOG: i32 = 4096;

/// When the kernel starts to probe a silent TCP peer, between probes, and after how many it gives up: a client that
/// vanished is found within two minutes even while nothing is sent to it.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// Receive and send buffer of a UDP socket: all QUIC connections of a worker share it, so that it must hold what
/// arrives while the worker is busy for some milliseconds. The kernel cuts it to `net.core.rmem_max` silently.
const UDP_BUFFER: usize = 4 << 20;

/// A client whose packets come back within this time is in the same place: a balancer in front, a node below this one.
const NEAR: Duration = Duration::from_millis(1);

/// Send buffer towards such a client; the kernel doubles it, for what it keeps beside the bytes. It is 4 Gbit/s at
/// [`NEAR`], and little enough that long bodies are copied into memory which the processor's cache still holds.
const NEAR_SEND_BUFFER: usize = 512 << 10;

/// Whether several sockets may be bound to the same address, among which the kernel spreads connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSharing {
    /// A second socket on the address is refused.
    Exclusive,
    /// `SO_REUSEPORT`: one socket a worker.
    Shared,
}

/// Binds and listens; the listener is non-blocking, as `tokio::net::TcpListener::from_std` needs it.
///
/// # Errors
/// What the kernel says, such as `AddrInUse`.
pub fn bind_tcp(address: SocketAddr, sharing: PortSharing) -> io::Result<TcpListener> {
    let socket = new_socket(address, Type::STREAM, Protocol::TCP, sharing)?;
    // A restarted node must be able to take its port while old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds a non-blocking UDP socket for QUIC.
///
/// # Errors
/// What the kernel says, such as `AddrInUse`.
pub fn bind_udp(address: SocketAddr, sharing: PortSharing) -> io::Result<UdpSocket> {
    let socket = new_socket(address, Type::DGRAM, Protocol::UDP, sharing)?;
    socket.set_recv_buffer_size(UDP_BUFFER)?;
    socket.set_send_buffer_size(UDP_BUFFER)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The largest send buffer that may be asked for, here; the kernel cuts what is beyond it silently.
const LARGEST_SEND_BUFFER: &str = "/proc/sys/net/core/wmem_max";

/// Bounds the send buffer of a connection to a client that is near. Left alone, the kernel grows it to some megabytes,
/// which only a distant client needs. Where less could be had than is asked for, it is left alone.
pub(super) fn fit_send_buffer(socket: &TcpStream) {
    static CAN_BE_HAD: LazyLock<bool> = LazyLock::new(|| {
        let largest = std::fs::read_to_string(LARGEST_SEND_BUFFER).ok();
        largest.and_then(|text| text.trim().parse::<usize>().ok()).is_some_and(|largest| largest >= NEAR_SEND_BUFFER)
    });
    if !*CAN_BE_HAD {
        return;
    }
    // From the handshake; zero where the kernel does not know.
    let Ok(facts) = get_tcp_info(socket.as_raw_fd()) else { return };
    if (1..=NEAR.as_micros()).contains(&u128::from(facts.tcpi_rtt))
        && let Err(error) = SockRef::from(socket).set_send_buffer_size(NEAR_SEND_BUFFER)
    {
        log::debug!(error:%; "a near client's send buffer was left as it is");
    }
}

fn new_socket(address: SocketAddr, kind: Type, protocol: Protocol, sharing: PortSharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // IPv4 has listeners of its own; a dual-stack socket would take their port and show mapped addresses.
        socket.set_only_v6(true)?;
    }
    if sharing == PortSharing::Shared {
        socket.set_reuse_port(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn send_buffer_of_a_near_client_is_bounded() {
        let listener = bind_tcp(SocketAddr::from(([127, 0, 0, 1], 0)), PortSharing::Exclusive).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (socket, _)) = (client.unwrap(), accepted.unwrap());
        let unfit = SockRef::from(&socket).send_buffer_size().unwrap();
        fit_send_buffer(&socket);
        let before = SockRef::from(&socket).send_buffer_size().unwrap();
        let largest: usize = std::fs::read_to_string(LARGEST_SEND_BUFFER).unwrap().trim().parse().unwrap();
        if largest < NEAR_SEND_BUFFER {
            assert_eq!(before, unfit, "it is left alone where the kernel would cut it");
            return;
        }
        // The kernel doubles what is asked for.
        assert_eq!(before, 2 * NEAR_SEND_BUFFER);
        // Once it was set, it does not grow by itself.
        let mut written = 0;
        while let Ok(count) = socket.try_write(&[0; 64 << 10]) {
            written += count;
            assert!(written < 64 << 20, "a client that reads nothing takes {written} bytes");
            tokio::task::yield_now().await;
        }
        assert_eq!(SockRef::from(&socket).send_buffer_size().unwrap(), before);
    }
}
