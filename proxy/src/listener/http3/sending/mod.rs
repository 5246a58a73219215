//! How QUIC datagrams leave: those that one connection makes in one go as one send.
//!
//! quinn makes at most ten datagrams a send and twenty a poll, and a system call with ten costs little less than one
//! with forty. `burst` polls a connection's task until a send is full, `socket` keeps the datagrams till then, and `batch`
//! knows which may be joined. Knows nothing of connections' contents.

mod batch;
mod burst;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime};

use burst::BurstRuntime;
use socket::JoiningSocket;

/// An endpoint on this socket, within a Tokio runtime.
///
/// # Errors
/// The socket cannot be driven.
pub(super) fn endpoint(server: ServerConfig, socket: std::net::UdpSocket) -> io::Result<Endpoint> {
    let socket = Arc::new(JoiningSocket::over(TokioRuntime.wrap_udp_socket(socket)?));
    let runtime = Arc::new(BurstRuntime::on(Arc::clone(&socket)));
    Endpoint::new_with_abstract_socket(EndpointConfig::default(), Some(server), socket, runtime)
}
