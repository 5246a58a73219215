//! The purges of a node: the table, and its durable record where anything is stored durably.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::generation::Generation;
use super::generations::{Generations, Purged, unix_seconds};
use super::journal::Journal;
use super::latecomers::Latecomers;
use super::purge_log::{self, Kept, PurgeLog};
use super::record::PurgeRecord;
use super::scope::{Mode, Scope, ScopeKind};
use super::secret::Secret;
use crate::telemetry::PurgeMetrics;

/// Numbers that a start leaves out: some of those behind the latest one on disk may have been given out, to what is on
/// disk, before the node ended.
pub(super) const LEFT_OUT: u64 = 1 << 30;

/// Orders of operators that are remembered by name, to be shown.
const MOST_REMEMBERED: usize = 256;

/// One order of an operator.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number.
    pub generation: Generation,
    /// What it was about.
    pub kind: ScopeKind,
    /// Hard or soft.
    pub mode: Mode,
    /// How many names it had, and the first of them as it was written.
    pub names: (usize, String),
    /// When.
    pub at: SystemTime,
}

/// All purges of a node.
pub struct Purges {
    generations: Arc<Generations>,
    journal: Option<Arc<Journal>>,
    orders: Mutex<VecDeque<Order>>,
    metrics: PurgeMetrics,
}

impl Deref for Purges {
    type Target = Generations;

    fn deref(&self) -> &Generations {
        &self.generations
    }
}

impl Purges {
    /// Those of a node that stores nothing durably: its purges are over with the process, as what they are about.
    #[must_use]
    pub fn in_memory(metrics: PurgeMetrics) -> Arc<Self> {
        let generations = Arc::new(Generations::new(Secret::random(), Generation::by(SystemTime::now())));
        Self::of(generations, None, metrics)
    }

    /// Those that a log has, which from now on gets all others. They are written on `runtime`.
    pub async fn open(kept: Arc<dyn PurgeLog>, runtime: &Handle, metrics: PurgeMetrics) -> Arc<Self> {
        let latecomers = Latecomers::new();
        let follower = Arc::clone(&latecomers);
        kept.follow(Arc::new(move |copy| follower.came(copy)));
        let mut copies = kept.load().await;
        copies.extend(latecomers.early());
        let loaded = purge_log::read(&copies);
        let now = Generation::by(SystemTime::now());
        let generations = match loaded {
            Some(loaded) => {
                let generations = Generations::new(loaded.secret, Generation::default());
                let latest = loaded.latest();
                log::info!(generation = latest.0, records = loaded.records.len(); "purges were read");
                generations.restore(loaded.records);
                generations.skip_to(now.max(Generation(latest.0.saturating_add(LEFT_OUT))));
                if loaded.is_damaged {
                    log::error!("the record of purges is damaged: what is stored on disk is taken as purged");
                    generations.purge(&[Scope::Everything], Mode::Hard, 0);
                }
                generations
            }
            None => {
                log::info!("there is no record of purges: what is stored without one is not used");
                Generations::new(Secret::random(), now)
            }
        };
        let (generations, journal) = (Arc::new(generations), Journal::new());
        latecomers.begin(&generations, &journal, generations.latest());
        // Written whole before anything is added: a part that a crash cut off must not stand before what follows.
        let whole = purge_log::whole(generations.secret(), &generations.records());
        let begun = kept.replace(whole).await;
        if begun.on < begun.of {
            log::warn!(devices = begun.on, of = begun.of; "the record of purges could not be written on every device");
        }
        runtime.spawn(Arc::clone(&journal).run(kept, Arc::clone(&generations), begun));
        Self::of(generations, Some(journal), metrics)
    }

    fn of(generations: Arc<Generations>, journal: Option<Arc<Journal>>, metrics: PurgeMetrics) -> Arc<Self> {
        metrics.is_at(generations.latest().0, generations.names());
        Arc::new(Self { generations, journal, orders: Mutex::default(), metrics })
    }

    /// The figures of purges.
    #[must_use]
    pub fn metrics(&self) -> &PurgeMetrics {
        &self.metrics
    }

    /// Records an object that was found purged.
    pub fn found_outdated(&self, mode: Mode, by: Purged) {
        self.metrics.found_outdated(mode.as_str(), by.because.as_str());
    }

    /// Notes that what is stored of this has changed. Nobody waits until that is written.
    pub fn note_changed(&self, scopes: &[Scope], now: SystemTime) {
        let records = self.purge(scopes, Mode::Hard, unix_seconds(now));
        self.note(records, ScopeKind::Changed, Mode::Hard);
    }

    /// Carries out an operator's order: in force when this returns, written when [`Self::written`] does. `name` is the
    /// first of its names as it was written.
    pub fn carry_out(&self, scopes: &[Scope], mode: Mode, name: String, names: usize, now: SystemTime) -> Generation {
        let kind = scopes.first().map_or(ScopeKind::Everything, Scope::kind);
        let records = self.purge(scopes, mode, unix_seconds(now));
        let generation = records.first().map_or_else(|| self.latest(), PurgeRecord::generation);
        self.note(records, kind, mode);
        let mut orders = self.orders.lock();
        orders.push_front(Order { generation, kind, mode, names: (names, name), at: now });
        orders.truncate(MOST_REMEMBERED);
        generation
    }

    /// Waits until all purges up to now are written; on no place where nothing is.
    pub async fn written(&self) -> Kept {
        match &self.journal {
            Some(journal) => journal.written().await,
            None => Kept::default(),
        }
    }

    /// The latest orders of operators, the last one first.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.orders.lock().iter().cloned().collect()
    }

    fn note(&self, records: Vec<PurgeRecord>, kind: ScopeKind, mode: Mode) {
        self.metrics.purged(kind.as_str(), mode.as_str());
        self.metrics.is_at(self.latest().0, self.names());
        if let Some(journal) = &self.journal {
            journal.note(records);
        }
    }
}

#[cfg(test)]
mod tests;
