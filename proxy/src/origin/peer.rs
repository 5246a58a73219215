//! How one origin is spoken to, in Pingora's terms.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_http::RequestHeader;
use sha2::{Digest, Sha256};
use tidegate_config::model::{HttpVersion, OriginPool};

use super::address::{AddressConnector, Addresses};
use super::credentials::AuthoriseError;
use super::host_field::server_name;
use super::pool::CompiledOrigin;
use super::proxy_header::{ClientAddresses, proxy_header};
use super::target;

/// Concurrent streams on one HTTP/2 connection to an origin: the number servers commonly grant (RFC 9113 section
/// 6.5.2 asks for at least 100).
const ORIGIN_STREAMS: usize = 100;

/// For whom a connection to an origin is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The host asked for, as the request has it.
    pub host: Option<&'a str>,
    /// Both ends of the client's connection; absent in requests of the cache's own and in probes.
    pub client: Option<ClientAddresses>,
}

/// Why there is no way to speak to an origin.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Its certificate is checked against the Host field, and there is none.
    #[error("origin {origin}: no host to check its certificate against")]
    NoServerName {
        /// The origin's name.
        origin: String,
    },
}

/// The peer for an origin at these addresses.
///
/// # Errors
/// When its certificate could not be checked: Pingora would then take any.
pub fn peer(
    origin: &CompiledOrigin,
    pool: &OriginPool,
    addresses: Addresses,
    caller: Caller<'_>,
) -> Result<Box<HttpPeer>, PeerError> {
    let tls = origin.origin.tls.as_ref();
    let name = tls.map(|tls| {
        let name = server_name(&tls.server_name, &pool.host, &origin.origin, caller.host);
        name.ok_or_else(|| PeerError::NoServerName { origin: origin.origin.name.to_string() })
    });
    let mut peer = HttpPeer::new(addresses.first(), tls.is_some(), name.transpose()?.unwrap_or_default());
    let timeouts = &pool.timeouts;
    let options = &mut peer.options;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect);
    options.read_timeout = Some(timeouts.read);
    options.write_timeout = Some(timeouts.write);
    options.idle_timeout = Some(timeouts.idle);
    if let Some(tls) = tls {
        options.verify_cert = tls.verify;
        options.verify_hostname = tls.verify;
    }
    options.ca = origin.access.authorities.clone();
    options.max_h2_streams = ORIGIN_STREAMS;
    options.alpn = protocols(origin);
    let preface = origin.origin.proxy_protocol.map(|version| proxy_header(version, caller.client)).unwrap_or_default();
    peer.client_cert_key = origin.access.client_certificate.clone();
    peer.group_key = group_key(origin, &preface);
    options.custom_l4 = Some(Arc::new(AddressConnector { addresses, timeout: timeouts.connect, preface }));
    Ok(Box::new(peer))
}

fn protocols(origin: &CompiledOrigin) -> ALPN {
    match (origin.origin.version, origin.origin.tls.is_some()) {
        (HttpVersion::Http1, _) | (HttpVersion::Auto, false) => ALPN::H1,
        (HttpVersion::Http2, _) => ALPN::H2,
        // Pingora remembers per kind of connection whether HTTP/2 failed and never forgets: with a kind for each client
        // this memory would grow without end.
        (HttpVersion::Auto, true) if origin.origin.proxy_protocol.is_some() => ALPN::H1,
        (HttpVersion::Auto, true) => ALPN::H2H1,
    }
}

/// Keeps connections apart that were made in another way, or for another client where the origin is told the client.
fn group_key(origin: &CompiledOrigin, preface: &Bytes) -> u64 {
    let digest: [u8; 32] = if preface.is_empty() {
        origin.access.connection_key
    } else {
        Sha256::new().chain_update(origin.access.connection_key).chain_update(preface).finalize().into()
    };
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Puts the origin's path prefix in front of the target.
pub fn prefix_target(origin: &CompiledOrigin, request: &mut RequestHeader) -> Result<()> {
    target::prepend(request, &origin.origin.path_prefix)
}

/// Adds the origin's credentials to a request that is otherwise as it will be sent.
///
/// # Errors
/// When it cannot be signed; it must then not be sent.
pub fn authorise(origin: &CompiledOrigin, request: &mut RequestHeader, now: SystemTime) -> Result<(), AuthoriseError> {
    origin.access.credentials.as_ref().map_or(Ok(()), |credentials| credentials.authorise(request, now))
}
