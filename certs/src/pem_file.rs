//! Reading certificates and keys from PEM files, and writing them.
//!
//! Owns bounds and error messages of the files, not what the certificates say.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::CertificateError;

/// Largest PEM file that is read. A chain of ten certificates with large RSA keys takes 30 KiB; the limit only keeps a
/// wrong path, such as a log file, from being read whole.
const MAX_FILE: u64 = 1 << 20;

/// Read by everyone: certificates are public.
pub(crate) const PUBLIC_MODE: u32 = 0o644;
/// Read by the owner alone.
pub(crate) const SECRET_MODE: u32 = 0o600;

/// All certificates of a file, at least one.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read_bounded(path)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| broken(path, &error))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.into() });
    }
    Ok(chain)
}

/// The first private key of a file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read_bounded(path)?;
    if is_encrypted(&text) {
        return Err(CertificateError::EncryptedPrivateKey { path: path.into() });
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(CertificateError::NoPrivateKey { path: path.into() }),
        Err(error) => Err(broken(path, &error)),
    }
}

/// Writes the whole file or leaves what was there: a reader never sees half of it.
pub(crate) fn write_whole(path: &Path, mode: u32, content: &str) -> Result<(), CertificateError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let written = create(Path::new(&unfinished), mode, content).and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|source| CertificateError::WriteFile { path: path.into(), source })
}

fn create(path: &Path, mode: u32, content: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::ReadFile { path: path.into(), source };
    let mut content = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(CertificateError::FileTooLarge { path: path.into(), limit: MAX_FILE });
    }
    Ok(content)
}

/// PKCS#8 says it in the section's label, the older forms in a header field (RFC 1421 section 4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn broken(path: &Path, error: &pem::Error) -> CertificateError {
    CertificateError::ParsePem { path: path.into(), reason: error.to_string() }
}
