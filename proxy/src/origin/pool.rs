//! An origin pool compiled for serving: regions ranked as seen from this node, files of its origins read.

use std::sync::Arc;
use std::time::Instant;

use tidegate_config::model::{Model, Origin, OriginDuty, OriginOrder, OriginPool};
use tidegate_steering::{Candidate, Circuit, Duty, Health, Priority, Proximity, Rules, Share, identity, order};

use super::access::{Access, OriginError};
use super::admission::OriginProtection;
use super::circuit::CircuitState;
use super::health::{OriginHealth, Trial};
use super::protection::PoolProtection;
use super::ranking::RegionRanks;
use super::registries::Registries;
use crate::telemetry::{Metrics, OriginMetrics};

/// One origin, ready to be spoken to.
pub struct CompiledOrigin {
    /// As configured.
    pub origin: Origin,
    /// What it is shown, and what is asked of it.
    pub access: Access,
    /// What probes and requests found out about it.
    pub health: OriginHealth,
    /// Its figures.
    pub metrics: Arc<OriginMetrics>,
    /// Its circuit and load.
    pub protection: Arc<OriginProtection>,
    identity: u64,
    priority: Priority,
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

/// The origins of a pool as one request tries them.
pub struct Ordered {
    /// All of them.
    pub origins: Vec<Arc<CompiledOrigin>>,
    /// That of the first one, where this request is its trial.
    pub trial: Option<Trial>,
}

impl CompiledPool {
    /// Compiles a pool as seen from the model's node.
    pub fn compile(
        pool: &Arc<OriginPool>,
        model: &Model,
        metrics: &Metrics,
        registries: &Registries,
    ) -> Result<Self, Vec<OriginError>> {
        let ranks = RegionRanks::of(model);
        let health = registries.health.pool(pool).handles(pool, metrics);
        let compile = |(place, (origin, health)): (usize, (&Origin, OriginHealth))| {
            let priority = match pool.order {
                OriginOrder::Nearest => Priority::default(),
                OriginOrder::Written => Priority(u32::try_from(place).unwrap_or(u32::MAX)),
            };
            Ok::<_, Vec<OriginError>>(Arc::new(CompiledOrigin {
                access: Access::load(origin)?,
                health,
                metrics: metrics.origin_handles(&pool.name, &origin.name),
                protection: registries.protection.origin(pool, origin, metrics),
                identity: identity(origin.name.as_str()),
                priority,
                proximity: ranks.proximity(&origin.region),
                origin: origin.clone(),
            }))
        };
        let origins = pool.origins.iter().zip(health).enumerate().map(compile).collect::<Result<_, _>>()?;
        let protection = registries.protection.pool(&pool.name, metrics);
        Ok(Self { pool: Arc::clone(pool), origins, protection })
    }

    /// All origins in the order to try them. Who is on trial and comes first has this request for its trial; while
    /// another request is the trial, it waits at its place among those that are avoided.
    #[must_use]
    pub fn order(&self, seed: u64, now: Instant) -> Ordered {
        let mut candidates: Vec<Candidate> = self.origins.iter().map(|origin| origin.candidate(now)).collect();
        let on_trial = |(place, origin): (usize, &Arc<CompiledOrigin>)| origin.is_on_trial(now).then_some(place);
        let mut on_trial: Vec<usize> = self.origins.iter().enumerate().filter_map(on_trial).collect();
        let rules = self.rules(seed);
        loop {
            let places = order(&candidates, &rules).indices;
            let first = places.first().copied().filter(|first| on_trial.contains(first));
            let Some((first, origin)) = first.and_then(|first| Some((first, self.origins.get(first)?))) else {
                return self.ordered(places, None);
            };
            if let Some(trial) = origin.health.claim_trial(now) {
                return self.ordered(places, Some(trial));
            }
            // Each is refused once, so this ends.
            on_trial.retain(|place| *place != first);
            if let Some(candidate) = candidates.get_mut(first) {
                *candidate = origin.without_trial(now);
            }
        }
    }

    fn ordered(&self, places: Vec<usize>, trial: Option<Trial>) -> Ordered {
        Ordered { origins: places.into_iter().filter_map(|place| self.origins.get(place).cloned()).collect(), trial }
    }

    /// What steering is told of the origins now.
    #[must_use]
    pub fn candidates(&self, now: Instant) -> Vec<Candidate> {
        self.origins.iter().map(|origin| origin.without_trial(now)).collect()
    }

    /// By which rules they are ordered.
    #[must_use]
    pub fn rules(&self, seed: u64) -> Rules {
        Rules { panic_threshold: self.pool.health.panic_threshold, seed }
    }
}

impl CompiledOrigin {
    /// As steering sees it; as healthy while it is on trial.
    fn candidate(&self, now: Instant) -> Candidate {
        let candidate = self.without_trial(now);
        if self.is_on_trial(now) {
            return Candidate { health: Health::Healthy, share: Share::FULL, ..candidate };
        }
        candidate
    }

    fn without_trial(&self, now: Instant) -> Candidate {
        let view = self.health.view(now);
        let protection = self.protection.view(now);
        let is_barred = protection.circuit == CircuitState::Open && !protection.left_open.is_zero();
        Candidate {
            priority: self.priority,
            health: view.health,
            share: view.share,
            duty: match self.origin.duty {
                OriginDuty::Active => Duty::Active,
                OriginDuty::Drained => Duty::Drained,
            },
            circuit: if is_barred { Circuit::Open } else { Circuit::Closed },
            ..Candidate::new(self.identity, self.proximity, self.origin.weight.0)
        }
    }

    /// Whether requests are kept from it, but for a trial now and then.
    #[must_use]
    pub fn is_avoided(&self, now: Instant) -> bool {
        let candidate = self.without_trial(now);
        let works = matches!(candidate.health, Health::Healthy | Health::Unknown);
        !works || candidate.circuit == Circuit::Open
    }

    fn is_on_trial(&self, now: Instant) -> bool {
        self.health.view(now).trial
    }
}
