//! One fill: fetches a response, says what it is, writes its body, stores it.
//!
//! A fill belongs to no client: it runs on a runtime of its own and every client, the first included, only
//! reads. However it ends (also by a panic), nobody is left waiting and no short body ends cleanly.

mod arrival;
mod deliver;
mod guard;
mod held;
mod in_slices;
mod interest;
mod refetch;
mod response;
mod resumption;
mod revalidate;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use tidegate_config::model::CachePolicy;

use super::CacheEngine;
use super::answer::Lookup;
use super::appraisal::{Appraisal, Told};
use super::clock;
use super::fetch::{FetchError, FetchRequest};
use super::fills::{Fill, Head};
use super::object::Object;
use crate::cache::rules::arrival::{Arrived, Fetched, judge};
use crate::cache::rules::conditional::add_validation;
use crate::cache::rules::decide::{OriginFailure, may_serve_stale_on_error};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::request_facts::{CacheMethod, RequestFacts};
use crate::cache::rules::slicing::PartAsked;
use crate::cache::rules::storability::NotStored;

pub(super) use arrival::Arrival;
pub(super) use guard::Guard;
pub(super) use response::Response;

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// Whether someone waits who may have a response that may not be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starter {
    /// The request that started the fill waits for it.
    Waits,
    /// The fill renews something that was served stale.
    Background,
    /// Somebody may ask for it soon.
    Ahead,
}

/// What a fill is about.
pub(super) struct FillOrder<R> {
    request: R,
    facts: RequestFacts,
    policy: Arc<CachePolicy>,
    stale: Option<Arc<Object>>,
    path: Arc<str>,
    starter: Starter,
    /// The part of a large object that the request wants.
    part: Option<PartAsked>,
}

impl<R> FillOrder<R> {
    pub(super) fn new(lookup: &Lookup<'_>, request: R, stale: Option<Arc<Object>>, starter: Starter) -> Self {
        let (policy, path) = (Arc::clone(lookup.policy), Arc::from(lookup.path));
        let slices = policy.slices.filter(|_| lookup.facts.range && lookup.facts.method == CacheMethod::Get);
        let part = slices.and_then(|rules| PartAsked::covering(lookup.fields, &rules));
        Self { request, facts: facts_of_fill(lookup.facts), policy, stale, path, starter, part }
    }
}

/// A fill is a GET for the whole, whatever it was that started it (also a HEAD, where something stale is renewed),
/// and asks in everybody's name: what the client wished for itself is matched where the client waits.
pub(super) fn facts_of_fill(client: &RequestFacts) -> RequestFacts {
    RequestFacts {
        method: CacheMethod::Get,
        directives: RequestDirectives::default(),
        range: false,
        conditional: false,
        ..*client
    }
}

/// Runs a fill to its end.
pub(super) async fn run<R: FetchRequest>(mut guard: Guard<R>, order: FillOrder<R>) {
    let (engine, fill) = (Arc::clone(&guard.engine), Arc::clone(&guard.fill));
    guard.ahead = (order.starter == Starter::Ahead).then(|| engine.budget.ahead_of(order.request.site()));
    let mut task = FillTask { engine: &engine, fill: &fill, order: &order, guard: &mut guard };
    task.run().await;
}

struct FillTask<'a, R: FetchRequest> {
    engine: &'a Arc<CacheEngine<R>>,
    fill: &'a Arc<Fill>,
    order: &'a FillOrder<R>,
    guard: &'a mut Guard<R>,
}

