//! Whether a shared cache may store a response (RFC 9111 section 3), and with which times.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
use tidegate_config::model::{CachePolicy, SetCookieRule};

use super::directives::ResponseDirectives;
use super::entity_tag::EntityTag;
use super::freshness::{self, FreshnessInput, FreshnessSource, StoredTimes};
use super::http_date;
use super::request_facts::{CacheMethod, RequestFacts};
use super::stored_fields;
use super::vary::VaryRule;
use crate::media::{MediaClass, Presentation};

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Assessment<'a> {
    /// The request that was sent to the origin.
    pub request: &'a RequestFacts,
    /// Status of the response.
    pub status: StatusCode,
    /// Fields of the response, as received (Age included) or as freshened by a 304.
    pub headers: &'a HeaderMap,
    /// When the request was sent.
    pub request_time: SystemTime,
    /// When the header section of the response arrived.
    pub response_time: SystemTime,
    /// The policy of the route.
    pub policy: &'a CachePolicy,
    /// What the response was recognised as (`media::recognise`, for errors `media::recognise_error`).
    pub media: Option<MediaClass>,
    /// Whether that is live or on demand, where known.
    pub presentation: Presentation,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// The route's policy stores nothing.
    Disabled,
    /// The method is not GET.
    Method,
    /// The client said `no-store`.
    RequestNoStore,
    /// The status is one that must not be stored.
    Status,
    /// A 206: a part is never stored as the whole.
    Partial,
    /// The origin said `no-store`.
    NoStore,
    /// The origin said `private`, or listed in a qualified one a field without which nothing can be stored.
    Private,
    /// The request had Authorization and nothing allows a shared cache to reuse the response.
    Authorization,
    /// `Vary: *`, or a Vary that cannot be understood.
    VaryStar,
    /// Set-Cookie, which the policy does not store at all or not without explicit freshness or `public`.
    SetCookie,
    /// No freshness, and nothing that would make a stale copy useful.
    NoFreshness,
    /// The body did not arrive whole.
    Incomplete,
    /// The body is larger than the largest object that is stored.
    TooLarge,
    /// Only the end of the connection ends its body, which may be short.
    CloseDelimited,
    /// The memory of all fills is used up.
    NoMemory,
    /// No response came that could be used.
    FetchFailed,
}

impl NotStored {
    /// A short, stable label for metrics, logs and the `detail` of Cache-Status.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Method => "method",
            Self::RequestNoStore => "request-no-store",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::VaryStar => "vary-star",
            Self::SetCookie => "set-cookie",
            Self::NoFreshness => "no-freshness",
            Self::Incomplete => "incomplete",
            Self::TooLarge => "too-large",
            Self::CloseDelimited => "close-delimited",
            Self::NoMemory => "no-memory",
            Self::FetchFailed => "fetch-failed",
        }
    }
}

/// Decides whether the response may be stored.
///
/// # Errors
/// The first rule that forbids it. `Incomplete` and `TooLarge` are the engine's to find and never come from here.
pub fn assess(input: &Assessment<'_>) -> Result<StoredTimes, NotStored> {
    let directives = ResponseDirectives::parse(input.headers, &input.policy.targeted_fields);
    check_request(input)?;
    check_status(input.status, &directives)?;
    check_directives(input, &directives)?;
    let times = freshness::compute(&FreshnessInput {
        status: input.status,
        headers: input.headers,
        directives: &directives,
        request_time: input.request_time,
        response_time: input.response_time,
        policy: input.policy,
        media: input.media,
        presentation: input.presentation,
    });
    check_set_cookie(input, &directives, &times)?;
    check_use(input, &directives, &times)?;
    Ok(times)
}

fn check_request(input: &Assessment<'_>) -> Result<(), NotStored> {
    if !input.policy.enabled {
        return Err(NotStored::Disabled);
    }
    if input.request.method != CacheMethod::Get {
        return Err(NotStored::Method);
    }
    // RFC 9111 section 5.2.1.5: no part of this exchange is stored.
    if input.policy.honour_request_directives && input.request.directives.no_store {
        return Err(NotStored::RequestNoStore);
    }
    Ok(())
}

