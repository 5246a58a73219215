//! The rustls configurations that listeners serve with.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ProducesTickets, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};

use crate::error::CertificateError;

/// Over what TLS runs, which decides versions and ALPN protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1.
    Tcp,
    /// TLS 1.3 with HTTP/3 (RFC 9001 section 4.2 allows no older version).
    Quic,
}

/// Keys of session tickets. One for the life of the process: configurations that replace each other share it, so that
/// clients still resume after a reload. The keys rotate by themselves every six hours.
#[derive(Clone)]
pub struct SessionTickets {
    ticketer: Arc<dyn ProducesTickets>,
}

impl SessionTickets {
    /// Fresh random keys.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, CertificateError> {
        Ok(Self { ticketer: Ticketer::new().map_err(CertificateError::SetUpTls)? })
    }
}

impl fmt::Debug for SessionTickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionTickets")
    }
}

/// Makes aws-lc-rs the process's default, with X25519MLKEM768 as the preferred key exchange. To be called before
/// anything else sets up TLS; calling it again changes nothing.
pub fn install_crypto_provider() {
    // Whoever came first decided; in this program that is an earlier call of this function.
    drop(aws_lc_rs::default_provider().install_default());
}

/// What a listener of `transport` serves with.
///
/// # Errors
/// rustls does not accept the combination of versions and algorithms.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    transport: Transport,
    tickets: &SessionTickets,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions: &[_] = match transport {
        Transport::Tcp => &[&TLS13, &TLS12],
        Transport::Quic => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(CertificateError::SetUpTls)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = match transport {
        Transport::Tcp => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Transport::Quic => vec![b"h3".to_vec()],
    };
    config.ticketer = Arc::clone(&tickets.ticketer);
    // 0-RTT is off: early data can be replayed (RFC 8446 section 8), and nothing here tells replays apart.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
