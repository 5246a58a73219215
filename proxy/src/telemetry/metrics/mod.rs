//! The process's metrics in Prometheus form: one registry, names `tidegate_…`, every label from a bounded set.
//!
//! A request touches handles that were resolved before: it costs seven relaxed atomic additions and no lookup by
//! label. Counters are shared between threads; histograms, which are touched most, are spread over stripes. What
//! others already count (the cache's usage) is read at each scrape instead of counted twice.

mod cache;
mod cmcd;
mod compression;
mod connections;
mod counted;
mod disk;
mod family;
mod geo;
mod kill_switch;
mod labels;
mod mirror;
mod origin;
mod pool;
mod prefetch;
mod process;
mod purge;
mod resolver;
mod site;
mod time_histogram;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::RwLock;
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};
use tidegate_config::ids::{Generation, OriginName, PoolName, SiteName};
use tidegate_config::model::{Coding, OriginPool};

pub use cache::{CacheMetrics, CacheUsage, FillInFlight, FillMetrics, WaiterGuard};
use compression::CompressionMetrics;
use connections::ConnectionMetrics;
pub use disk::{DEVICE_AWAY, DiskEvictionCause, DiskMetrics, DiskUsage};
use family::Families;
pub use geo::{GeoDatabaseFigures, GeoFigures, GeoMetrics};
pub use kill_switch::KillSwitchMetrics;
pub use labels::{
    CacheOutcome, CompressionOutcome, EvictionCause, FillOutcome, HedgeOutcome, LookupOutcome, MirrorOutcome,
    MissReason, OriginOutcome, PrefetchOutcome, ProbeOutcome, Rejection, ReloadOutcome, ResumeOutcome, RetryReason,
    StatusClass,
};
use mirror::MirrorMetrics;
use origin::OriginFamilies;
pub use origin::OriginMetrics;
use pool::PoolFamilies;
pub use pool::PoolMetrics;
use prefetch::PrefetchMetrics;
use process::ProcessMetrics;
pub use purge::PurgeMetrics;
pub use resolver::ResolverMetrics;
use site::SiteFamilies;
pub use site::{RequestFigures, SiteMetrics};

/// Sites with series of their own; further ones share the label `_other`. A site that is busy on everything makes
/// some 200 series, so this keeps a scrape below a quarter of a million.
const MAX_SITES: usize = 1_000;
/// Origins with series of their own; further ones share the label `_other`.
const MAX_ORIGINS: usize = 1_000;
/// Shared label of what is beyond those bounds. No configured name starts with an underscore.
const OTHER: &str = "_other";
/// Label of requests that matched no site.
const NO_SITE: &str = "_none";

/// What brings figures up to date before a scrape.
type Refresh = Box<dyn Fn() + Send + Sync>;

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    site_families: SiteFamilies,
    sites: RwLock<HashMap<SiteName, Arc<SiteMetrics>>>,
    other_sites: Arc<SiteMetrics>,
    no_site: Arc<SiteMetrics>,
    origin_families: OriginFamilies,
    origins: RwLock<HashMap<(PoolName, OriginName), Arc<OriginMetrics>>>,
    other_origins: Arc<OriginMetrics>,
    pool_families: PoolFamilies,
    pools: RwLock<HashMap<PoolName, Arc<PoolMetrics>>>,
    other_pools: Arc<PoolMetrics>,
    refresh_origins: ArcSwapOption<Refresh>,
    connections: ConnectionMetrics,
    cache: CacheMetrics,
    disk: Arc<DiskMetrics>,
    fills: FillMetrics,
    geo: GeoMetrics,
    kill_switches: KillSwitchMetrics,
    compression: CompressionMetrics,
    mirror: MirrorMetrics,
    prefetch: PrefetchMetrics,
    purges: PurgeMetrics,
    process: ProcessMetrics,
    resolver: ResolverMetrics,
    generation: IntGauge,
    reloads: [IntCounter; ReloadOutcome::COUNT],
    access_log: AccessLogCounters,
}

/// What the access log counts of itself.
#[derive(Debug, Clone)]
pub struct AccessLogCounters {
    /// Lines handed to the operating system.
    pub written: IntCounter,
    /// Lines dropped because the queue was full or the file could not be written.
    pub dropped: IntCounter,
}

