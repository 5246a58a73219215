//! Waiting for a fill's head, and what it means for this request.

use std::sync::Arc;

use http::HeaderMap;

use super::CacheEngine;
use super::answer::{Answer, Lookup, Outcome, Passage};
use super::budget::Admission;
use super::clock;
use super::fetch::FetchRequest;
use super::fills::{Fill, Head, News, Others};
use super::interim::{Hearing, InterimHead};
use super::object::Object;
use super::search_rules::is_for;
use crate::cache::purge::Generation;
use crate::cache::rules::decide::{FetchReason, OriginFailure, Part, WhyStale, may_read};
use crate::cache::rules::storability::NotStored;
use crate::cache::rules::vary::VaryRule;

/// A request that waits for a fill.
pub(super) struct Waiting {
    fill: Arc<Fill>,
    part: Part,
    /// Why it does not do with what is stored.
    reason: FetchReason,
    /// What is stored, and stale.
    stored: Option<Arc<Object>>,
    /// The latest purge when it came.
    since: Generation,
    /// Its own among those who wait for what an origin holds back.
    _place: Option<Admission>,
}

impl Waiting {
    pub(super) fn new(
        fill: Arc<Fill>,
        part: Part,
        reason: FetchReason,
        stored: Option<Arc<Object>>,
        since: Generation,
        place: Option<Admission>,
    ) -> Self {
        Self { fill, part, reason, stored, since, _place: place }
    }
}

/// What a request hears that waits.
pub(super) enum Heard {
    /// Interim responses; then it waits on.
    Interim(Vec<InterimHead>),
    /// What answers it.
    Answer(Answer),
    /// What was fetched is not for it.
    LookAgain,
}

impl From<Option<Answer>> for Heard {
    fn from(answer: Option<Answer>) -> Self {
        answer.map_or(Self::LookAgain, Self::Answer)
    }
}

impl<R: FetchRequest> CacheEngine<R> {
    /// Waits for a fill: for its head, or for what comes before.
    pub(super) async fn wait_for(&self, lookup: &Lookup<'_>, waiting: Waiting, hearing: &mut Hearing) -> Heard {
        let guard = self.metrics.fills().wait();
        // Others than the starter do without what precedes the head: nobody knows yet whether they may have that, and
        // anything that their requests differ in may be what the origin has answered.
        let head = match waiting.part {
            Part::Starter if hearing.left > 0 => match waiting.fill.news().await {
                News::Head(head) => head,
                News::Interim(mut heads) => {
                    heads.truncate(hearing.left);
                    hearing.left -= heads.len();
                    hearing.waiting = Some(waiting);
                    return Heard::Interim(heads);
                }
            },
            Part::Starter | Part::Early | Part::Late => waiting.fill.head().await,
        };
        drop(guard);
        let answer = self.answer_by(lookup, &waiting, head);
        answer.map(|answer| self.spared_an_error(lookup, waiting.stored.as_ref(), answer)).into()
    }

    /// Whether it came after something was purged that this turns out to be: only now are its tags known.
    fn is_purged_for(&self, waiting: &Waiting, object: &Object) -> bool {
        let Waiting { fill, part, since, .. } = waiting;
        *part != Part::Starter && *since != fill.asked.born && !self.is_current(object)
    }

