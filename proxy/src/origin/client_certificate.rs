//! The certificate that this node shows to an origin which asks for one.

use std::path::Path;
use std::sync::Arc;

use pingora_core::utils::tls::CertKey;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tidegate_config::model::Origin;

use super::access::{NamedFile, OriginError};

/// Certificates of one chain at most; real ones have two or three.
const MAX_CHAIN: usize = 16;

/// Reads chain and key and sees that they belong together.
pub(super) fn read_client_certificate(
    origin: &Origin,
    chain: &Path,
    key: &Path,
) -> Result<Arc<CertKey>, Vec<OriginError>> {
    let expected = "a PEM chain of 1 to 16 certificates, its leaf first";
    let chain = NamedFile { origin, field: "tls.client_certificate.chain_file", path: chain, expected };
    let expected = "the PEM private key of the chain's leaf";
    let key = NamedFile { origin, field: "tls.client_certificate.key_file", path: key, expected };
    let (certificates, private) = match (read_chain(chain), read_key(key)) {
        (Ok(certificates), Ok(private)) => (certificates, private),
        (certificates, private) => return Err(certificates.err().into_iter().chain(private.err()).collect()),
    };
    check_pair(&certificates, &private).map_err(|reason| vec![key.wrong(reason)])?;
    let certificates = certificates.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(Arc::new(CertKey::new(certificates, private.secret_der().to_vec())))
}

fn check_pair(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), String> {
    // The provider that the process installed; without one no connection could be made at all.
    let provider = CryptoProvider::get_default().ok_or("no crypto provider is installed")?;
    CertifiedKey::from_der(chain.to_vec(), key.clone_key(), provider).map_err(|error| error.to_string())?;
    Ok(())
}

fn read_chain(file: NamedFile<'_>) -> Result<Vec<CertificateDer<'static>>, OriginError> {
    let text = std::fs::read(file.path).map_err(|source| file.unreadable(source))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .take(MAX_CHAIN + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| file.wrong(error.to_string()))?;
    if certificates.is_empty() || certificates.len() > MAX_CHAIN {
        return Err(file.wrong(format!("found {} certificates", certificates.len())));
    }
    for (index, certificate) in certificates.iter().enumerate() {
        // Pingora's own parser panics on what is no certificate; this one says so.
        let wrong = |reason| file.wrong(format!("certificate {}: {reason}", index + 1));
        tidegate_certs::public_key_sha256(certificate).map_err(wrong)?;
    }
    Ok(certificates)
}

fn read_key(file: NamedFile<'_>) -> Result<PrivateKeyDer<'static>, OriginError> {
    let text = std::fs::read(file.path).map_err(|source| file.unreadable(source))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| file.wrong(error.to_string()))?;
    // Pingora keeps the bytes and guesses the format anew; what it cannot guess must not get that far.
    PrivateKeyDer::try_from(key.secret_der().to_vec()).map_err(|reason| file.wrong(reason))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::origin::testing::origin;

    fn write(directory: &Path, name: &str, content: &str) -> std::path::PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn issued() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["edge.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn chain_and_key_must_belong_together_and_errors_name_the_file() {
        tidegate_certs::install_crypto_provider();
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let ((chain, key), (_, other_key)) = (issued(), issued());
        let chain_file = write(directory, "chain.pem", &chain);
        let read = |chain: &Path, key: &Path| read_client_certificate(&origin("http://127.0.0.1:1", ""), chain, key);
        let good = read(&chain_file, &write(directory, "key.pem", &key)).unwrap();
        assert!(good.intermediates().is_empty() && !good.key().is_empty());
        let check = |chain: &Path, key: &Path, named: &str| {
            let errors = read(chain, key).unwrap_err();
            let [error] = &errors[..] else { panic!("{errors:?}") };
            let error = error.to_string();
            assert!(error.contains(named) && !error.contains("BEGIN"), "{error}");
        };
        check(&chain_file, &write(directory, "other.pem", &other_key), "key_file");
        check(&chain_file, &write(directory, "broken.pem", "no key"), "broken.pem");
        check(&chain_file, &directory.join("missing.pem"), "missing.pem");
        check(&write(directory, "empty.pem", ""), &directory.join("key.pem"), "found 0 certificates");
        let lies = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(&write(directory, "lies.pem", lies), &directory.join("key.pem"), "certificate 1");
        check(&write(directory, "many.pem", &chain.repeat(17)), &directory.join("key.pem"), "found 17 certificates");
    }
}
