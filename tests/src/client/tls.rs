//! TLS settings of the clients.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Whom a client takes for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerIdentity {
    /// This name, sent as SNI.
    Name(String),
    /// This address; no SNI is sent (RFC 6066 section 3).
    Address(IpAddr),
}

/// What a client believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Certificates issued by the authority in this PEM file.
    Authority(PathBuf),
    /// Any certificate: for tests of what a server does with names it does not know.
    Anything,
}

/// TLS versions a client offers over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    All,
    /// 1.2 alone.
    Only12,
}

impl ServerIdentity {
    pub(super) fn server_name(&self) -> anyhow::Result<ServerName<'static>> {
        match self {
            Self::Name(name) => Ok(ServerName::try_from(name.clone())?),
            Self::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        }
    }

    /// For quinn, which takes text and sends no SNI for an address.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// Settings that offer this protocol.
pub(super) fn config(trust: &Trust, versions: TlsVersions, alpn: &str) -> anyhow::Result<ClientConfig> {
    let versions: &[&rustls::SupportedProtocolVersion] = match versions {
        TlsVersions::All => rustls::ALL_VERSIONS,
        TlsVersions::Only12 => &[&rustls::version::TLS12],
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let mut config = match trust {
        Trust::Authority(file) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file).with_context(|| file.display().to_string())? {
                roots.add(certificate?)?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Anything => {
            let verifier = Arc::new(AcceptAnything(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Ok(config)
}

/// Accepts every certificate, yet checks that the server holds its key.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
