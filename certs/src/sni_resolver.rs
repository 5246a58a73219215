//! Which certificate a client is shown, by the server name it asks for (RFC 6066 section 3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use crate::error::{CertificateError, CertificateWarning};
use crate::leaf::Leaf;
use crate::pem_file::{read_chain, read_key};

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Its name, in messages.
    pub name: String,
    /// PEM file: the leaf first, then the intermediates.
    pub chain_file: PathBuf,
    /// PEM file: the private key.
    pub key_file: PathBuf,
    /// Whether clients that ask for no covered name are shown this one. The first certificate is when none says so.
    pub default: bool,
}

/// A resolver and what its operator should know of it.
#[derive(Debug)]
pub struct LoadedCertificates {
    /// The resolver.
    pub resolver: Arc<SniResolver>,
    /// What looks wrong but does not keep the resolver from working.
    pub warnings: Vec<CertificateWarning>,
}

/// Chooses by server name: an exact name first, then a wildcard of one label (RFC 9525 section 6.3), then the default.
/// Where certificates with different kinds of keys cover a name, ECDSA goes before RSA if the client knows it.
#[derive(Debug)]
pub struct SniResolver {
    exact: HashMap<Box<str>, Candidates>,
    /// By what follows the asterisk and its dot.
    wildcard: HashMap<Box<str>, Candidates>,
    default: Candidates,
}

/// Certificates for one name, each with another kind of key, the preferred first.
type Candidates = Vec<Candidate>;

#[derive(Debug, Clone)]
struct Candidate {
    name: Arc<str>,
    key: Arc<CertifiedKey>,
}

impl SniResolver {
    /// Reads all files.
    ///
    /// # Errors
    /// Every certificate that cannot be used, not only the first.
    pub fn load(files: &[CertificateFiles]) -> Result<LoadedCertificates, Vec<CertificateError>> {
        let mut loading = Loading::default();
        for files in files {
            loading.add(files);
        }
        loading.finish()
    }

    fn candidates(&self, server_name: Option<&str>) -> &Candidates {
        let found = server_name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = || name.split_once('.').and_then(|(_label, parent)| self.wildcard.get(parent));
            self.exact.get(name.as_str()).or_else(parent)
        });
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        choose(candidates, hello.signature_schemes()).map(|candidate| Arc::clone(&candidate.key))
    }
}

/// The first whose key can sign as the client understands; the last resort is the first at all, so that the client
/// gets a handshake alert that says why.
fn choose<'a>(candidates: &'a [Candidate], schemes: &[SignatureScheme]) -> Option<&'a Candidate> {
    let understood = candidates.iter().find(|candidate| candidate.key.key.choose_scheme(schemes).is_some());
    understood.or(candidates.first())
}

#[derive(Default)]
struct Loading {
    exact: HashMap<Box<str>, Candidates>,
    wildcard: HashMap<Box<str>, Candidates>,
    /// The first certificate, and the one that is declared to be the default.
    first: Option<Loaded>,
    declared: Option<Loaded>,
    warnings: Vec<CertificateWarning>,
    errors: Vec<CertificateError>,
}

#[derive(Clone)]
struct Loaded {
    candidate: Candidate,
    /// One of its names, under which its siblings with other keys are found.
    dns_name: Option<String>,
}

