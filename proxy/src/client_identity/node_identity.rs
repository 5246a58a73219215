//! Whom this node believes and what it calls itself; made once for each configuration.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use ipnet::IpNet;
use tidegate_config::model::Node;

use super::cdn_loop::{CDN_LOOP, CdnLoop};
use super::via::Via;
use super::{ClientIdentity, Peer, chain};

/// The identity of this node towards others.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    trusted: Vec<IpNet>,
    via: Via,
    cdn_loop: CdnLoop,
}

impl NodeIdentity {
    /// As this node document has it.
    #[must_use]
    pub fn new(node: &Node) -> Self {
        Self {
            trusted: node.trusted_proxies.clone(),
            via: Via::new(&node.cdn_id),
            cdn_loop: CdnLoop::new(&node.cdn_id, node.name.as_str()),
        }
    }

    /// Who asks with these fields over a connection from `peer`. Never fails: what cannot be believed is not, and the
    /// client is then the last hop that could be.
    #[must_use]
    pub fn identify(&self, peer: Peer, fields: &HeaderMap) -> ClientIdentity {
        chain::identify(&self.trusted, peer, fields)
    }

    /// Whether what this peer says of its clients is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        chain::is_trusted(&self.trusted, peer.to_canonical())
    }

    /// Whether a request with these fields has been here before, or too often at other nodes of ours (RFC 8586).
    #[must_use]
    pub fn goes_round(&self, fields: &HeaderMap) -> bool {
        self.cdn_loop.goes_round(fields)
    }

    /// `Via` for a message that was received in this version.
    #[must_use]
    pub fn via(&self, received: Version) -> HeaderValue {
        self.via.received(received).clone()
    }

    /// The field and the member that every request to an origin is given.
    #[must_use]
    pub fn cdn_loop(&self) -> (HeaderName, HeaderValue) {
        (CDN_LOOP, self.cdn_loop.member().clone())
    }
}
