//! Figures of geographical databases.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};

use super::family::Families;

/// One database in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoDatabaseFigures {
    /// Its file, as configured: a configuration has eight at most.
    pub file: String,
    /// Size of the file, which is what it takes in memory.
    pub bytes: u64,
    /// When it was built, in Unix time.
    pub build_epoch: u64,
    /// How often it was read again.
    pub reloads: u64,
    /// How often it could not be.
    pub reload_failures: u64,
}

/// All databases in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoFigures {
    /// Each of them.
    pub databases: Vec<GeoDatabaseFigures>,
    /// Look-ups that met a damaged record.
    pub lookup_failures: u64,
}

type Source = Box<dyn Fn() -> GeoFigures + Send + Sync>;

/// The figures of geographical databases, read at each scrape.
pub struct GeoMetrics {
    source: OnceLock<Source>,
    /// Files that have series; those no longer in use lose them.
    known: Mutex<BTreeSet<String>>,
    built: IntGaugeVec,
    bytes: IntGaugeVec,
    reloads: IntCounterVec,
    reload_failures: IntCounterVec,
    lookup_failures: IntCounter,
}

impl GeoMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let label = &["file"];
        Self {
            source: OnceLock::new(),
            known: Mutex::default(),
            built: families.gauges(
                "tidegate_geo_database_build_timestamp_seconds",
                "When the geographical database in use was built, in Unix time.",
                label,
            ),
            bytes: families.gauges("tidegate_geo_database_bytes", "Memory of a geographical database.", label),
            reloads: families.counters(
                "tidegate_geo_database_reloads_total",
                "Geographical databases read again after their file changed.",
                label,
            ),
            reload_failures: families.counters(
                "tidegate_geo_database_reload_failures_total",
                "Changed files of geographical databases that could not be used; the one before stays in use.",
                label,
            ),
            lookup_failures: families
                .counter("tidegate_geo_lookup_failures_total", "Look-ups of clients that met a damaged record."),
        }
    }

    /// Names where figures are read from at each scrape. The first call counts; later ones change nothing.
    pub fn read_from(&self, source: impl Fn() -> GeoFigures + Send + Sync + 'static) {
        if self.source.set(Box::new(source)).is_err() {
            log::warn!("geographical figures have a source already");
        }
    }

    pub(super) fn refresh(&self) {
        let Some(source) = self.source.get() else { return };
        // Held to the end: two scrapes at a time would count twice.
        let mut known = self.known.lock();
        let figures = source();
        let files: BTreeSet<String> = figures.databases.iter().map(|database| database.file.clone()).collect();
        for gone in known.difference(&files) {
            self.forget(gone);
        }
        *known = files;
        for database in &figures.databases {
            self.show(database);
        }
        raise(&self.lookup_failures, figures.lookup_failures);
    }

    fn show(&self, database: &GeoDatabaseFigures) {
        let label = &[database.file.as_str()];
        let as_gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.built.with_label_values(label).set(as_gauge(database.build_epoch));
        self.bytes.with_label_values(label).set(as_gauge(database.bytes));
        raise(&self.reloads.with_label_values(label), database.reloads);
        raise(&self.reload_failures.with_label_values(label), database.reload_failures);
    }

    fn forget(&self, file: &str) {
        let label = &[file];
        // Each has the series or never had it.
        self.built.remove_label_values(label).unwrap_or_default();
        self.bytes.remove_label_values(label).unwrap_or_default();
        self.reloads.remove_label_values(label).unwrap_or_default();
        self.reload_failures.remove_label_values(label).unwrap_or_default();
    }
}

fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
