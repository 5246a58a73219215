//! An origin pool compiled for serving: regions ranked as seen from this node, files of its origins read.

use std::sync::Arc;
use std::time::Instant;

use tidegate_config::model::{Model, Origin, OriginPool};
use tidegate_steering::{Candidate, Health, Proximity, Rules, identity, order};

use super::access::{Access, OriginError};
use super::admission::OriginProtection;
use super::protection::PoolProtection;
use super::ranking::RegionRanks;
use super::registries::Registries;
use super::suspects::Suspects;
use crate::telemetry::{Metrics, OriginMetrics};

/// One origin, ready to be spoken to.
pub struct CompiledOrigin {
    /// As configured.
    pub origin: Origin,
    /// What it is shown, and what is asked of it.
    pub access: Access,
    /// What was seen of it lately.
    pub suspects: Suspects,
    /// Its figures.
    pub metrics: Arc<OriginMetrics>,
    /// Its circuit and load.
    pub protection: Arc<OriginProtection>,
    proximity: Proximity,
}

/// A pool, ready to be chosen from.
pub struct CompiledPool {
    /// As configured.
    pub pool: Arc<OriginPool>,
    /// Its origins in the order written.
    pub origins: Vec<Arc<CompiledOrigin>>,
    /// Its budgets.
    pub protection: Arc<PoolProtection>,
}

impl CompiledPool {
    /// Compiles a pool as seen from the model's node.
    pub fn compile(
        pool: &Arc<OriginPool>,
        model: &Model,
        metrics: &Metrics,
        registries: &Registries,
    ) -> Result<Self, OriginError> {
        let ranks = RegionRanks::of(model);
        let compile = |origin: &Origin| {
            let protection = registries.protection.origin(&pool.name, &origin.name, metrics);
            compile_origin(origin, &ranks, metrics.origin_handles(&pool.name, &origin.name), protection)
        };
        let origins = pool.origins.iter().map(compile).collect::<Result<_, _>>()?;
        let protection = registries.protection.pool(&pool.name, metrics);
        Ok(Self { pool: Arc::clone(pool), origins, protection })
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
    protection: Arc<OriginProtection>,
) -> Result<Arc<CompiledOrigin>, OriginError> {
    Ok(Arc::new(CompiledOrigin {
        origin: origin.clone(),
        access: Access::load(origin)?,
        suspects: Suspects::default(),
        metrics,
        protection,
        proximity: ranks.proximity(&origin.region),
    }))
}
