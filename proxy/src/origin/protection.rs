//! What is known of pools and origins beyond one configuration: circuits, load, budgets. A reload changes the bounds,
//! not the memory.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tidegate_config::ids::{OriginName, PoolName};

use super::admission::OriginProtection;
use super::budget::SlidingBudget;
use crate::telemetry::{Metrics, PoolMetrics};

/// Protections by pool and origin, each kept as long as a configuration that is in use names it.
#[derive(Default)]
pub struct ProtectionRegistry {
    pools: Mutex<HashMap<PoolName, Weak<PoolProtection>>>,
    origins: Mutex<HashMap<(PoolName, OriginName), Weak<OriginProtection>>>,
}

/// Budgets of one pool.
pub struct PoolProtection {
    /// Further attempts.
    pub retries: SlidingBudget,
    /// Hedges.
    pub hedges: SlidingBudget,
    /// Its figures.
    pub metrics: Arc<PoolMetrics>,
}

impl ProtectionRegistry {
    /// That of a pool.
    pub fn pool(&self, pool: &PoolName, metrics: &Metrics) -> Arc<PoolProtection> {
        remembered(&mut self.pools.lock(), pool.clone(), || {
            let now = Instant::now();
            let metrics = metrics.pool_handles(pool);
            PoolProtection { retries: SlidingBudget::new(now), hedges: SlidingBudget::new(now), metrics }
        })
    }

    /// That of an origin.
    pub fn origin(&self, pool: &PoolName, origin: &OriginName, metrics: &Metrics) -> Arc<OriginProtection> {
        let key = (pool.clone(), origin.clone());
        remembered(&mut self.origins.lock(), key, || {
            OriginProtection::new(metrics.origin_handles(pool, origin), Instant::now())
        })
    }
}

fn remembered<K, V>(known: &mut HashMap<K, Weak<V>>, key: K, make: impl FnOnce() -> V) -> Arc<V>
where
    K: std::hash::Hash + Eq,
{
    if let Some(found) = known.get(&key).and_then(Weak::upgrade) {
        return found;
    }
    known.retain(|_, kept| kept.strong_count() > 0);
    let made = Arc::new(make());
    known.insert(key, Arc::downgrade(&made));
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_lasts_as_long_as_a_configuration_uses_it() {
        let (registry, metrics) = (ProtectionRegistry::default(), Metrics::new("0"));
        let (pool, origin) = (PoolName::parse("media").unwrap(), OriginName::parse("near").unwrap());
        let first = registry.origin(&pool, &origin, &metrics);
        assert!(Arc::ptr_eq(&first, &registry.origin(&pool, &origin, &metrics)));
        let other = registry.origin(&pool, &OriginName::parse("far").unwrap(), &metrics);
        assert!(!Arc::ptr_eq(&first, &other));
        drop(first);
        registry.origin(&PoolName::parse("more").unwrap(), &origin, &metrics);
        assert_eq!(registry.origins.lock().len(), 2, "what nobody uses is forgotten");
    }
}
