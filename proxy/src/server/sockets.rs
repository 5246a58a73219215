//! All sockets of a node, bound before anything serves: a node that lacks one does not start.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use tidegate_config::model::{ListenerProtocol, Node};

use super::error::StartError;
use crate::listener::{PortSharing, TcpListenerSettings, bind_tcp, bind_udp};

/// Bound sockets.
pub(super) struct Sockets {
    /// For each public TCP listener one socket a worker.
    pub(super) tcp: Vec<(TcpListenerSettings, Vec<TcpListener>)>,
    /// QUIC sockets. One each: connections that change their address must find the same endpoint again.
    pub(super) quic: Vec<UdpSocket>,
    /// The operator's listener.
    pub(super) admin: Option<TcpListener>,
}

impl Sockets {
    pub(super) fn bind(node: &Node) -> Result<Self, StartError> {
        let mut sockets = Self { tcp: Vec::new(), quic: Vec::new(), admin: None };
        for listener in &node.listeners {
            let proxy_protocol = listener.proxy_protocol.as_deref().map(Arc::from);
            match listener.protocol {
                ListenerProtocol::Http(mode) => {
                    let settings = TcpListenerSettings { plaintext: Some(mode), proxy_protocol };
                    sockets.tcp.push((settings, tcp("http", listener.address, node.workers)?));
                }
                ListenerProtocol::Https => {
                    let settings = TcpListenerSettings { plaintext: None, proxy_protocol };
                    sockets.tcp.push((settings, tcp("https", listener.address, node.workers)?));
                }
                ListenerProtocol::Quic => {
                    let bound = bind_udp(listener.address, PortSharing::Exclusive);
                    sockets.quic.push(bound.map_err(|source| refused("quic", listener.address, source))?);
                }
            }
        }
        if let Some(admin) = &node.admin {
            let bound = bind_tcp(admin.address, PortSharing::Exclusive);
            sockets.admin = Some(bound.map_err(|source| refused("admin", admin.address, source))?);
        }
        Ok(sockets)
    }
}

/// One socket a worker. Shared ports would also let a second process in, so the address is first taken exclusively.
fn tcp(protocol: &'static str, address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, StartError> {
    let exclusive = bind_tcp(address, PortSharing::Exclusive).map_err(|source| refused(protocol, address, source))?;
    if workers <= 1 {
        return Ok(vec![exclusive]);
    }
    drop(exclusive);
    (0..workers)
        .map(|_| bind_tcp(address, PortSharing::Shared).map_err(|source| refused(protocol, address, source)))
        .collect()
}

fn refused(protocol: &'static str, address: SocketAddr, source: std::io::Error) -> StartError {
    StartError::Bind { protocol, address, source }
}
