//! What can be wrong with certificates, in words that name the file and what was expected of it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A certificate, key or authority that cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is larger than any certificate chain.
    #[error("{}: larger than {limit} bytes; expected a PEM file with a certificate chain or a key", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Largest size that is read.
        limit: u64,
    },
    /// A file holds a PEM section that is broken.
    #[error("{}: not valid PEM: {reason}", path.display())]
    ParsePem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A chain file has no certificate in it.
    #[error("{}: no certificate in it; expected PEM sections `CERTIFICATE`, the leaf first", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A key file has no private key in it.
    #[error(
        "{}: no private key in it; expected a PEM section `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`",
        path.display()
    )]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A key file is protected by a password.
    #[error("{}: the private key is encrypted; expected one without a password", path.display())]
    EncryptedPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key is of no kind that TLS can sign with.
    #[error("{}: unusable private key ({reason}); expected RSA of at least 2,048 bits, ECDSA or Ed25519", path.display())]
    UnusablePrivateKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The leaf is not a certificate.
    #[error("{}: the first certificate cannot be parsed: {reason}", path.display())]
    ParseCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and leaf are not a pair.
    #[error("{}: the key does not match the first certificate of {}", key_file.display(), chain_file.display())]
    KeyMismatch {
        /// The key.
        key_file: PathBuf,
        /// The chain.
        chain_file: PathBuf,
    },
    /// There is nothing to show to any client.
    #[error("no certificate is configured; expected at least one where TLS is terminated")]
    NoneConfigured,
    /// A certificate cannot be made.
    #[error("making a certificate for {subject} failed: {reason}")]
    Issue {
        /// For whom.
        subject: String,
        /// What is wrong.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("setting up TLS failed: {0}")]
    SetUpTls(#[source] rustls::Error),
}

impl CertificateError {
    /// The file that is wrong; of a pair that does not match, the key.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::ReadFile { path, .. }
            | Self::WriteFile { path, .. }
            | Self::FileTooLarge { path, .. }
            | Self::ParsePem { path, .. }
            | Self::NoCertificate { path }
            | Self::NoPrivateKey { path }
            | Self::EncryptedPrivateKey { path }
            | Self::UnusablePrivateKey { path, .. }
            | Self::ParseCertificate { path, .. }
            | Self::KeyMismatch { key_file: path, .. } => Some(path),
            Self::NoneConfigured | Self::Issue { .. } | Self::SetUpTls(_) => None,
        }
    }
}

/// A certificate that can be used, but hardly as its owner wants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateWarning {
    /// Clients will refuse it.
    #[error("certificate {name} expired at {at}")]
    Expired {
        /// The certificate's name in the configuration.
        name: String,
        /// End of its validity.
        at: String,
    },
    /// Clients will refuse it until then.
    #[error("certificate {name} is not valid before {at}")]
    NotYetValid {
        /// The certificate's name in the configuration.
        name: String,
        /// Begin of its validity.
        at: String,
    },
    /// It is shown only to clients that ask for no name that another certificate covers, if it is the default.
    #[error("certificate {name} covers no DNS name")]
    NoDnsName {
        /// The certificate's name in the configuration.
        name: String,
    },
    /// Another certificate with the same kind of key stands before it.
    #[error("certificate {name} is never shown for {server_name}: {other} covers it as well and stands first")]
    Shadowed {
        /// The certificate's name in the configuration.
        name: String,
        /// The DNS name.
        server_name: String,
        /// The one that is shown.
        other: String,
    },
}
