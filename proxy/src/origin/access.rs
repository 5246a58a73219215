//! What this node shows an origin and asks of it: authorities, client certificate, credentials. Read from files when a
//! configuration is compiled; nothing here is ever printed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora_core::utils::tls::{CertKey, WrappedX509};
use sha2::{Digest, Sha256};
use tidegate_config::model::{Credentials as WrittenCredentials, Model, Origin};

use super::authorities::read_authorities;
use super::client_certificate::read_client_certificate;
use super::credentials::Credentials;

/// Why an origin cannot be spoken to as configured.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// A file could not be read.
    #[error("origin {origin}: cannot read {field} {}: {source}", file.display())]
    Read {
        /// The origin's name.
        origin: String,
        /// The field that names it, from the origin on.
        field: String,
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("origin {origin}: {field} {}: {reason}; expected {expected}", file.display())]
    Content {
        /// The origin's name.
        origin: String,
        /// The field that names it, from the origin on.
        field: String,
        /// The file.
        file: PathBuf,
        /// What is wrong with it; never what it holds.
        reason: String,
        /// What it should hold.
        expected: &'static str,
    },
}

/// A file that a field of an origin names, for saying what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct NamedFile<'a> {
    pub(super) origin: &'a Origin,
    pub(super) field: &'a str,
    pub(super) path: &'a Path,
    pub(super) expected: &'static str,
}

impl NamedFile<'_> {
    pub(super) fn unreadable(self, source: io::Error) -> OriginError {
        let (origin, file) = (self.origin.name.to_string(), self.path.to_owned());
        OriginError::Read { origin, field: self.field.to_owned(), file, source }
    }

    pub(super) fn wrong(self, reason: impl Into<String>) -> OriginError {
        let (origin, file) = (self.origin.name.to_string(), self.path.to_owned());
        OriginError::Content {
            origin,
            field: self.field.to_owned(),
            file,
            reason: reason.into(),
            expected: self.expected,
        }
    }
}

/// Everything that has to do with who may speak to whom.
pub struct Access {
    /// Authorities trusted instead of the system's.
    pub(super) authorities: Option<Arc<[WrappedX509]>>,
    /// Chain and key shown to an origin that asks.
    pub(super) client_certificate: Option<Arc<CertKey>>,
    /// What goes with every request.
    pub(super) credentials: Option<Credentials>,
    /// Tells connections apart that were made in another way: they are never shared.
    pub(super) connection_key: [u8; 32],
}

impl Access {
    /// Reads the files that an origin names, or says of each why it is of no use.
    pub(crate) fn load(origin: &Origin) -> Result<Self, Vec<OriginError>> {
        let tls = origin.tls.as_ref();
        let authorities = tls.and_then(|tls| tls.ca_file.as_ref());
        let authorities = authorities.map(|file| read_authorities(origin, file)).transpose();
        let certificate = tls.and_then(|tls| tls.client_certificate.as_ref());
        let client_certificate =
            certificate.map(|(chain, key)| read_client_certificate(origin, chain, key)).transpose();
        let credentials = origin.credentials.as_ref();
        let credentials = credentials.map(|written| Credentials::load(origin, written)).transpose();
        match (authorities, client_certificate, credentials) {
            (Ok(authorities), Ok(client_certificate), Ok(credentials)) => {
                let connection_key = connection_key(origin, authorities.as_deref(), client_certificate.as_deref());
                Ok(Self { authorities, client_certificate, credentials, connection_key })
            }
            (authorities, client_certificate, credentials) => {
                let mut errors: Vec<OriginError> = authorities.err().into_iter().collect();
                errors.extend(client_certificate.err().into_iter().flatten());
                errors.extend(credentials.err().into_iter().flatten());
                Err(errors)
            }
        }
    }
}

/// Pingora's reuse key has the server name and the certificates' serial numbers, but neither the authorities, nor the
/// certificates themselves, nor the version: a digest of these keeps such connections to themselves.
fn connection_key(origin: &Origin, authorities: Option<&[WrappedX509]>, certificate: Option<&CertKey>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(format!("{:?}", (origin.version, &origin.tls, origin.proxy_protocol)).as_bytes());
    for authority in authorities.unwrap_or_default() {
        part(authority.borrow_raw_cert());
    }
    part(b"client certificate");
    if let Some(certificate) = certificate {
        part(certificate.leaf().borrow_raw_cert());
        for intermediate in certificate.intermediates() {
            part(intermediate.borrow_raw_cert());
        }
    }
    digest.finalize().into()
}

/// The files which the origins of a model name; when one of them changes, the configuration is read again.
pub fn access_files(model: &Model) -> impl Iterator<Item = &Path> {
    model.origin_pools.values().flat_map(|pool| &pool.origins).flat_map(files_of)
}

fn files_of(origin: &Origin) -> Vec<&Path> {
    let mut files: Vec<&Path> = Vec::new();
    if let Some(tls) = &origin.tls {
        files.extend(tls.ca_file.as_deref());
        files.extend(tls.client_certificate.iter().flat_map(|(chain, key)| [chain.as_path(), key.as_path()]));
    }
    match &origin.credentials {
        Some(WrittenCredentials::S3 { access_key_file, secret_key_file, session_token_file, .. }) => {
            files.extend([access_key_file.as_path(), secret_key_file.as_path()]);
            files.extend(session_token_file.as_deref());
        }
        Some(WrittenCredentials::Fields(fields)) => files.extend(fields.iter().map(|(_, file)| file.as_path())),
        None => {}
    }
    files
}
