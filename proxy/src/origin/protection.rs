//! What is known of pools and origins beyond one configuration: circuits, load, budgets. A reload changes the bounds,
//! not the memory.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tidegate_config::ids::PoolName;
use tidegate_config::model::{Origin, OriginPool};

use super::admission::OriginProtection;
use super::budget::SlidingBudget;
use super::health::Identity;
use crate::telemetry::{Metrics, PoolMetrics};

/// Protections by pool and origin, each kept as long as a configuration that is in use names it.
#[derive(Default)]
pub struct ProtectionRegistry {
    pools: Mutex<HashMap<PoolName, Weak<PoolProtection>>>,
    origins: Mutex<HashMap<Identity, Weak<OriginProtection>>>,
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

    /// That of an origin, which is another one at another address.
    pub fn origin(&self, pool: &OriginPool, origin: &Origin, metrics: &Metrics) -> Arc<OriginProtection> {
        remembered(&mut self.origins.lock(), Identity::of(pool, origin), || {
            OriginProtection::new(metrics.origin_handles(&pool.name, &origin.name), Instant::now())
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

    fn pool(name: &str, url: &str) -> (Arc<OriginPool>, Origin) {
        let text = format!(
            "kind: origin_pool\nname: {name}\norigins: [{{name: near, url: \"{url}\", region: eu}}]\n---\n\
             kind: region\nname: eu\n---\nkind: pop\nname: eu-a\nregion: eu\n---\nkind: node\nname: eu-a-1\n\
             pop: eu-a\nlisteners: [{{address: \"127.0.0.1:1\", protocol: http}}]\n"
        );
        let model = tidegate_config::load_texts(&[("tested.yaml".into(), text)]).unwrap();
        let pool = model.origin_pools[&PoolName::parse(name).unwrap()].clone();
        let origin = pool.origins[0].clone();
        (pool, origin)
    }

    #[test]
    fn protection_lasts_as_long_as_a_configuration_uses_it() {
        let (registry, metrics) = (ProtectionRegistry::default(), Metrics::new("0"));
        let (pool, origin) = pool("media", "http://127.0.0.1:1");
        let first = registry.origin(&pool, &origin, &metrics);
        assert!(Arc::ptr_eq(&first, &registry.origin(&pool, &origin, &metrics)));
        let (_, moved) = self::pool("media", "http://127.0.0.1:2");
        let other = registry.origin(&pool, &moved, &metrics);
        assert!(!Arc::ptr_eq(&first, &other), "at another address it is another origin");
        drop(first);
        let (more, _) = self::pool("more", "http://127.0.0.1:1");
        registry.origin(&more, &origin, &metrics);
        assert_eq!(registry.origins.lock().len(), 2, "what nobody uses is forgotten");
    }
}
