//! What becomes of a response that a fill has fetched, before anybody asks whether it may be stored.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
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

/// What a response is about that may not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The resource: what others are answered can hardly be stored either.
    Resource,
    /// The request that it was fetched with, whose fields its client chose.
    Request,
    /// The state of the origin.
    Origin,
}

impl Subject {
    /// What a response with this status is about. Client errors find fault with a request (RFC 9110 section 15.5); that
    /// there is nothing does not depend on who asks.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Self::Resource,
            _ if status.is_client_error() => Self::Request,
            _ if status.is_server_error() => Self::Origin,
            _ => Self::Resource,
        }
    }
}

/// Whether a response that may not be stored, for this reason, ends the life of what is stored and was to be renewed: a
/// full response says that none of what was stored is suitable any more (RFC 9111 section 4.3.3). It says so of what
/// others get only where it is about the resource and not about who asked: nobody's cookies and credentials, and no
/// redirect to where one logs in, may take from the others what they have.
#[must_use]
pub fn supersedes(status: StatusCode, why: NotStored, is_personal: bool) -> bool {
    let tells = status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    tells && !is_personal && !matches!(why, NotStored::SetCookie | NotStored::Authorization)
}

/// Whether an origin may answer this request by who sent it: with credentials, or cookies that are no part of the key.
#[must_use]
pub fn is_personal(facts: &RequestFacts, fields: &HeaderMap, policy: &CachePolicy) -> bool {
    facts.authorization || policy.key.cookies.is_empty() && fields.contains_key(header::COOKIE)
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

    #[test]
    fn what_is_not_stored_ends_what_is_only_where_it_is_about_the_resource() {
        let check = |status: u16, subject: Subject, supersedes_it: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Subject::of(status), subject, "{status}");
            assert_eq!(supersedes(status, NotStored::NoStore, false), supersedes_it, "{status}");
            assert!(!supersedes(status, NotStored::NoStore, true), "{status} to cookies");
            assert!(!supersedes(status, NotStored::SetCookie, false), "{status} with cookies");
        };
        for status in [200, 203, 204, 299, 404, 410] {
            check(status, Subject::Resource, true);
        }
        for status in [301, 302, 307] {
            check(status, Subject::Resource, false);
        }
        for status in [400, 401, 403, 405, 407, 408, 413, 414, 416, 421, 425, 426, 429, 431, 451, 499] {
            check(status, Subject::Request, false);
        }
        for status in [500, 501, 503, 511] {
            check(status, Subject::Origin, false);
        }
    }
}