impl Metrics {
    /// Registers every metric. `version` is the program's own.
    #[must_use]
    pub fn new(version: &str) -> Arc<Self> {
        let registry = Registry::new();
        let families = Families::new(&registry);
        let site_families = SiteFamilies::register(&families);
        let origin_families = OriginFamilies::register(&families);
        let pool_families = PoolFamilies::register(&families);
        families
            .gauges("tidegate_build_info", "Version that runs; always 1.", &["version"])
            .with_label_values(&[version])
            .set(1);
        let reloads = families.counters(
            "tidegate_config_reloads_total",
            "Configurations read since the start, by what became of them.",
            &["outcome"],
        );
        Arc::new(Self {
            other_sites: Arc::new(SiteMetrics::new(&site_families, OTHER)),
            no_site: Arc::new(SiteMetrics::new(&site_families, NO_SITE)),
            site_families,
            sites: RwLock::default(),
            other_origins: other_origins(&origin_families),
            origin_families,
            origins: RwLock::default(),
            other_pools: Arc::new(PoolMetrics::new(&pool_families, OTHER)),
            refresh_origins: ArcSwapOption::empty(),
            pool_families,
            pools: RwLock::default(),
            connections: ConnectionMetrics::register(&families),
            cache: CacheMetrics::register(&families),
            disk: Arc::new(DiskMetrics::register(&families)),
            fills: FillMetrics::register(&families),
            geo: GeoMetrics::register(&families),
            kill_switches: KillSwitchMetrics::register(&families),
            compression: CompressionMetrics::register(&families),
            mirror: MirrorMetrics::register(&families),
            prefetch: PrefetchMetrics::register(&families),
            purges: PurgeMetrics::register(&families),
            process: ProcessMetrics::register(&families),
            resolver: ResolverMetrics::register(&families),
            generation: families.gauge("tidegate_snapshot_generation", "Generation of the configuration in force."),
            reloads: ReloadOutcome::ALL.map(|outcome| reloads.with_label_values(&[outcome.label()])),
            access_log: AccessLogCounters {
                written: families.counter("tidegate_access_log_written_total", "Access log lines written."),
                dropped: families.counter("tidegate_access_log_dropped_total", "Access log lines dropped."),
            },
            registry,
        })
    }

    /// Figures of purges.
    #[must_use]
    pub fn purges(&self) -> &PurgeMetrics {
        &self.purges
    }

    /// The handles of a site, made when first asked for. Resolve them while a snapshot is built, not per request.
    pub fn site_handles(&self, site: &SiteName) -> Arc<SiteMetrics> {
        if let Some(handles) = self.sites.read().get(site) {
            return Arc::clone(handles);
        }
        let mut sites = self.sites.write();
        if sites.len() >= MAX_SITES && !sites.contains_key(site) {
            return Arc::clone(&self.other_sites);
        }
        let make = || Arc::new(SiteMetrics::new(&self.site_families, site.as_str()));
        Arc::clone(sites.entry(site.clone()).or_insert_with(make))
    }

    /// The handles of requests that matched no site.
    #[must_use]
    pub fn no_site(&self) -> &Arc<SiteMetrics> {
        &self.no_site
    }

    /// The handles of an origin, made when first asked for.
    pub fn origin_handles(&self, pool: &PoolName, origin: &OriginName) -> Arc<OriginMetrics> {
        let key = (pool.clone(), origin.clone());
        if let Some(handles) = self.origins.read().get(&key) {
            return Arc::clone(handles);
        }
        let mut origins = self.origins.write();
        if origins.len() >= MAX_ORIGINS && !origins.contains_key(&key) {
            return Arc::clone(&self.other_origins);
        }
        let make = || Arc::new(OriginMetrics::new(&self.origin_families, pool.as_str(), origin.as_str()));
        Arc::clone(origins.entry(key).or_insert_with(make))
    }

    /// The handles of a pool, made when first asked for. There are no more pools than origins.
    pub fn pool_handles(&self, pool: &PoolName) -> Arc<PoolMetrics> {
        if let Some(handles) = self.pools.read().get(pool) {
            return Arc::clone(handles);
        }
        let mut pools = self.pools.write();
        if pools.len() >= MAX_ORIGINS && !pools.contains_key(pool) {
            return Arc::clone(&self.other_pools);
        }
        let make = || Arc::new(PoolMetrics::new(&self.pool_families, pool.as_str()));
        Arc::clone(pools.entry(pool.clone()).or_insert_with(make))
    }

