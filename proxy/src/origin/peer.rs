//! How one origin is spoken to, in Pingora's terms.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use tidegate_config::model::{HttpVersion, ServerNamePolicy, Timeouts};

use super::pool::CompiledOrigin;

/// Concurrent streams on one HTTP/2 connection to an origin: the number servers commonly grant (RFC 9113 section
/// 6.5.2 asks for at least 100).
const ORIGIN_STREAMS: usize = 100;

/// The peer for an origin at an address.
#[must_use]
pub fn peer(origin: &CompiledOrigin, address: SocketAddr, timeouts: &Timeouts) -> Box<HttpPeer> {
    let tls = origin.origin.tls.as_ref();
    let server_name = match tls.map(|tls| &tls.server_name) {
        Some(ServerNamePolicy::Name(name)) => name.clone(),
        Some(ServerNamePolicy::HostField) | None => String::new(),
    };
    let mut peer = HttpPeer::new(address, tls.is_some(), server_name);
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
    options.ca = origin.authorities.as_ref().map(Arc::clone);
    options.max_h2_streams = ORIGIN_STREAMS;
    options.alpn = match (origin.origin.version, tls.is_some()) {
        (HttpVersion::Http1, _) | (HttpVersion::Auto, false) => ALPN::H1,
        (HttpVersion::Http2, _) => ALPN::H2,
        (HttpVersion::Auto, true) => ALPN::H2H1,
    };
    // Which authorities are trusted is no part of Pingora's reuse key: keep such connections to themselves.
    peer.group_key = origin.authorities.as_ref().map_or(0, |authorities| authorities_key(authorities));
    Box::new(peer)
}

fn authorities_key(authorities: &[pingora_core::utils::tls::WrappedX509]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for authority in authorities {
        authority.borrow_raw_cert().hash(&mut hasher);
    }
    hasher.finish()
}
