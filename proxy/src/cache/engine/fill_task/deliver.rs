//! From the head of a response to the end of its body: to everyone, or to one.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use super::super::body::{Body, Retention};
use super::super::disk::site_tag;
use super::super::explanation::NotStoredNote;
use super::super::fetch::FetchRequest;
use super::super::fills::{Head, Others};
use super::super::object::Object;
use super::super::recollection::Mark;
use super::super::slices::Part;
use super::arrival::Arrival;
use super::in_slices::whole;
use super::interest::Interest;
use super::response::{Response, no_times};
use super::{FillTask, Starter};
use crate::cache::key::CacheKey;
use crate::cache::purge::{Provenance, Tags, tags_of, withhold_tags};
use crate::cache::rules::arrival::{Subject, is_personal, supersedes};
use crate::cache::rules::decide::{OriginFailure, StoredMeta};
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::no_vary_search::NO_VARY_SEARCH;
use crate::cache::rules::storability::NotStored;
use crate::cache::rules::{hop_by_hop, stored_fields, trailers};
use crate::telemetry::FillOutcome;

/// Window of a fill for which no memory is left within the budget: enough to stream at a good rate, little enough that
/// the largest number of fills stays bearable.
const SMALL_WINDOW: usize = 128 * 1024;

/// What came of writing a body.
enum Written {
    Whole { kept: bool, length: u64 },
    Abandoned,
    Broken,
}

