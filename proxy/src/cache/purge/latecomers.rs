//! Records of purges on devices that are opened when others are in use already.
//!
//! Such a one may know purges of an earlier run that nobody else does. Objects that have outlived what was known until now
//! have not outlived these, wherever they are stored, so that they are purged once more, as of now.

use std::sync::Arc;

use parking_lot::Mutex;

use super::generation::Generation;
use super::generations::Generations;
use super::journal::Journal;
use super::purge_log::{self, LogCopy};
use super::purges::LEFT_OUT;
use super::scope::{Mode, Scope};

/// Takes copies that come late.
pub(super) struct Latecomers(Mutex<State>);

enum State {
    /// Purges are still being read: these are read with the others.
    Early(Vec<LogCopy>),
    Ready(Table),
}

/// What others know.
struct Table {
    generations: Arc<Generations>,
    journal: Arc<Journal>,
    /// Where the numbers of this run begin.
    begun: Generation,
}

impl Latecomers {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Early(Vec::new()))))
    }

    /// A device has this. Nothing of it is found before this returns.
    pub(super) fn came(&self, copy: LogCopy) {
        match &mut *self.0.lock() {
            State::Early(copies) => copies.push(copy),
            State::Ready(table) => table.merge(copy),
        }
    }

    /// Those that have come up to now.
    pub(super) fn early(&self) -> Vec<LogCopy> {
        match &mut *self.0.lock() {
            State::Early(copies) => std::mem::take(copies),
            State::Ready(_) => Vec::new(),
        }
    }

    /// From now on copies are held against this table; those that have come since [`Self::early`] at once.
    pub(super) fn begin(&self, generations: &Arc<Generations>, journal: &Arc<Journal>, begun: Generation) {
        let table = Table { generations: Arc::clone(generations), journal: Arc::clone(journal), begun };
        let mut state = self.0.lock();
        if let State::Early(copies) = &mut *state {
            copies.drain(..).for_each(|copy| table.merge(copy));
        }
        *state = State::Ready(table);
    }
}

impl Table {
    fn merge(&self, copy: LogCopy) {
        let is_empty = copy.parts.is_empty() && !copy.is_damaged;
        let loaded = purge_log::read(&[copy]);
        let records = match &loaded {
            // What lies there without a record is not used.
            None if is_empty => Vec::new(),
            Some(loaded) if loaded.secret != *self.generations.secret() => {
                log::warn!("a device came late that has another record of purges: what is stored on it is not used");
                Vec::new()
            }
            // More than what others know may be missing, or objects there are newer than purges of this run by their numbers.
            None => self.purge_everything(),
            Some(loaded) if loaded.is_damaged || loaded.latest().0 > self.begun.0.saturating_sub(LEFT_OUT / 2) => {
                self.generations.skip_to(Generation(loaded.latest().0.saturating_add(LEFT_OUT)));
                self.purge_everything()
            }
            Some(loaded) => self.generations.adopt(&loaded.records),
        };
        if !records.is_empty() {
            log::info!(records = records.len(); "a device came late that knew purges which others did not");
        }
        self.journal.note(records);
        self.journal.write_whole();
    }

    fn purge_everything(&self) -> Vec<super::record::PurgeRecord> {
        log::error!(
            "the record of purges of a device that came late is damaged: all that is stored is taken as purged"
        );
        self.generations.purge(&[Scope::Everything], Mode::Hard, 0)
    }
}
