//! Certificates and keys: what a node shows to its clients.
//!
//! Owns reading certificates from files, choosing one by server name, the rustls configurations of TCP and QUIC, the
//! keys of session tickets, and a development authority. It knows neither sockets nor configuration documents nor
//! Pingora.

mod development_ca;
mod error;
mod leaf;
mod pem_file;
mod server_config;
mod sni_resolver;
#[cfg(test)]
mod tests;

pub use development_ca::{DevelopmentCa, IssuedCertificate};
pub use error::{CertificateError, CertificateWarning};
pub use leaf::public_key_sha256;
pub use server_config::{SessionTickets, Transport, install_crypto_provider, server_config};
pub use sni_resolver::{CertificateFiles, LoadedCertificates, SniResolver};
