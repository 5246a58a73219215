//! From a request to its answer: what is stored, or a fill that is joined or started, and what that brings.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::answer::{Answer, Lookup, Outcome, Passage};
use super::clock;
use super::disk::Looked;
use super::fetch::FetchRequest;
use super::fill_task::Starter;
use super::interim::{Hearing, InterimHead};
use super::live::too_many_waiters;
use super::memory::FullKey;
use super::object::Object;
use super::recollection::Mark;
use super::waiting::{Heard, Waiting};
use super::{CacheEngine, Joined};
use crate::cache::rules::conditional::is_wanted_version;
use crate::cache::rules::decide::{
    Decision, FetchReason, Freshness, OriginFailure, WhyStale, decide, decide_other_version,
};
use crate::cache::rules::request_facts::CacheMethod;

/// How often a request whose variant turned out another one goes on to that variant's fill before it passes.
pub(super) const MAX_HOPS: usize = 3;

impl<R: FetchRequest> CacheEngine<R> {
    /// Answers a request that the route lets the cache see, and that is told no interim responses. `make_request` builds
    /// what a fill would send.
    pub async fn answer(self: &Arc<Self>, lookup: &Lookup<'_>, make_request: impl Fn() -> R + Sync) -> Answer {
        let mut hearing = Hearing::of_none();
        loop {
            if let ControlFlow::Break(answer) = self.go_on(lookup, &make_request, &mut hearing).await {
                return answer;
            }
        }
    }

    /// Answers a request, or comes back with interim responses (RFC 9110 section 15.2) that it is to get before: call it
    /// again then, with the same lookup. `hearing` says which it has had, and where it waits.
    pub async fn go_on(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        make_request: &(impl Fn() -> R + Sync),
        hearing: &mut Hearing,
    ) -> ControlFlow<Answer, Vec<InterimHead>> {
        for _ in 0..MAX_HOPS {
            let found = match self.find_or_fetch(lookup, make_request, hearing).await {
                ControlFlow::Break(found) => found,
                interim => return interim,
            };
            let answer = of_wanted_version(lookup, found);
            if let Some(answer) = self.with_slices(lookup, answer, make_request).await {
                return ControlFlow::Break(answer);
            }
        }
        ControlFlow::Break(Answer::Pass(Passage::Late))
    }

    /// What is stored, or what a fill brings; or what comes before that.
    async fn find_or_fetch(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        make_request: &(impl Fn() -> R + Sync),
        hearing: &mut Hearing,
    ) -> ControlFlow<Answer, Vec<InterimHead>> {
        for _ in 0..MAX_HOPS {
            let waiting = match hearing.waiting.take() {
                Some(waiting) => waiting,
                None => {
                    let looked = self.look(lookup).await;
                    match self.find_or_join(lookup, looked, make_request) {
                        Ok(waiting) => waiting,
                        Err(answer) => return ControlFlow::Break(answer),
                    }
                }
            };
            match self.wait_for(lookup, waiting, hearing).await {
                Heard::Interim(heads) => return ControlFlow::Continue(heads),
                Heard::Answer(answer) => return ControlFlow::Break(answer),
                Heard::LookAgain => {}
            }
        }
        ControlFlow::Break(Answer::Pass(Passage::Unshareable))
    }

    /// A fill to wait for, or what answers the request without any.
    fn find_or_join(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        looked: Looked,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Result<Waiting, Answer> {
        let Looked { found, hit } = looked;
        let stored = found.object.as_ref().map(|object| &object.meta);
        let decision = decide(lookup.facts, stored, clock::now(), lookup.policy);
        let (reason, stored) = match (decision, found.object) {
            (Decision::Pass(reason), _) => return Err(Answer::Pass(Passage::Rule(reason))),
            (Decision::GatewayTimeout, _) => return Err(Answer::GatewayTimeout),
            (Decision::Serve(Freshness::Fresh), Some(object)) => return Err(Answer::served(object, hit)),
            (Decision::Serve(Freshness::StaleAccepted), Some(object)) => {
                return Err(Answer::served(object, Outcome::Stale(WhyStale::Accepted)));
            }
            (Decision::Serve(Freshness::StaleMeanwhile), Some(object)) => {
                return Err(Answer::served(object, Outcome::Stale(WhyStale::WhileRevalidate)));
            }
            (Decision::ServeAndRefresh, Some(object)) => {
                if lookup.may_fill {
                    self.refresh(lookup, &found.key, &object, make_request);
                }
                return Err(Answer::served(object, Outcome::Stale(WhyStale::WhileRevalidate)));
            }
            (Decision::Fetch(FetchReason::Miss), _) if found.varies => (FetchReason::OtherVariant, None),
            (Decision::Fetch(reason), stored) => (reason, stored),
            (_, None) => (FetchReason::Miss, None),
        };
        self.join_to_wait(lookup, &found.key, reason, stored, make_request)
    }

    /// Joins the fill of this key or starts one.
    fn join_to_wait(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        key: &FullKey,
        reason: FetchReason,
        stored: Option<Arc<Object>>,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Result<Waiting, Answer> {
        if lookup.facts.method != CacheMethod::Get {
            return Err(Answer::Pass(Passage::Head));
        }
        if !lookup.may_fill {
            return Err(Answer::Pass(Passage::OtherSpelling));
        }
        match self.recollection.marked(key, lookup.audience()) {
            Some(Mark::Unshareable) => return Err(Answer::Pass(Passage::Unshareable)),
            Some(Mark::Oversize) if lookup.facts.range => return Err(Answer::Pass(Passage::Oversize)),
            _ => {}
        }
        if let Some(failure) = self.recollection.recent_failure(key)
            && let Some(stale) = self.usable_stale(lookup, stored.as_ref(), failure)
        {
            return Err(Answer::served(stale, Outcome::Stale(WhyStale::Unasked)));
        }
        let since = self.purges.latest();
        match self.join(lookup, key, stored.as_ref(), Starter::Waits, make_request) {
            Joined::Fill(fill, part) => {
                let place = match fill.held.then(|| self.live.admit_waiter()) {
                    Some(None) => return Err(Answer::Failed(too_many_waiters())),
                    place => place.flatten(),
                };
                Ok(Waiting::new(fill, part, reason, stored, since, place))
            }
            Joined::Settled(object) => Err(Answer::served(object, Outcome::Hit)),
            Joined::Refused(why) => Err(match self.usable_stale(lookup, stored.as_ref(), OriginFailure::Unreachable) {
                Some(stale) => Answer::served(stale, Outcome::Stale(WhyStale::Unasked)),
                None => Answer::Failed(why),
            }),
        }
    }
}

/// The answer, unless the request is about another version than that of it.
fn of_wanted_version(lookup: &Lookup<'_>, answer: Answer) -> Answer {
    let Answer::Object { object, .. } = &answer else { return answer };
    let meta = &object.meta;
    if !lookup.facts.conditional || is_wanted_version(lookup.fields, meta.status, &meta.validators()) {
        return answer;
    }
    match decide_other_version(lookup.facts, lookup.policy) {
        Decision::Pass(reason) => Answer::Pass(Passage::Rule(reason)),
        _ => Answer::GatewayTimeout,
    }
}