impl<R: FetchRequest> FillTask<'_, R> {
    async fn run(&mut self) {
        let (request, validates, part) = self.request();
        match self.receive(request).await {
            Ok((response, _)) if validates && response.status == StatusCode::NOT_MODIFIED => {
                self.not_modified(response).await;
            }
            Ok((response, arrival)) => match part {
                Some(part) => self.respond_to_part(part, response, arrival).await,
                None => self.respond(response, arrival).await,
            },
            Err(error) => self.fail(OriginFailure::Unreachable, error),
        }
    }

    /// What is sent: conditional when something stale is there to validate, and for a part where that is enough.
    fn request(&self) -> (R, bool, Option<PartAsked>) {
        let mut fields = self.order.request.fields().clone();
        // Purged between the look at it and the beginning of this fill, it must not be confirmed as of now.
        let stale = self.order.stale.as_ref().filter(|stale| !self.engine.is_gone(stale));
        let validates = stale.is_some_and(|stale| add_validation(&mut fields, &stale.meta.headers));
        let part = self.part_asked();
        if let Some(part) = part {
            fields.insert(header::RANGE, part.to_range());
        }
        (self.order.request.with_fields(fields), validates, part)
    }

    async fn refetch(&mut self) {
        match self.receive(self.order.request.clone()).await {
            Ok((response, arrival)) => self.respond(response, arrival).await,
            Err(error) => self.fail(OriginFailure::Unreachable, error),
        }
    }

    /// A response with a body of its own.
    async fn respond(&mut self, response: Response, mut arrival: Arrival) {
        let status = response.status;
        match judge(&self.fetched(), status, clock::now()) {
            Arrived::ForOne(why) => return self.hand_over(response, why, arrival).await,
            Arrived::Failure(failure) => {
                let reason = format!("the origin answered {}", status.as_u16());
                return self.fail(failure, FetchError { status, reason });
            }
            Arrived::Unasked => {
                let reason = format!("the origin answered {} to a plain GET", status.as_u16());
                return self.fail(OriginFailure::Unreachable, FetchError::bad_gateway(reason));
            }
            // What is stale stands in at once, before anything is tried again.
            Arrived::Response { first_piece_first: true } if let Err(error) = arrival.fetch_first().await => {
                return self.fail(OriginFailure::Unreachable, error);
            }
            Arrived::Response { .. } => {}
        }
        let refetch = self.engine.refetch(&self.order.request);
        arrival.resume_by(status, &response.fields, response.origin.as_ref(), refetch);
        if self.may_be_a_fragment(&response)
            && let Err(error) = arrival.fetch_first().await
        {
            return self.fail(OriginFailure::Unreachable, error);
        }
        match self.assess(&response, arrival.first.as_ref()) {
            Ok(times) => self.share(response, times, arrival).await,
            Err(why) => self.hand_over(response, why, arrival).await,
        }
    }

    fn stale_may_stand_in(&self, failure: OriginFailure) -> bool {
        self.order.stale.as_ref().is_some_and(|stale| {
            may_serve_stale_on_error(&self.order.facts, &stale.meta, failure, clock::now(), &self.order.policy)
                && !self.engine.is_gone(stale)
        })
    }

    fn fetched(&self) -> Fetched<'_> {
        let names_its_way = self.order.request.fields().contains_key(CDN_LOOP);
        let stored = self.order.stale.as_ref().map(|stale| &stale.meta);
        Fetched { request: &self.order.facts, names_its_way, stored, policy: &self.order.policy }
    }

    /// Tells the waiters of a fetch that gave no usable response. Each decides whether it may have what is stale.
    fn fail(&mut self, failure: OriginFailure, error: FetchError) {
        log::debug!("fill of {} failed: {error}", self.guard.key.primary.without_query());
        self.note_not_stored(NotStored::FetchFailed, error.status);
        let stale = self.order.stale.clone();
        if stale.is_some() {
            self.engine.recollection.note_failure(&self.guard.key, failure);
        }
        self.guard.withdraw(); // who hears of it and asks again gets a fill of its own
        self.fill.publish(Head::Failed { error, failure, stale });
    }

    fn appraisal(&self) -> Appraisal<'_> {
        Appraisal { facts: &self.order.facts, policy: &self.order.policy, path: &self.order.path }
    }

    fn assess(&self, response: &Response, first: Option<&Bytes>) -> Result<StoredTimes, NotStored> {
        let Response { status, fields, response_time, .. } = response;
        let request_time = self.request_time(response);
        let told = Told { status: *status, fields, request_time, response_time: *response_time };
        self.appraisal().assess(&told, first).map(|times| self.held_times(times, *status))
    }

    /// Looks into a complete playlist for how long it stays fresh.
    fn finalized(&self, object: Object) -> Arc<Object> {
        Arc::new(self.reloaded(self.appraisal().finalized(object)))
    }
}