    /// Takes the series away of pools and origins that these do not name any more.
    pub fn retain_origins(&self, pools: &BTreeMap<PoolName, Arc<OriginPool>>) {
        let is_configured = |pool: &PoolName, origin: &OriginName| {
            pools.get(pool).is_some_and(|pool| pool.origins.iter().any(|candidate| candidate.name == *origin))
        };
        self.origins.write().retain(|(pool, origin), _| {
            let kept = is_configured(pool, origin);
            if !kept {
                self.origin_families.remove(pool.as_str(), origin.as_str());
            }
            kept
        });
        self.pools.write().retain(|pool, _| {
            let kept = pools.contains_key(pool);
            if !kept {
                self.pool_families.remove(pool.as_str());
            }
            kept
        });
    }

    /// Has this done before every scrape, for figures that change by time alone.
    pub fn refresh_origins_by(&self, refresh: impl Fn() + Send + Sync + 'static) {
        self.refresh_origins.store(Some(Arc::new(Box::new(refresh))));
    }

    /// Figures of the disk tier.
    #[must_use]
    pub fn disk(&self) -> Arc<DiskMetrics> {
        Arc::clone(&self.disk)
    }

    /// Figures of the memory tier.
    #[must_use]
    pub fn cache(&self) -> &CacheMetrics {
        &self.cache
    }

    /// Fill figures.
    #[must_use]
    pub fn fills(&self) -> &FillMetrics {
        &self.fills
    }

    /// Figures of geographical databases.
    #[must_use]
    pub fn geo(&self) -> &GeoMetrics {
        &self.geo
    }

    /// Which kill switches are on.
    #[must_use]
    pub fn kill_switches(&self) -> &KillSwitchMetrics {
        &self.kill_switches
    }

    /// Records what became of compressing a stored body.
    pub fn compressed(&self, coding: Coding, outcome: CompressionOutcome) {
        self.compression.compressed(coding, outcome);
    }

    /// Records what became of a copy of a request for another pool.
    pub fn mirrored(&self, outcome: MirrorOutcome) {
        self.mirror.mirrored(outcome);
    }

    /// Records what became of a fetch ahead of players.
    pub fn prefetched(&self, outcome: PrefetchOutcome) {
        self.prefetch.prefetched(outcome);
    }

    /// Figures of the resolver of origins' names.
    #[must_use]
    pub fn resolver(&self) -> &ResolverMetrics {
        &self.resolver
    }

    /// Counters that the access log keeps.
    #[must_use]
    pub fn access_log(&self) -> AccessLogCounters {
        self.access_log.clone()
    }

    /// Open connections of each protocol.
    #[must_use]
    pub fn open_connections(&self) -> [(&'static str, i64); 3] {
        self.connections.open()
    }

    /// Records what became of a configuration that was read; `generation` is the one now in force.
    pub fn config_read(&self, outcome: ReloadOutcome, generation: Generation) {
        self.reloads[outcome as usize].inc();
        self.generation.set(i64::try_from(generation.0).unwrap_or(i64::MAX));
    }

    /// The generation last recorded.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(u64::try_from(self.generation.get()).unwrap_or_default())
    }

    /// Requests that were answered for a site, by the cache's part in it.
    #[must_use]
    pub fn requests_by_cache(&self, site: &str) -> BTreeMap<String, u64> {
        self.site_families.by_cache(site)
    }

    /// Everything in the text exposition format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.refresh();
        self.cache.refresh();
        self.disk.refresh();
        if let Some(refresh) = &*self.refresh_origins.load() {
            refresh();
        }
        self.geo.refresh();
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            log::error!("metrics could not be rendered: {error}");
            String::new()
        })
    }
}

/// Figures of the origins beyond the bound.
fn other_origins(families: &OriginFamilies) -> Arc<OriginMetrics> {
    let origins = OriginMetrics::new(families, OTHER, OTHER);
    families.hide_verdicts(OTHER, OTHER);
    Arc::new(origins)
}

#[cfg(test)]
mod tests;
