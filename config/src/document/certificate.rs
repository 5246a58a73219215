//! Certificates: files with a chain and its key.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A certificate chain and its private key. Both files are read again when they change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateDocument {
    /// Its name, in messages.
    pub name: String,
    /// PEM file: the leaf first, then the intermediates. A relative path starts at this file's folder.
    pub chain_file: PathBuf,
    /// PEM file: the private key (PKCS#8, SEC1 or PKCS#1). A relative path starts at this file's folder.
    pub key_file: PathBuf,
    /// Whether clients get it that send no server name, or one that no certificate covers. Default: yes when it is the
    /// only certificate, else no; with several, exactly one says `true`, as health checkers often send no name.
    #[serde(default)]
    pub default: Option<bool>,
}
