//! QUIC's configuration: from our limits and the TLS configuration in force to quinn's.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};

use super::bounds::Bounds;

/// Unidirectional streams a client may have open: control, two of QPACK, and room for grease (RFC 9114 section 6.2
/// asks for at least three).
const UNI_STREAMS: u32 = 8;
/// Unread bytes of one request body: 10 MB/s over 100 ms.
const STREAM_RECEIVE_WINDOW: u32 = 1024 * 1024;
/// Unread bytes of all request bodies of a connection, so that `limits.streams` uploads at once cannot take that
/// many stream windows of memory.
const RECEIVE_WINDOW: u32 = 2 * 1024 * 1024;
/// Response bytes of a connection that are sent and not acknowledged, or wait to be sent: 40 MB/s over 100 ms. What
/// a client that stopped reading can hold; bodies are shared with the cache and not copied here.
const SEND_WINDOW: u64 = 4 * 1024 * 1024;
/// Connection attempts that wait for our accept loop; beyond, quinn refuses them.
const INCOMING: usize = 1_024;
/// Packets kept for each and for all of them until accepted. A ClientHello with post-quantum key shares takes two
/// packets; without 0-RTT nothing else comes this early.
const INCOMING_BUFFER: u64 = 16 * 1024;
const INCOMING_BUFFER_TOTAL: u64 = 4 * 1024 * 1024;

/// QUIC's server side over this TLS configuration: ALPN `h3` alone, 0-RTT off (a replayed request would be served
/// twice). Transport parameters are quinn's defaults until a listener sets its own.
///
/// # Errors
/// The TLS configuration has no TLS 1.3 suite that QUIC's initial packets need.
pub fn server_crypto(base: &Arc<rustls::ServerConfig>) -> Result<quinn::ServerConfig, NoInitialCipherSuite> {
    Ok(quinn::ServerConfig::with_crypto(quic_crypto(base)?))
}

pub(super) fn quic_crypto(base: &Arc<rustls::ServerConfig>) -> Result<Arc<QuicServerConfig>, NoInitialCipherSuite> {
    let mut tls = rustls::ServerConfig::clone(base);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls.max_early_data_size = 0;
    Ok(Arc::new(QuicServerConfig::try_from(tls)?))
}

/// Bounds what waits to be accepted.
pub(super) fn bound_incoming(config: &mut quinn::ServerConfig) {
    config
        .max_incoming(INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER_TOTAL);
}

/// Transport parameters within these bounds. No keep-alive: an idle client may go. Segmentation offload is on, without
/// it bulk costs several times the CPU.
pub(super) fn transport(bounds: &Bounds) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(bounds.streams))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .max_idle_timeout(quic_idle_timeout(bounds.idle_timeout))
        .keep_alive_interval(None)
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .enable_segmentation_offload(true);
    transport
}

/// None when it is longer than QUIC can say: 2^62 ms.
fn quic_idle_timeout(timeout: Duration) -> Option<IdleTimeout> {
    IdleTimeout::try_from(timeout).ok()
}
