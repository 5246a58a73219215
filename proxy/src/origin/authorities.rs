//! Authorities that an origin's certificate must come from, read from a PEM bundle.

use std::path::Path;
use std::sync::Arc;

use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tidegate_config::model::Origin;

use super::access::{NamedFile, OriginError};

/// Authorities read from one bundle at most; the public set has about 150.
const MAX_AUTHORITIES: usize = 1_024;

/// Reads a bundle.
pub(super) fn read_authorities(origin: &Origin, path: &Path) -> Result<Arc<[WrappedX509]>, OriginError> {
    let expected = "a PEM bundle of 1 to 1,024 certificates";
    let file = NamedFile { origin, field: "tls.ca_file", path, expected };
    let text = std::fs::read(path).map_err(|source| file.unreadable(source))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .take(MAX_AUTHORITIES + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| file.wrong(error.to_string()))?;
    if certificates.is_empty() || certificates.len() > MAX_AUTHORITIES {
        return Err(file.wrong(format!("found {} certificates", certificates.len())));
    }
    let mut store = rustls::RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        let wrong = |reason: String| file.wrong(format!("certificate {}: {reason}", index + 1));
        store.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
        // Pingora's own parser panics on what is no certificate; this one says so.
        tidegate_certs::public_key_sha256(certificate).map_err(wrong)?;
    }
    Ok(certificates.into_iter().map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509)).collect())
}
