//! An origin pool compiled for serving: regions ranked as seen from this node, authorities loaded.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tidegate_config::model::{Model, Origin, OriginPool};
use tidegate_steering::{Candidate, Health, Proximity, Rules, identity, order};

use super::ranking::RegionRanks;
use super::suspects::Suspects;
use crate::telemetry::{Metrics, OriginMetrics};

/// Authorities read from one bundle at most; the public set has about 150.
const MAX_AUTHORITIES: usize = 1_024;

/// Why a pool cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The bundle of authorities could not be read.
    #[error("origin {origin}: cannot read ca_file {}: {source}; expected a PEM bundle of certificates", file.display())]
    ReadAuthorities {
        /// The origin's name.
        origin: String,
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The bundle holds no usable certificate.
    #[error("origin {origin}: ca_file {}: {reason}; expected a PEM bundle of 1 to {MAX_AUTHORITIES} certificates", file.display())]
    Authorities {
        /// The origin's name.
        origin: String,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// One origin, ready to be spoken to.
pub struct CompiledOrigin {
    /// As configured.
    pub origin: Origin,
    /// Authorities trusted instead of the system's.
    pub authorities: Option<Arc<[WrappedX509]>>,
    /// What was seen of it lately.
    pub suspects: Suspects,
    /// Its figures.
    pub metrics: Arc<OriginMetrics>,
    proximity: Proximity,
}

/// A pool, ready to be chosen from.
pub struct CompiledPool {
    /// As configured.
    pub pool: Arc<OriginPool>,
    /// Its origins in the order written.
    pub origins: Vec<Arc<CompiledOrigin>>,
}

impl CompiledPool {
    /// Compiles a pool as seen from the model's node.
    pub fn compile(pool: &Arc<OriginPool>, model: &Model, metrics: &Metrics) -> Result<Self, OriginError> {
        let ranks = RegionRanks::of(model);
        let compile =
            |origin: &Origin| compile_origin(origin, &ranks, metrics.origin_handles(&pool.name, &origin.name));
        let origins = pool.origins.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { pool: Arc::clone(pool), origins })
    }

    /// All origins in the order to try them.
    #[must_use]
    pub fn order(&self, seed: u64, now: Instant) -> Vec<Arc<CompiledOrigin>> {
        let candidates: Vec<Candidate> = self.origins.iter().map(|origin| origin.candidate(now)).collect();
        let rules = Rules { panic_threshold: self.pool.health.panic_threshold, seed };
        order(&candidates, &rules).indices.into_iter().filter_map(|index| self.origins.get(index).cloned()).collect()
    }
}

impl CompiledOrigin {
    fn candidate(&self, now: Instant) -> Candidate {
        let health = if self.suspects.is_suspect(now) { Health::Suspect } else { Health::Unknown };
        let identity = identity(self.origin.name.as_str());
        Candidate { health, ..Candidate::new(identity, self.proximity, self.origin.weight.0) }
    }
}

fn compile_origin(
    origin: &Origin,
    ranks: &RegionRanks,
    metrics: Arc<OriginMetrics>,
) -> Result<Arc<CompiledOrigin>, OriginError> {
    let file = origin.tls.as_ref().and_then(|tls| tls.ca_file.as_ref());
    let authorities = file.map(|file| read_authorities(origin, file)).transpose()?;
    Ok(Arc::new(CompiledOrigin {
        origin: origin.clone(),
        authorities,
        suspects: Suspects::default(),
        metrics,
        proximity: ranks.proximity(&origin.region),
    }))
}

fn read_authorities(origin: &Origin, file: &PathBuf) -> Result<Arc<[WrappedX509]>, OriginError> {
    let name = || origin.name.to_string();
    let wrong = |reason: String| OriginError::Authorities { origin: name(), file: file.clone(), reason };
    let text = std::fs::read(file).map_err(|source| OriginError::ReadAuthorities {
        origin: name(),
        file: file.clone(),
        source,
    })?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .take(MAX_AUTHORITIES + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() || certificates.len() > MAX_AUTHORITIES {
        return Err(wrong(format!("found {} certificates", certificates.len())));
    }
    let mut store = rustls::RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        // Pingora's own parser panics on what is no certificate; rustls' says so.
        store.add(certificate.clone()).map_err(|error| wrong(format!("certificate {}: {error}", index + 1)))?;
    }
    Ok(certificates.into_iter().map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509)).collect())
}
