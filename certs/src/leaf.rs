//! What a leaf certificate says of itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// The facts of a leaf that choosing and checking it needs.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// DNS names of its subject alternative name extension, in lower case. Names in the subject itself count no
    /// longer (RFC 9525 section 6.3).
    pub(crate) dns_names: Vec<String>,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

impl Leaf {
    pub(crate) fn parse(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = parse(certificate)?;
        let validity = parsed.validity();
        Ok(Self {
            dns_names: dns_names(&parsed),
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        })
    }
}

/// Base64 of the SHA-256 of a certificate's public key in DER, as Chromium's
/// `--ignore-certificate-errors-spki-list` and HTTP public-key pins write it.
///
/// # Errors
/// Why the certificate cannot be parsed.
pub fn public_key_sha256(certificate: &CertificateDer<'_>) -> Result<String, String> {
    Ok(STANDARD.encode(Sha256::digest(parse(certificate)?.public_key().raw)))
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    parse_x509_certificate(certificate).map(|(_rest, parsed)| parsed).map_err(|error| error.to_string())
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
