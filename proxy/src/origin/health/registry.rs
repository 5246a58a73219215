//! Where health is kept: by pool, name and address of an origin, as long as a configuration that is in use has it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_config::ids::{OriginName, PoolName};
use tidegate_config::model::{HealthCheck, Origin, OriginPool, OutlierEjection, Probe};
use tidegate_steering::health::{EjectionRules, HealthRules, Joined, Thresholds};

use super::lasting::LastingHealth;
use super::origin_health::OriginHealth;
use crate::telemetry::Metrics;

/// The longest that a trial keeps others off, however patient a pool is: who has it may never tell what came of it.
const LONGEST_TRIAL: Duration = Duration::from_secs(30);

/// What an origin is known by. Under another address it is another one: what was known says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::origin) struct Identity {
    pub(in crate::origin) pool: PoolName,
    pub(in crate::origin) origin: OriginName,
    host: String,
    port: u16,
    tls: bool,
}

impl Identity {
    pub(in crate::origin) fn of(pool: &OriginPool, origin: &Origin) -> Self {
        Self {
            pool: pool.name.clone(),
            origin: origin.name.clone(),
            host: origin.host.clone(),
            port: origin.port,
            tls: origin.tls.is_some(),
        }
    }
}

/// The health of all origins.
pub struct HealthRegistry {
    epoch: Instant,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    origins: HashMap<Identity, Weak<LastingHealth>>,
    /// For each pool, what lets one ejection be decided at a time: two at once could take out the last usable origin.
    decisions: HashMap<PoolName, Weak<Mutex<()>>>,
}

impl Default for HealthRegistry {
    fn default() -> Self {
        Self { epoch: Instant::now(), known: Mutex::default() }
    }
}

/// A pool's part in the health of its origins, as one configuration has it.
pub struct PoolHealth {
    pub(super) rules: HealthRules,
    pub(super) members: Vec<Arc<LastingHealth>>,
    pub(super) decisions: Arc<Mutex<()>>,
}

impl HealthRegistry {
    /// That of a pool: known origins keep what is known of them.
    pub fn pool(&self, pool: &OriginPool) -> Arc<PoolHealth> {
        let known = &mut *self.known.lock();
        known.origins.retain(|_, health| health.strong_count() > 0);
        known.decisions.retain(|_, decisions| decisions.strong_count() > 0);
        let served_before = known.decisions.get(&pool.name).and_then(Weak::upgrade);
        let joined = if served_before.is_some() { Joined::Later } else { Joined::WithPool };
        let decisions = served_before.unwrap_or_default();
        known.decisions.insert(pool.name.clone(), Arc::downgrade(&decisions));
        let members = pool.origins.iter().map(|origin| {
            let identity = Identity::of(pool, origin);
            if let Some(health) = known.origins.get(&identity).and_then(Weak::upgrade) {
                return health;
            }
            let health = Arc::new(LastingHealth::new(&pool.name, &origin.name, self.epoch, joined));
            known.origins.insert(identity, Arc::downgrade(&health));
            health
        });
        Arc::new(PoolHealth { members: members.collect(), rules: rules(&pool.health, &pool.outlier), decisions })
    }
}

impl PoolHealth {
    /// One handle for each origin, in the order of the pool this was made for.
    pub fn handles(self: &Arc<Self>, pool: &OriginPool, metrics: &Metrics) -> Vec<OriginHealth> {
        let patience = (pool.timeouts.connect + pool.timeouts.read).min(LONGEST_TRIAL);
        let members = self.members.iter().zip(&pool.origins).enumerate();
        let handles = members.map(|(place, (lasting, origin))| {
            let metrics = metrics.origin_handles(&pool.name, &origin.name);
            OriginHealth::new(Arc::clone(self), place, Arc::clone(lasting), metrics, patience)
        });
        handles.collect()
    }
}

fn rules(check: &HealthCheck, outlier: &OutlierEjection) -> HealthRules {
    let thresholds = Thresholds { fall: check.fall, rise: check.rise };
    HealthRules {
        probes: (check.probe != Probe::Off).then_some(thresholds),
        slow_start: check.slow_start,
        ejection: EjectionRules {
            consecutive_failures: outlier.consecutive_failures,
            first: outlier.ejection,
            longest: outlier.ejection_max,
            max_ejected: outlier.max_ejected,
        },
    }
}
