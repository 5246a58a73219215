//! What purges mean for what is stored, found, and on its way.
//!
//! Everything that finds an object finds it through here, so that none is forgotten: hits of either way, those who wait,
//! what stands in for errors, slices, what is fetched ahead. Which purges there were is [`purge`](crate::cache::purge)'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::CacheEngine;
use super::answer::Lookup;
use super::clock;
use super::fetch::FetchRequest;
use super::fills::Fill;
use super::memory::{Found, FullKey};
use super::object::Object;
use crate::cache::key::CacheKey;
use crate::cache::purge::{Lineage, Mode, Purged, Purges, Scope, Verdict};
use crate::cache::rules::decide::{OriginFailure, StoredMeta, may_serve_stale_on_error};

/// Between two looks at all that is stored: it takes a second of one processor for a million objects.
const BETWEEN_RECLAIMS: Duration = Duration::from_secs(10);

/// What an unsafe method changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// Key of the resource.
    pub key: CacheKey,
    /// Whether other queries of it have changed as well.
    pub any_query: bool,
    /// The name by which its site takes the key's host; nothing for whichever host.
    pub site: String,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// All purges.
    #[must_use]
    pub fn purges(&self) -> &Arc<Purges> {
        &self.purges
    }

    /// Which history of purges what is stored here has outlived.
    pub(super) fn lineage(&self) -> Lineage {
        self.purges.secret().lineage()
    }

    /// Forgets what is stored of resources that an unsafe method changed (RFC 9111 section 4.4), those of one URL at once.
    /// What is being fetched may be older than the change: it goes to those who wait for it, but nobody else.
    pub fn invalidate_all(&self, changes: &[Change]) {
        let mut scopes: Vec<Scope> = Vec::new();
        for Change { key, any_query, site } in changes {
            let more = Scope::changed(key, *any_query, site).into_iter();
            // Partitions do not count, so that most of them say the same.
            let more: Vec<Scope> = more.filter(|scope| !scopes.contains(scope)).collect();
            scopes.extend(more);
        }
        self.purges.note_changed(&scopes, clock::now());
        changes.iter().for_each(|change| self.memory.invalidate(&change.key));
    }

    /// The same of a resource for one query, whichever site it is of.
    #[cfg(test)]
    pub(super) fn invalidate(&self, key: &CacheKey) {
        self.invalidate_all(&[Change { key: key.clone(), any_query: false, site: String::new() }]);
    }

    /// Gives back, in the background, what room is taken by that was purged for good and nobody asks for. One at a time:
    /// a purge that comes meanwhile has the next one see to it.
    pub fn reclaim_purged(self: &Arc<Self>) {
        if self.reclaims.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let engine = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            loop {
                let seen = engine.reclaims.load(Ordering::Acquire);
                if let Some(beneath) = engine.memory.beneath() {
                    beneath.sweep();
                }
                engine.memory.take_out_all(|object| {
                    let Verdict::Gone(purged) = engine.purges.judge(&object.provenance) else { return false };
                    engine.purges.found_outdated(Mode::Hard, purged);
                    true
                });
                let done = engine.reclaims.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok();
                if done {
                    return;
                }
                std::thread::sleep(BETWEEN_RECLAIMS);
            }
        });
    }

    /// What was found, as purges leave it.
    pub(super) fn unless_purged(&self, found: Found) -> Found {
        let object = found.object.and_then(|object| self.outlived(&found.key, object));
        Found { object, ..found }
    }

    /// What was found under a key, unless it was purged since; what was purged softly is stale.
    pub(super) fn outlived(&self, key: &FullKey, object: Arc<Object>) -> Option<Arc<Object>> {
        match self.purges.judge(&object.provenance) {
            Verdict::Current => Some(object),
            Verdict::Stale(purged) => {
                self.purges.found_outdated(Mode::Soft, purged);
                Some(self.soften(key, &object, purged))
            }
            Verdict::Gone(purged) => {
                self.purges.found_outdated(Mode::Hard, purged);
                self.memory.take_out(key, &object);
                None
            }
        }
    }

    /// Makes an object stale since it was purged, also where it is stored.
    fn soften(&self, key: &FullKey, object: &Arc<Object>, purged: Purged) -> Arc<Object> {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(purged.at.into());
        let times = object.meta.times.stale_since(since, clock::now());
        let softened = Arc::new(Object {
            meta: StoredMeta { times, ..object.meta.clone() },
            body: Arc::clone(&object.body),
            not_stored: object.not_stored,
            origin: object.origin.clone(),
            provenance: object.provenance.clone(),
        });
        self.purges.note_softened(&softened.provenance, purged);
        self.memory.exchange(key, object, &softened);
        softened
    }

    /// Whether an object must not be served any more, whatever else could be had.
    pub(super) fn is_gone(&self, object: &Object) -> bool {
        matches!(self.purges.judge(&object.provenance), Verdict::Gone(_))
    }

    pub(super) fn is_current(&self, object: &Object) -> bool {
        self.purges.judge(&object.provenance) == Verdict::Current
    }

    /// Whether requests that come now may have what a fill brings. Its tags are known with its head: who waited for that
    /// looks again then.
    pub(super) fn is_of_use(&self, fill: &Fill) -> bool {
        match fill.shared() {
            Some(object) => self.is_current(&object),
            None => self.purges.judge(&fill.asked) == Verdict::Current,
        }
    }

    /// The fill of this key that a request may join.
    pub(super) fn fill_of(&self, key: &FullKey) -> Option<Arc<Fill>> {
        self.fills.get(key).filter(|fill| self.is_of_use(fill))
    }

    /// What is stored, if this request may have it although it is stale, because the origin failed.
    pub(super) fn usable_stale(
        &self,
        lookup: &Lookup<'_>,
        stored: Option<&Arc<Object>>,
        failure: OriginFailure,
    ) -> Option<Arc<Object>> {
        let stored = stored.filter(|stored| !self.is_gone(stored))?;
        may_serve_stale_on_error(lookup.facts, &stored.meta, failure, clock::now(), lookup.policy)
            .then(|| Arc::clone(stored))
    }
}
