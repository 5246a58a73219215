//! What becomes of a response that a fill has fetched, before anybody asks whether it may be stored.

use std::time::SystemTime;

use http::StatusCode;
use tidegate_config::model::CachePolicy;

use super::decide::{OriginFailure, StoredMeta, may_serve_stale_on_error};
use super::request_facts::RequestFacts;
use super::storability::NotStored;

/// A fetch whose final head has come.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    /// Facts of the request that was sent.
    pub request: &'a RequestFacts,
    /// Whether that request named the caches that it has come through (RFC 8586).
    pub names_its_way: bool,
    /// What is stored and was to be renewed.
    pub stored: Option<&'a StoredMeta>,
    /// The policy of the route.
    pub policy: &'a CachePolicy,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// It goes to the request that it was fetched with, and to nobody else.
    ForOne(NotStored),
    /// It is an error for which what is stored may stand in, for those who may have it so (RFC 5861 section 4).
    Failure(OriginFailure),
    /// It answers something that was not asked.
    Unasked,
    /// It is a response, to be stored or not. With `first_piece_first`, what is stored could still stand in for it: its
    /// head is not passed on before some of its body has come.
    Response {
        /// Whether the first piece of the body is waited for.
        first_piece_first: bool,
    },
}

/// Says what becomes of a response with this status to a request for the whole, without conditions.
#[must_use]
pub fn judge(fetched: &Fetched<'_>, status: StatusCode, now: SystemTime) -> Arrived {
    if status == StatusCode::LOOP_DETECTED && fetched.names_its_way {
        // It says something of the way of the request that started the fill, which anybody can forge, and nothing of
        // the resource, nor of the others' ways. They ask by themselves.
        return Arrived::ForOne(NotStored::Status);
    }
    let may_stand_in = |failure: OriginFailure| {
        let stored = fetched.stored;
        stored.is_some_and(|stored| may_serve_stale_on_error(fetched.request, stored, failure, now, fetched.policy))
    };
    let failure = OriginFailure::Status(status);
    if status.is_server_error() && may_stand_in(failure) {
        return Arrived::Failure(failure);
    }
    if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return Arrived::Unasked;
    }
    Arrived::Response { first_piece_first: may_stand_in(OriginFailure::Unreachable) }
}

/// Whether a response that may not be stored ends the life of what is stored and was to be renewed: a full response says
/// that none of what was stored is suitable any more (RFC 9111 section 4.3.3), unless it says nothing of the resource.
#[must_use]
pub fn supersedes(status: StatusCode) -> bool {
    !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::stored_fields;
    use crate::cache::rules::testing::{Exchange, after, fields, get, now, policy};

    fn stored(cache_control: &str) -> StoredMeta {
        let line = format!("Cache-Control: {cache_control}");
        let lines = [line.as_str(), "ETag: \"a\""];
        let mut headers = fields(&lines);
        drop(stored_fields::prepare(&mut headers, now(), &policy()));
        StoredMeta::new(StatusCode::OK, headers, Exchange::default().assess(&lines).unwrap(), Some(10))
    }

    #[test]
    fn what_an_origin_answers_to_a_fill_is_judged_before_it_is_stored() {
        let check = |status: u16, names_its_way: bool, stored: Option<&StoredMeta>, expected: Arrived| {
            let (request, policy) = (get(&[]), policy());
            let fetched = Fetched { request: &request, names_its_way, stored, policy: &policy };
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(&fetched, status, after(70)), expected, "{status} {names_its_way} {}", stored.is_some());
        };
        let (plain, held) =
            (Arrived::Response { first_piece_first: false }, Arrived::Response { first_piece_first: true });
        let failure = |status| Arrived::Failure(OriginFailure::Status(status));
        let bridging = stored("max-age=60, stale-if-error=60");
        let strict = stored("max-age=60, must-revalidate, stale-if-error=60");
        for status in [200, 404, 500, 503] {
            check(status, false, None, plain);
            check(status, false, Some(&strict), plain);
        }
        check(200, false, Some(&bridging), held);
        check(404, false, Some(&bridging), held); // an answer, not a failure (RFC 5861 section 4)
        check(503, false, Some(&bridging), failure(StatusCode::SERVICE_UNAVAILABLE));
        check(501, false, Some(&bridging), held);
        for status in [206, 304] {
            check(status, false, None, Arrived::Unasked);
            check(status, false, Some(&bridging), Arrived::Unasked);
        }
        check(508, true, Some(&bridging), Arrived::ForOne(NotStored::Status));
        check(508, false, None, plain);
    }
}
