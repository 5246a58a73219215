//! Who a client is, as far as it can be believed, and what this node says about it to others.
//!
//! Owns trusted proxies, `Forwarded` and `X-Forwarded-*` in both directions, `Via` and `CDN-Loop`. It decides; phases
//! read requests and write fields. Who the peer of a connection is (PROXY protocol included) is the listener's matter,
//! and routing never looks here: the host of a request is its Host field alone.

mod cdn_loop;
mod chain;
mod claims;
mod forwarded;
mod forwarded_for;
mod forwarding;
mod node_identity;
#[cfg(test)]
mod tests;
mod via;

pub use claims::{CLAIMS, OVERRIDES};
pub use forwarding::{ForwardingFields, Route};
pub use node_identity::NodeIdentity;

/// The addresses that `Forwarded` names, nearest first; nothing for a part that names none. For `crate::fuzzing`.
pub(crate) fn forwarded_addresses(fields: &http::HeaderMap) -> Vec<Option<IpAddr>> {
    forwarded::elements(fields).map(|element| element.and_then(|element| element.address)).collect()
}

use std::net::IpAddr;

use crate::cache::key::Scheme;

/// A connection as far as it tells who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address, told by PROXY protocol where the listener has that.
    pub address: IpAddr,
    /// Scheme of what is asked over it.
    pub scheme: Scheme,
}

/// A client as far as it can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Its address; an IPv4-mapped one is an IPv4 address.
    pub address: IpAddr,
    /// Scheme of the URL that it asked for.
    pub scheme: Scheme,
    /// Trusted proxies that the request came through, the connection's own peer last. Empty when the peer is the client.
    pub proxies: Vec<IpAddr>,
}