    /// What the head of a fill means for a request. `None` when what it fetches is not for this one: look again.
    fn answer_by(&self, lookup: &Lookup<'_>, waiting: &Waiting, head: Head) -> Option<Answer> {
        let Waiting { fill, part, reason, .. } = waiting;
        let (part, reason) = (*part, *reason);
        let collapsed = part != Part::Starter;
        match head {
            Head::Ready { object, revalidated, stored } => {
                if self.is_purged_for(waiting, &object) {
                    return None;
                }
                if let Some(refusal) = not_for(lookup, fill, part, &object) {
                    return refusal.into();
                }
                let object = if part == Part::Starter { fill.take_own().unwrap_or(object) } else { object };
                let outcome = if part == Part::Late && object.body.is_complete() {
                    Outcome::Hit // all but stored: nothing was fetched or waited for
                } else if revalidated {
                    Outcome::Revalidated { collapsed }
                } else {
                    Outcome::Miss { reason, collapsed, stored }
                };
                let answer = Answer::served(object, outcome);
                if answer.is_collapsed() {
                    self.metrics.fills().joined();
                }
                Some(answer)
            }
            Head::Unshared(others) => unshared(lookup, fill, part, others),
            Head::Failed { error, failure, stale } => Some(match self.usable_stale(lookup, stale.as_ref(), failure) {
                Some(stale) => Answer::served(stale, Outcome::Stale(WhyStale::Failed(failure.status()))),
                None => Answer::Failed(error),
            }),
            Head::Pending => Some(Answer::Pass(Passage::Late)),
        }
    }

    /// In place of a server error what is stored, if this client itself accepts that (RFC 5861 section 4): a fill asks in
    /// nobody's name and does not know of it.
    fn spared_an_error(&self, lookup: &Lookup<'_>, stored: Option<&Arc<Object>>, answer: Answer) -> Answer {
        let Answer::Object { object, outcome: Outcome::Miss { .. } | Outcome::Unshared(_), .. } = &answer else {
            return answer;
        };
        let status = object.meta.status;
        // What the origin has just confirmed is not stood in for by itself as it was before.
        let is_other = |stored: &&Arc<Object>| !Arc::ptr_eq(&stored.body, &object.body);
        let stale = stored.filter(is_other).filter(|_| status.is_server_error());
        match self.usable_stale(lookup, stale, OriginFailure::Status(status)) {
            Some(stale) => Answer::served(stale, Outcome::Stale(WhyStale::Failed(Some(status)))),
            None => answer,
        }
    }
}

/// Why a response is not for a request that waited for it.
enum Refusal {
    LookAgain,
    Pass(Passage),
}

impl From<Refusal> for Option<Answer> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::LookAgain => None,
            Refusal::Pass(passage) => Some(Answer::Pass(passage)),
        }
    }
}

fn not_for(lookup: &Lookup<'_>, fill: &Fill, part: Part, object: &Object) -> Option<Refusal> {
    // The starter's own response needs no matching; its fields may differ from the fill's where the fill leaves out
    // ranges and preconditions.
    if part != Part::Starter && !same_variant(&object.meta.vary, &fill.request_fields, lookup.fields) {
        return Some(Refusal::LookAgain);
    }
    if part != Part::Starter && !is_for(&object.meta.headers, &fill.asked.key, lookup.key) {
        return Some(Refusal::LookAgain);
    }
    let now = clock::now();
    if !may_read(lookup.facts, &object.meta, part, now, lookup.policy) {
        return Some(Refusal::Pass(Passage::Unshareable));
    }
    // Of a window only the whole can be had.
    (lookup.facts.range && object.body.is_windowed()).then_some(Refusal::Pass(Passage::Oversize))
}

/// A response that may not be shared goes to the request that it was fetched with, and to no other: it may be about
/// that client's session. The others need not wait in line; but those without Authorization or cookies look again when it
/// was fetched with some, as their own response may well be shareable, and so do all when it found fault with its request.
fn unshared(lookup: &Lookup<'_>, fill: &Fill, part: Part, others: Others) -> Option<Answer> {
    if part == Part::Starter
        && let Some(object) = fill.take_own()
    {
        let why = object.not_stored.unwrap_or(NotStored::NoStore);
        return Some(Answer::served(object, Outcome::Unshared(why)));
    }
    let concerned = others == Others::Pass && fill.audience.speaks_for(lookup.audience());
    concerned.then_some(Answer::Pass(Passage::Unshareable))
}

fn same_variant(rule: &VaryRule, left: &HeaderMap, right: &HeaderMap) -> bool {
    match rule {
        VaryRule::Names(_) => rule.variant_key(left) == rule.variant_key(right),
        VaryRule::None | VaryRule::Any => true,
    }
}
