//! A certificate authority for development and tests, kept in a directory.
//!
//! Owns its key and what it issues. Nobody should trust it on a machine that matters: its key lies in a file.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use crate::error::CertificateError;
use crate::leaf::{Leaf, public_key_sha256};
use crate::pem_file::{PUBLIC_MODE, SECRET_MODE, read_chain, write_whole};

/// Ten years: long enough to import it once.
const CA_VALIDITY: Duration = Duration::days(3650);

/// Chromium and Apple refuse leaves of public authorities that are valid for more than 398 days (CA/Browser Forum,
/// Baseline Requirements, section 6.3.2); one less leaves room for the hour below.
const LEAF_VALIDITY: Duration = Duration::days(397);

/// Clocks of containers and hosts differ a little.
const CLOCK_SKEW: Duration = Duration::hours(1);

/// File names in the directory.
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";

/// Name shown by whoever lists it.
const COMMON_NAME: &str = "Tidegate development CA";

/// An authority with its key.
pub struct DevelopmentCa {
    certificate_pem: String,
    certificate_file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A leaf with its key.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    /// The leaf, then the authority, in PEM.
    pub chain_pem: String,
    /// Its private key (PKCS#8), in PEM.
    pub key_pem: String,
    /// Base64 of the SHA-256 of its public key; see [`public_key_sha256`].
    pub public_key_sha256: String,
}

impl DevelopmentCa {
    /// Takes the authority from `directory`, or makes one there: `ca.pem` and `ca.key` (mode 0600). One that would not
    /// outlive its next leaf is replaced.
    ///
    /// # Errors
    /// The directory cannot be used, or holds something else under these names.
    pub fn load_or_create(directory: &Path) -> Result<Self, CertificateError> {
        let (certificate_file, key_file) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
        if certificate_file.exists() && key_file.exists() && will_do(&certificate_file)? {
            return Self::load(certificate_file, &key_file);
        }
        fs::create_dir_all(directory)
            .map_err(|source| CertificateError::WriteFile { path: directory.into(), source })?;
        let (certificate_pem, key_pem) = make_authority()?;
        // The key goes first: a certificate without its key would look complete to nobody, a key without is replaced.
        write_whole(&key_file, SECRET_MODE, &key_pem)?;
        write_whole(&certificate_file, PUBLIC_MODE, &certificate_pem)?;
        Self::load(certificate_file, &key_file)
    }

    fn load(certificate_file: PathBuf, key_file: &Path) -> Result<Self, CertificateError> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| CertificateError::ReadFile { path: path.into(), source })
        };
        let (certificate_pem, key_pem) = (read(&certificate_file)?, read(key_file)?);
        let key = KeyPair::from_pem(&key_pem).map_err(|error| CertificateError::UnusablePrivateKey {
            path: key_file.into(),
            reason: error.to_string(),
        })?;
        if !matches(&certificate_file, &key)? {
            return Err(CertificateError::KeyMismatch { key_file: key_file.into(), chain_file: certificate_file });
        }
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(|error| {
            CertificateError::ParseCertificate { path: certificate_file.clone(), reason: error.to_string() }
        })?;
        Ok(Self { certificate_pem, certificate_file, issuer })
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The file with its certificate.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// A leaf for servers under these names (wildcards of one label too) and addresses, with a new ECDSA P-256 key.
    ///
    /// # Errors
    /// A name is not one that certificates can hold.
    pub fn issue(&self, names: &[&str], addresses: &[IpAddr]) -> Result<IssuedCertificate, CertificateError> {
        let subject = names.first().map_or_else(|| "addresses".to_owned(), |name| (*name).to_owned());
        self.issue_leaf(names, addresses)
            .map_err(|error| CertificateError::Issue { subject, reason: error.to_string() })
    }

    fn issue_leaf(&self, names: &[&str], addresses: &[IpAddr]) -> Result<IssuedCertificate, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut leaf = CertificateParams::new(names)?;
        leaf.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        fill_common(&mut leaf, "Tidegate development", LEAF_VALIDITY)?;
        let signed = leaf.signed_by(&key, &self.issuer)?;
        let public_key_sha256 =
            public_key_sha256(signed.der()).map_err(|_reason| rcgen::Error::CouldNotParseCertificate)?;
        let chain_pem = format!("{}{}", signed.pem(), self.certificate_pem);
        Ok(IssuedCertificate { chain_pem, key_pem: key.serialize_pem(), public_key_sha256 })
    }
}

impl IssuedCertificate {
    /// Writes chain and key (mode 0600), each whole.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, chain_file: &Path, key_file: &Path) -> Result<(), CertificateError> {
        write_whole(key_file, SECRET_MODE, &self.key_pem)?;
        write_whole(chain_file, PUBLIC_MODE, &self.chain_pem)
    }
}

/// Whether the authority on disk outlives a leaf issued now.
fn will_do(certificate_file: &Path) -> Result<bool, CertificateError> {
    let chain = read_chain(certificate_file)?;
    let authority = Leaf::parse(&chain[0])
        .map_err(|reason| CertificateError::ParseCertificate { path: certificate_file.into(), reason })?;
    Ok(authority.not_after > OffsetDateTime::now_utc() + LEAF_VALIDITY)
}

/// Whether the certificate's public key is this key's.
fn matches(certificate_file: &Path, key: &KeyPair) -> Result<bool, CertificateError> {
    let chain = read_chain(certificate_file)?;
    let certificate: &CertificateDer<'_> = &chain[0];
    Ok(x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_rest, parsed)| *parsed.public_key().subject_public_key.data == *key.public_key_raw()))
}

fn make_authority() -> Result<(String, String), CertificateError> {
    let make = || {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        fill_common(&mut authority, COMMON_NAME, CA_VALIDITY)?;
        Ok((authority.self_signed(&key)?.pem(), key.serialize_pem()))
    };
    make().map_err(|error: rcgen::Error| CertificateError::Issue {
        subject: COMMON_NAME.to_owned(),
        reason: error.to_string(),
    })
}

/// Subject, validity from a little ago, and a random serial number (RFC 5280 section 4.1.2.2: positive, at most 20
/// bytes).
fn fill_common(params: &mut CertificateParams, common_name: &str, validity: Duration) -> Result<(), rcgen::Error> {
    let mut serial = [0; 16];
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut serial)
        .map_err(|_no_randomness| rcgen::Error::RingUnspecified)?;
    serial[0] = serial[0] & 0x3f | 0x40;
    let begin = OffsetDateTime::now_utc() - CLOCK_SKEW;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = begin;
    params.not_after = begin + validity;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(())
}