fn check_status(status: StatusCode, directives: &ResponseDirectives) -> Result<(), NotStored> {
    match status.as_u16() {
        206 => Err(NotStored::Partial),
        // Interim responses, a 304 on its own, 407 (proxy's own business), 416 (it depends on Range, which is no part
        // of the key), and those that RFC 6585 forbids to store (sections 3 to 6).
        100..=199 | 304 | 407 | 416 | 428 | 429 | 431 | 511 => Err(NotStored::Status),
        // RFC 9111 section 5.2.2.3: only a cache that knows the status may store it.
        _ if directives.must_understand && !is_understood(status) => Err(NotStored::Status),
        _ => Ok(()),
    }
}

/// Statuses whose caching requirements are implemented here: they have none beyond those of every response.
fn is_understood(status: StatusCode) -> bool {
    let redirect = matches!(status.as_u16(), 302 | 303 | 307);
    redirect || status == StatusCode::NOT_IMPLEMENTED || freshness::is_heuristically_cacheable(status)
}

fn check_directives(input: &Assessment<'_>, directives: &ResponseDirectives) -> Result<(), NotStored> {
    // must-understand of a status that is understood sets no-store aside (RFC 9111 section 5.2.2.3).
    if directives.no_store && !directives.must_understand {
        return Err(NotStored::NoStore);
    }
    // What a qualified form names is left out of what is stored (`stored_fields::prepare`).
    if directives.private.binds(input.headers) {
        return Err(NotStored::Private);
    }
    if input.request.authorization && !directives.permit_authorized_reuse() {
        return Err(NotStored::Authorization); // RFC 9111 section 3.5
    }
    if VaryRule::from_headers(input.headers) == VaryRule::Any {
        return Err(NotStored::VaryStar);
    }
    Ok(())
}

/// RFC 9111 section 7.3 lets caches store Set-Cookie and relies on the origin's directives. Silence is no permission to
/// hand one client's session to others, so only freshness that the origin stated, or `public`, stores it.
fn check_set_cookie(
    input: &Assessment<'_>,
    directives: &ResponseDirectives,
    times: &StoredTimes,
) -> Result<(), NotStored> {
    let permitted = match input.policy.set_cookie {
        // A cookie that the origin itself keeps out of caches needs no more care.
        SetCookieRule::WhenExplicit => {
            let withheld = stored_fields::is_withheld(&header::SET_COOKIE, directives, input.policy);
            withheld || times.source.is_explicit() || directives.public
        }
        SetCookieRule::Never => false,
        SetCookieRule::Strip => true,
    };
    if input.headers.contains_key(header::SET_COOKIE) && !permitted { Err(NotStored::SetCookie) } else { Ok(()) }
}

/// Whether a stored copy could ever answer a request: fresh for a while, or worth validating, or allowed when stale.
fn check_use(input: &Assessment<'_>, directives: &ResponseDirectives, times: &StoredTimes) -> Result<(), NotStored> {
    let stated = match times.source {
        FreshnessSource::Absent => {
            // RFC 9111 section 3 counts `public`; `no-cache` asks for validation and thus for something to validate.
            let spoken = directives.public || times.no_cache;
            spoken && freshness::is_heuristically_cacheable(input.status)
        }
        _ => true,
    };
    let validator = EntityTag::from_headers(input.headers).is_some()
        || http_date::only(input.headers, &header::LAST_MODIFIED).is_some();
    let fresh_on_arrival = times.is_fresh(input.response_time);
    let grace = !times.stale_while_revalidate.is_zero() || times.stale_if_error.is_some_and(|grace| !grace.is_zero());
    let usable = validator || !times.no_cache && (fresh_on_arrival || grace && !times.must_revalidate);
    if stated && usable { Ok(()) } else { Err(NotStored::NoFreshness) }
}

#[cfg(test)]
mod tests;