impl<R: FetchRequest> FillTask<'_, R> {
    /// A response that may be stored: everyone reads it while it arrives.
    pub(super) async fn share(&mut self, response: Response, times: StoredTimes, arrival: Arrival) {
        let length = arrival.length;
        if let Some(beginning) = self.begin_with_whole(&response, length) {
            let part = Part { arrival, range: whole(&beginning) };
            return self.share_in_slices(response, times, beginning, part).await;
        }
        let kept = self.keep(&response, length);
        let keeps = kept.is_ok();
        let body = if keeps { Body::growing() } else { Body::windowed(self.window(), Retention::WhileThereIsRoom) };
        body.deposit.belongs_to(site_tag(self.order.request.site()));
        self.guard.body = Some(Arc::clone(&body));
        let mut fields = response.fields;
        let tags = self.tags(&fields);
        let withheld = stored_fields::prepare(&mut fields, response.response_time, &self.order.policy);
        drop_odd_length(&mut fields, length);
        let mut meta = StoredMeta::new(response.status, fields, times, length);
        meta.at_live_edge = self.engine.live.is_at_edge(&self.guard.key.primary);
        self.announce_variant(&meta);
        let provenance = self.provenance(&meta, tags);
        let (origin, shared) = (response.origin, Arc::clone(&body));
        let object = Arc::new(Object { meta, body: shared, not_stored: None, origin, provenance });
        self.keep_own(&object, withheld);
        self.fill.publish(Head::Ready { object: Arc::clone(&object), revalidated: false, stored: kept });
        let written = self.write(&body, arrival, keeps).await;
        if length.is_none() && kept == Err(NotStored::TooLarge) {
            self.learn_size(&written);
        }
        self.close(written, &object);
    }

    /// What was taken to be too large, without having said so, may not be any more: then the next one is stored.
    fn learn_size(&self, written: &Written) {
        let Written::Whole { length, .. } = written else { return };
        if self.engine.fits(Some(*length)) {
            self.engine.recollection.forget_size(&self.guard.key, &self.fill.asked.key);
        } else {
            self.note_not_stored(NotStored::TooLarge, StatusCode::OK);
        }
    }

    /// Keeps the fields that are for one client alone, with a form of the response that has them, for the request that
    /// the response was fetched with.
    pub(super) fn keep_own(&self, shared: &Object, withheld: HeaderMap) {
        if withheld.is_empty() || self.order.starter != Starter::Waits {
            return;
        }
        let mut meta = shared.meta.clone();
        for (name, value) in &withheld {
            meta.headers.append(name, value.clone());
        }
        let (body, origin) = (Arc::clone(&shared.body), shared.origin.clone());
        let (not_stored, provenance) = (shared.not_stored, shared.provenance.clone());
        self.fill.keep_own(Arc::new(Object { meta, body, not_stored, origin, provenance }));
    }

    /// Keeps the body, or says why not. Memory for a declared length is reserved, any other reserves as it grows.
    fn keep(&mut self, response: &Response, length: Option<u64>) -> Result<(), NotStored> {
        // What has no length is taken to be as large as it was. It is found out at its end if it is not any more.
        let outgrows = length.is_none() && self.engine.recollection.was_too_large(&self.fill.asked.key);
        let why = match () {
            // A body that only the end of the connection ends may be short without anyone noticing.
            () if response.close_delimited => NotStored::CloseDelimited,
            () if outgrows || !self.engine.fits(length) => NotStored::TooLarge,
            () if !self.guard.reserved.grow(length.unwrap_or(0)) => NotStored::NoMemory,
            () => return Ok(()),
        };
        if why != NotStored::NoMemory {
            self.mark(Mark::Oversize);
        }
        if !outgrows {
            self.note_not_stored(why, response.status);
        }
        Err(why)
    }

    /// Remembers for operators why a response was not stored.
    pub(super) fn note_not_stored(&self, why: NotStored, status: StatusCode) {
        let note = NotStoredNote { why, status, at: SystemTime::now() };
        self.engine.recollection.note_not_stored(&self.fill.asked.key, note);
    }

    /// Requests for the variant that this response is find the fill from now on, and others start their own.
    pub(super) fn announce_variant(&mut self, meta: &StoredMeta) {
        if !self.engine.is_of_use(self.fill) {
            return;
        }
        let primary = self.primary(meta);
        let place = self.engine.memory.place(&primary, &meta.vary, &self.fill.request_fields);
        // In this order: who learns the rule must find the fill.
        self.guard.also_for(&place.key);
        self.engine.memory.learn(&place);
    }

    /// A response that may not be shared goes to the request it was fetched with, through a window.
    pub(super) async fn hand_over(&mut self, response: Response, why: NotStored, arrival: Arrival) {
        self.mark_unshareable(response.status);
        self.note_not_stored(why, response.status);
        let personal = is_personal(&self.order.facts, &self.fill.request_fields, &self.order.policy);
        if self.order.stale.is_some() && supersedes(response.status, why, personal) {
            self.engine.memory.remove(&self.guard.key);
        }
        self.guard.withdraw();
        self.guard.outcome = FillOutcome::Uncacheable;
        let others = match Subject::of(response.status) {
            Subject::Request => Others::LookAgain,
            Subject::Resource | Subject::Origin => Others::Pass,
        };
        if self.order.starter != Starter::Waits {
            if others == Others::LookAgain {
                // What is stale goes on to be served, and whoever is served starts the next renewal.
                let failure = OriginFailure::Status(response.status);
                self.engine.recollection.note_failure(&self.guard.key, failure);
            }
            return self.fill.publish(Head::Unshared(others)); // nobody may read it
        }
        let body = Body::windowed(self.window(), Retention::UntilRead);
        self.guard.body = Some(Arc::clone(&body));
        let length = arrival.length;
        let mut fields = response.fields;
        hop_by_hop::strip_from_response(&mut fields);
        withhold_tags(&mut fields, &self.order.policy.tags);
        drop_odd_length(&mut fields, length);
        let meta = StoredMeta::new(response.status, fields, no_times(response.response_time), length);
        let (provenance, origin) = (self.provenance(&meta, Tags::default()), response.origin);
        let object = Arc::new(Object { meta, body: Arc::clone(&body), not_stored: Some(why), origin, provenance });
        self.fill.publish_unshared(Arc::clone(&object), others);
        let written = self.write(&body, arrival, false).await;
        self.close(written, &object);
    }

    /// Spares the next burst from waiting in line for a response that none of them may have. An error of the origin
    /// says nothing about what it answers when it is well again, and one of a request nothing about other requests.
    pub(super) fn mark_unshareable(&self, status: StatusCode) {
        if Subject::of(status) == Subject::Resource {
            self.mark(Mark::Unshareable);
        }
    }

    fn mark(&self, mark: Mark) {
        self.engine.recollection.mark(&self.guard.key, self.fill.audience, mark);
    }

    /// Size of the window for this fill's body, as far as memory is left; what it reserved for more is given back.
    fn window(&mut self) -> usize {
        self.guard.reserved.resize(self.engine.bounds.window as u64);
        usize::try_from(self.guard.reserved.bytes()).unwrap_or(usize::MAX).max(SMALL_WINDOW)
    }

    /// Writes the body as it arrives.
    async fn write(&mut self, body: &Body, mut arrival: Arrival, mut keeps: bool) -> Written {
        let mut written = 0_u64;
        let mut interest = self.interest();
        loop {
            let bytes = match arrival.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    body.keep_trailers(arrival.take_trailers().and_then(trailers::admissible));
                    return Written::Whole { kept: keeps, length: written };
                }
                Err(error) => {
                    let key = self.guard.key.primary.without_query();
                    // One line each would be as many as an outage has requests: the metric and the access log tell of them.
                    log::debug!("fill of {key} broke off after {written} bytes: {error}");
                    return Written::Broken;
                }
            };
            let piece = bytes.len() as u64;
            written += piece;
            self.engine.metrics.fills().fetched(piece);
            if keeps && arrival.length.is_none() && !self.still_fits(written, piece) {
                keeps = false;
                body.become_window(self.window());
            }
            if body.write(bytes).await.is_err() {
                return Written::Abandoned;
            }
            let wanted = keeps && self.may_be_ahead(body, written, arrival.length, &mut interest);
            if keeps && (!wanted || interest.is_lost(body.is_read(), written, arrival.length, Instant::now())) {
                self.guard.withdraw(); // from now on nobody can join any more
                if body.give_up() {
                    return Written::Abandoned;
                }
            }
        }
    }

    /// Whether a fill that nobody asked for may have so many bytes; one that somebody reads is no such fill any more.
    fn may_be_ahead(&mut self, body: &Body, written: u64, length: Option<u64>, interest: &mut Interest) -> bool {
        let Some(ahead) = &mut self.guard.ahead else { return true };
        if body.is_read() {
            self.guard.ahead = None;
            *interest = Interest::Readers { unread: None };
            return true;
        }
        ahead.grow_to(length.unwrap_or(written))
    }

    fn interest(&self) -> Interest {
        match self.order.starter {
            Starter::Waits => Interest::Readers { unread: None },
            Starter::Background | Starter::Ahead => Interest::Ordered,
        }
    }

    fn still_fits(&mut self, written: u64, piece: u64) -> bool {
        if !self.engine.fits(Some(written)) {
            self.mark(Mark::Oversize);
            self.note_not_stored(NotStored::TooLarge, StatusCode::OK);
            return false;
        }
        self.guard.reserved.grow(piece)
    }

    fn close(&mut self, written: Written, object: &Arc<Object>) {
        self.guard.outcome = match (written, object.not_stored) {
            (Written::Whole { kept: true, .. }, _) => {
                object.body.finish();
                let meta = StoredMeta { body_length: object.body.length(), ..object.meta.clone() };
                let (body, origin) = (Arc::clone(&object.body), object.origin.clone());
                let provenance = object.provenance.clone();
                let object = self.finalized(Object { meta, body, not_stored: None, origin, provenance });
                self.store(Arc::clone(&object));
                self.learn(&object);
                FillOutcome::Stored
            }
            (Written::Whole { kept: false, .. }, not_stored) => {
                // First: who has all of it and asks again must not be given what may have been cut.
                self.guard.withdraw();
                object.body.finish();
                if not_stored.is_some() { FillOutcome::Uncacheable } else { FillOutcome::Streamed }
            }
            (Written::Abandoned, _) => FillOutcome::Abandoned,
            (Written::Broken, _) => {
                self.note_not_stored(NotStored::Incomplete, object.meta.status);
                FillOutcome::Broken
            }
        };
    }

    /// Stores, unless it was purged meanwhile. One that comes in between is seen by who finds it.
    pub(super) fn store(&self, object: Arc<Object>) {
        if self.engine.is_gone(&object) {
            return;
        }
        let primary = self.primary(&object.meta);
        if !self.engine.is_current(&object) && self.may_be_older_than_stored(&primary, &object) {
            return;
        }
        if let Some(beneath) = self.engine.memory.beneath()
            && self.order.policy.key.no_vary_search
            && (object.meta.headers.contains_key(NO_VARY_SEARCH) || object.meta.status.is_success())
        {
            beneath.keep_search_rule(&primary, &object);
        }
        self.engine.memory.store(&primary, &self.fill.request_fields, object);
    }

    /// Whether a fill that began later, and did not join this one as something was purged in between, may have come to its
    /// end before. What is on disk alone goes: nobody can say here which of the two is the older one.
    fn may_be_older_than_stored(&self, primary: &CacheKey, object: &Object) -> bool {
        let found = self.engine.memory.find(primary, &self.fill.request_fields);
        match found.object {
            Some(stored) => stored.provenance.born > object.provenance.born,
            None => self.engine.memory.forget_on_disk_alone(&found.key),
        }
    }

    /// The tags in these fields.
    pub(super) fn tags(&self, fields: &HeaderMap) -> Tags {
        let tags = tags_of(&self.engine.purges, fields, &self.order.policy.tags).unwrap_or_default();
        if tags == Tags::All {
            self.engine.metrics.purges().has_all_tags();
        }
        tags
    }

    /// What purges look at of a response of this fill.
    pub(super) fn provenance(&self, meta: &StoredMeta, tags: Tags) -> Provenance {
        Provenance::new(self.primary(meta), self.fill.asked.born, tags)
    }

    /// The key that a response belongs under: that of the request, or one that it shares with others by what the
    /// response itself says (`No-Vary-Search`).
    pub(super) fn primary(&self, meta: &StoredMeta) -> CacheKey {
        let asked = &self.fill.asked;
        if !self.order.policy.key.no_vary_search {
            return asked.key.clone();
        }
        self.engine.search_rules.place(&asked.key, &meta.headers, meta.status.is_success())
    }
}

/// A length that is none must not reach a client: it would frame the body by it.
fn drop_odd_length(fields: &mut HeaderMap, length: Option<u64>) {
    if length.is_none() {
        fields.remove(header::CONTENT_LENGTH);
    }
}