impl Loading {
    fn add(&mut self, files: &CertificateFiles) {
        match load_pair(&files.chain_file, &files.key_file) {
            Ok((key, leaf)) => {
                let candidate = Candidate { name: Arc::from(files.name.as_str()), key: Arc::new(key) };
                self.warn_of(&files.name, &leaf);
                let loaded = Loaded { candidate: candidate.clone(), dns_name: leaf.dns_names.first().cloned() };
                self.first.get_or_insert_with(|| loaded.clone());
                if files.default {
                    self.declared.get_or_insert(loaded);
                }
                for dns_name in leaf.dns_names {
                    self.cover(dns_name, candidate.clone());
                }
            }
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn warn_of(&mut self, name: &str, leaf: &Leaf) {
        let name = name.to_owned();
        let now = OffsetDateTime::now_utc();
        if now > leaf.not_after {
            self.warnings.push(CertificateWarning::Expired { name: name.clone(), at: leaf.not_after.to_string() });
        } else if now < leaf.not_before {
            self.warnings.push(CertificateWarning::NotYetValid { name: name.clone(), at: leaf.not_before.to_string() });
        }
        if leaf.dns_names.is_empty() {
            self.warnings.push(CertificateWarning::NoDnsName { name });
        }
    }

    fn cover(&mut self, dns_name: String, candidate: Candidate) {
        let entry = match dns_name.strip_prefix("*.") {
            Some(parent) => self.wildcard.entry(parent.into()),
            None => self.exact.entry(dns_name.as_str().into()),
        };
        if let Some(other) = insert(entry, candidate.clone()) {
            let (name, other) = (candidate.name.to_string(), other.to_string());
            self.warnings.push(CertificateWarning::Shadowed { name, server_name: dns_name, other });
        }
    }

    fn finish(self) -> Result<LoadedCertificates, Vec<CertificateError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let Some(default) = self.declared.or(self.first) else { return Err(vec![CertificateError::NoneConfigured]) };
        let siblings = default.dns_name.as_deref().and_then(|name| match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.get(parent),
            None => self.exact.get(name),
        });
        // Siblings of the default serve clients that do not understand its key. If another certificate stands before
        // it for its own name, it goes without.
        let shown = siblings.filter(|all| all.iter().any(|one| Arc::ptr_eq(&one.key, &default.candidate.key)));
        let default = shown.cloned().unwrap_or_else(|| vec![default.candidate]);
        let resolver = Arc::new(SniResolver { exact: self.exact, wildcard: self.wildcard, default });
        Ok(LoadedCertificates { resolver, warnings: self.warnings })
    }
}

/// Adds a candidate unless there is one with the same kind of key, whose name is returned.
fn insert(entry: Entry<'_, Box<str>, Candidates>, candidate: Candidate) -> Option<Arc<str>> {
    let candidates = entry.or_default();
    let algorithm = candidate.key.key.algorithm();
    if let Some(other) = candidates.iter().find(|other| other.key.key.algorithm() == algorithm) {
        // The same name twice in one certificate is nobody's mistake.
        return (!Arc::ptr_eq(&other.key, &candidate.key)).then(|| Arc::clone(&other.name));
    }
    candidates.push(candidate);
    candidates.sort_by_key(|candidate| preference(candidate.key.key.algorithm()));
    None
}

/// ECDSA signatures take a tenth of RSA's CPU; Ed25519 comes last because few clients understand it.
fn preference(algorithm: SignatureAlgorithm) -> u8 {
    match algorithm {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::RSA => 1,
        _ => 2,
    }
}

fn load_pair(chain_file: &Path, key_file: &Path) -> Result<(CertifiedKey, Leaf), Vec<CertificateError>> {
    match (read_chain(chain_file), read_key(key_file)) {
        (Ok(chain), Ok(key)) => pair(chain, key, chain_file, key_file).map_err(|error| vec![error]),
        (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
    }
}

fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    chain_file: &Path,
    key_file: &Path,
) -> Result<(CertifiedKey, Leaf), CertificateError> {
    let unparsable = |reason| CertificateError::ParseCertificate { path: chain_file.into(), reason };
    let leaf = Leaf::parse(&chain[0]).map_err(unparsable)?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::KeyMismatch { key_file: key_file.into(), chain_file: chain_file.into() }
        }
        rustls::Error::InvalidCertificate(error) => unparsable(error.to_string()),
        other => CertificateError::UnusablePrivateKey { path: key_file.into(), reason: other.to_string() },
    })?;
    Ok((certified, leaf))
}
