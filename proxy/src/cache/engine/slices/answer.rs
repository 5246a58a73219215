//! From a stored object in slices to an answer: what the request reads first is there before the answer is given.
//!
//! So a version that is gone is noticed before a byte has left, and the request looks again; and what an origin's failure
//! means is said by a status.

use std::sync::Arc;

use super::super::answer::{Answer, Lookup, Outcome, Passage};
use super::super::fetch::{FetchError, FetchRequest};
use super::super::object::Object;
use super::super::{CacheEngine, too_many_fills};
use super::Fetching;
use super::reader::Hindrance;
use crate::cache::rules::conditional::{Verdict, evaluate};
use crate::cache::rules::decide::FetchReason;
use crate::cache::rules::range::{ByteRange, RangeRequest, Resolved};
use crate::cache::rules::request_facts::CacheMethod;

impl<R: FetchRequest> CacheEngine<R> {
    /// Makes an answer from slices one that can be read. `None` when its version is gone: look again.
    pub(in crate::cache::engine) async fn with_slices(
        self: &Arc<Self>,
        lookup: &Lookup<'_>,
        answer: Answer,
        make_request: &(impl Fn() -> R + Sync),
    ) -> Option<Answer> {
        let Answer::Object { object, mut reader, outcome } = answer else { return Some(answer) };
        let Some(sliced) = reader.in_slices() else { return Some(Answer::Object { object, reader, outcome }) };
        if !lookup.may_fill {
            return Some(Answer::Pass(Passage::OtherSpelling));
        }
        let key = self.look(lookup).await.found.key;
        sliced.fetch_by(Arc::new(Fetching::new(self, lookup, key, make_request())));
        let Some(range) = first_read(lookup, &object) else { return Some(Answer::Object { object, reader, outcome }) };
        let complete = object.body.in_slices().is_some_and(|sliced| sliced.has(range));
        sliced.move_to(range.start);
        sliced.read_until(range.end);
        match sliced.ready().await {
            Ok(()) => {
                let collapsed = sliced.sources.joined && !sliced.sources.fetched;
                let outcome = if complete { outcome } else { partial(outcome, collapsed) };
                Some(Answer::Object { object, reader, outcome })
            }
            Err(_) if sliced.is_gone() => None,
            Err(_) if sliced.hindrance == Some(Hindrance::Fills) => Some(Answer::Failed(too_many_fills())),
            // It gets the origin's own answer.
            Err(_) if sliced.hindrance == Some(Hindrance::Refusal) => Some(Answer::Pass(Passage::Unshareable)),
            // What passes is held by nobody.
            Err(_) if sliced.hindrance == Some(Hindrance::Memory) => Some(Answer::Pass(Passage::Oversize)),
            Err(error) => Some(Answer::Failed(FetchError::bad_gateway(error.to_string()))),
        }
    }
}

/// The bytes that the request reads before all others; nothing when it reads none.
pub(in crate::cache::engine) fn first_read(lookup: &Lookup<'_>, object: &Object) -> Option<ByteRange> {
    let meta = &object.meta;
    let total = meta.body_length?;
    if lookup.facts.method != CacheMethod::Get
        || evaluate(lookup.fields, meta.status, &meta.validators()) != Verdict::Full
    {
        return None;
    }
    match RangeRequest::parse(lookup.fields, meta.etag.as_ref()).resolve(Some(total)) {
        Resolved::Whole | Resolved::NeedsLength => Some(ByteRange { start: 0, end: total }),
        Resolved::Single(range) => Some(range),
        Resolved::Multi(ranges) => ranges.first().copied(),
        Resolved::Unsatisfiable => None,
    }
}

/// A hit of which something had to be fetched is none (RFC 9211 section 2.2, `partial`).
fn partial(outcome: Outcome, collapsed: bool) -> Outcome {
    match outcome {
        Outcome::Hit | Outcome::HitOnDisk => Outcome::Miss { reason: FetchReason::Partial, collapsed, stored: Ok(()) },
        other => other,
    }
}
