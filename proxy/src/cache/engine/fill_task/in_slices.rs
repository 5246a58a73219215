//! From the head of a response to an object in slices.
//!
//! Owns which responses become one, and what an answer to a request for a part means. What fills the slices then is
//! [`super::super::slices`]'s.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{HeaderValue, StatusCode, header};

use super::super::body::Body;
use super::super::disk::site_tag;
use super::super::fetch::FetchRequest;
use super::super::fills::{Head, Others};
use super::super::object::Object;
use super::super::slices::{Fetching, Part, Run, Sliced};
use super::arrival::Arrival;
use super::response::Response;
use super::{FillTask, Starter};
use crate::cache::rules::decide::{OriginFailure, StoredMeta};
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::range::ByteRange;
use crate::cache::rules::slicing::{Layout, PartAsked, is_possible_length, unsatisfied_total};
use crate::cache::rules::stored_fields;
use crate::telemetry::FillOutcome;

/// An object in slices that has just come to be, and the run that fills it first.
pub(super) struct Beginning {
    total: u64,
    run: Run,
}

impl<R: FetchRequest> FillTask<'_, R> {
    /// The part that is asked for: where the request wants one, and what is stored, if anything, is in slices.
    pub(super) fn part_asked(&self) -> Option<PartAsked> {
        let whole = self.order.stale.as_ref().is_some_and(|stale| stale.body.in_slices().is_none());
        self.order.part.filter(|_| !whole && !self.engine.recollection.has_no_parts(&self.guard.key))
    }

    /// What comes in answer to a request for a part.
    pub(super) async fn respond_to_part(&mut self, asked: PartAsked, response: Response, arrival: Arrival) {
        match response.status {
            StatusCode::PARTIAL_CONTENT => self.part(asked, response, arrival).await,
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let total = unsatisfied_total(response.status, &response.fields);
                if total.is_some_and(|total| !self.is_large(total)) {
                    // Small enough to be fetched whole, which then answers this request and the next ones.
                    drop(arrival);
                    return self.refetch().await;
                }
                self.let_everyone_ask();
            }
            status => {
                if status == StatusCode::OK {
                    self.engine.recollection.note_no_parts(&self.guard.key);
                }
                self.respond(response, arrival).await;
            }
        }
    }

    async fn part(&mut self, asked: PartAsked, mut response: Response, mut arrival: Arrival) {
        let etag = EntityTag::from_headers(&response.fields).filter(EntityTag::is_strong);
        let Some((range, total)) = asked.answered(response.status, &response.fields) else {
            return self.ask_plainly(arrival).await;
        };
        let complete = range.start == 0 && range.end == total;
        let usable = if complete { arrival.length.is_some() } else { self.is_large(total) && etag.is_some() };
        if !usable {
            return self.ask_plainly(arrival).await;
        }
        let refetch = self.engine.refetch(&self.order.request);
        arrival.resume_by(response.status, &response.fields, response.origin.as_ref(), refetch);
        // From here on it is a response of the whole (RFC 9111 section 3.4), of which this part arrives.
        response.status = StatusCode::OK;
        response.fields.remove(header::CONTENT_RANGE);
        response.fields.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
        if complete {
            return self.respond(response, arrival).await;
        }
        if self.stale_may_stand_in(OriginFailure::Unreachable)
            && let Err(error) = arrival.fetch_first().await
        {
            return self.fail(OriginFailure::Unreachable, error);
        }
        let first = arrival.first.as_ref().filter(|_| range.start == 0);
        let Ok(times) = self.assess(&response, first) else {
            self.mark_unshareable(response.status);
            return self.let_everyone_ask();
        };
        let (committed, goal) = match asked {
            PartAsked::From { end, committed, .. } => (committed, end.map_or(total, |end| end.min(total))),
            PartAsked::Suffix(_) => (total, total),
        };
        match self.begin(&response, total, range.start, committed, goal) {
            Some(beginning) => self.share_in_slices(response, times, beginning, Part { arrival, range }).await,
            None => self.let_everyone_ask(),
        }
    }

    /// The origin gives no parts that could be put together: the whole is fetched, and no part asked for, for a while.
    async fn ask_plainly(&mut self, arrival: Arrival) {
        drop(arrival);
        self.engine.recollection.note_no_parts(&self.guard.key);
        self.refetch().await;
    }

    /// What came answers nobody who waits: each of them goes to the origin with the range that it wants.
    fn let_everyone_ask(&mut self) {
        self.guard.outcome = FillOutcome::Uncacheable;
        self.guard.withdraw();
        self.fill.publish(Head::Unshared(Others::Pass));
    }

    fn is_large(&self, total: u64) -> bool {
        self.order.policy.slices.is_some_and(|rules| total > rules.threshold.0) && is_possible_length(total)
    }

    /// Begins an object in slices with a whole response, if it is to be one: large, with a strong entity tag, of an origin
    /// that may give parts of it later.
    pub(super) fn begin_with_whole(&mut self, response: &Response, length: Option<u64>) -> Option<Beginning> {
        let total = length.filter(|total| self.is_large(*total))?;
        let refuses = response.fields.get_all(header::ACCEPT_RANGES).iter().any(|value| value == "none");
        let fit = response.status == StatusCode::OK && !response.close_delimited && !refuses;
        if !fit || self.engine.recollection.has_no_parts(&self.guard.key) {
            return None;
        }
        self.begin(response, total, 0, 0, total)
    }

    /// An object in slices of which the bytes from `start` on arrive; nothing when there is no memory for a slice. All
    /// slices before `committed` are filled whoever reads.
    fn begin(&mut self, response: &Response, total: u64, start: u64, committed: u64, goal: u64) -> Option<Beginning> {
        let committed = committed.max(self.committed_ahead(start, goal));
        let rules = self.order.policy.slices?;
        let etag = EntityTag::from_headers(&response.fields).filter(EntityTag::is_strong)?;
        let layout = Layout::new(rules.size.0, total);
        let shelf = self.engine.memory.shelf(&self.guard.key.primary);
        let coding = response.fields.get(header::CONTENT_ENCODING).cloned();
        let (fields, budget) = (self.order.request.fields().clone(), Arc::clone(&self.engine.budget));
        let sliced = Sliced::new(layout, etag, coding, fields, shelf, budget);
        let run = sliced.begin(layout.first_from(start), layout.first_from(committed), goal)?;
        if self.order.starter != Starter::Waits {
            sliced.expect_nobody();
        }
        Some(Beginning { total, run })
    }

    /// Up to where slices are filled that nobody has asked for yet: all that was to be fetched ahead, where that is no more
    /// than a segment may have; else whoever comes has what is behind the first slice fetched.
    fn committed_ahead(&mut self, start: u64, goal: u64) -> u64 {
        let length = goal.saturating_sub(start);
        let may = self.guard.ahead.as_mut().is_some_and(|ahead| ahead.grow_to(length));
        if may { goal } else { start }
    }

    /// Everyone reads slices from now on, and this fill is the first run that fills them.
    pub(super) async fn share_in_slices(
        &mut self,
        response: Response,
        times: StoredTimes,
        beginning: Beginning,
        part: Part,
    ) {
        let Beginning { total, run } = beginning;
        let mut fields = response.fields;
        let tags = self.tags(&fields);
        let withheld = stored_fields::prepare(&mut fields, response.response_time, &self.order.policy);
        let meta = StoredMeta::new(response.status, fields, times, Some(total));
        self.announce_variant(&meta);
        let key = self.engine.memory.place(&self.primary(&meta), &meta.vary, &self.fill.request_fields).key;
        let body = Body::sliced(Arc::clone(run.sliced()));
        body.deposit.belongs_to(site_tag(self.order.request.site()));
        let provenance = self.provenance(&meta, tags);
        let object = Arc::new(Object { meta, body, not_stored: None, origin: response.origin, provenance });
        self.keep_own(&object, withheld);
        self.store(Arc::clone(&object));
        self.fill.publish(Head::Ready { object, revalidated: false, stored: Ok(()) });
        self.guard.withdraw(); // from now on it is found stored
        let fetching = Fetching {
            engine: Arc::clone(self.engine),
            request: self.order.request.clone(),
            key,
            facts: self.order.facts,
            policy: Arc::clone(&self.order.policy),
            path: Arc::clone(&self.order.path),
            refused: AtomicBool::default(),
        };
        self.guard.outcome = Arc::new(fetching).fill(run, part).await;
    }
}

/// The bytes of a whole response.
pub(super) fn whole(beginning: &Beginning) -> ByteRange {
    ByteRange { start: 0, end: beginning.total }
}
