//! Our member of Cache-Status (RFC 9211).
//!
//! Owns its spelling; the engine knows what happened.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::decide::{FetchReason, PassReason, WhyStale};

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The name under which this cache appears.
const CACHE_NAME: &str = "tidegate";

/// Room for the longest usual member, so that writing one allocates once.
const USUAL_LENGTH: usize = 96;

/// Why a request went to the origin (RFC 9211 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardReason {
    /// The cache is configured not to handle this request.
    Bypass,
    /// The method's semantics require it.
    Method,
    /// Nothing stored under the URI.
    UriMiss,
    /// Something stored under the URI, but no variant that matches.
    VaryMiss,
    /// A fresh response was there, but the request did not allow it.
    Request,
    /// Only a stale response was there.
    Stale,
    /// Only parts of it were there.
    Partial,
}

impl ForwardReason {
    /// Its token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl From<PassReason> for ForwardReason {
    fn from(reason: PassReason) -> Self {
        match reason {
            PassReason::Disabled => Self::Bypass,
            PassReason::Method => Self::Method,
            PassReason::Content
            | PassReason::Upgrade
            | PassReason::RequestNoStore
            | PassReason::Authorization
            | PassReason::OtherVersion => Self::Request,
        }
    }
}

impl From<FetchReason> for ForwardReason {
    fn from(reason: FetchReason) -> Self {
        match reason {
            FetchReason::Miss => Self::UriMiss,
            FetchReason::OtherVariant => Self::VaryMiss,
            FetchReason::Stale => Self::Stale,
            FetchReason::Request => Self::Request,
            FetchReason::Partial => Self::Partial,
        }
    }
}

/// What happened in this cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from store.
    Hit,
    /// Answered by this cache itself, with neither: nothing is stored, and nothing was got.
    Own,
    /// Forwarded.
    Forward {
        /// Why.
        reason: ForwardReason,
        /// What the origin answered, where that differs from what the client gets (a 304, say).
        status: Option<StatusCode>,
        /// Whether the response was stored.
        stored: bool,
        /// Whether it waited for another request's fetch.
        collapsed: bool,
    },
}

/// Our member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// What happened.
    pub outcome: Outcome,
    /// Seconds of freshness left, negative once stale.
    pub ttl: Option<i64>,
    /// A stable label for the curious: a token.
    pub detail: Option<&'static str>,
}

impl Member {
    /// A hit with this much freshness left.
    #[must_use]
    pub fn hit(ttl: i64) -> Self {
        Self { outcome: Outcome::Hit, ttl: Some(ttl), detail: None }
    }

    /// Something stale: a hit with a negative `ttl`, or what came of asking an origin that failed; the detail says why it
    /// was served all the same.
    #[must_use]
    pub fn stale(why: WhyStale, ttl: i64) -> Self {
        let (outcome, detail) = match why {
            WhyStale::WhileRevalidate => (Outcome::Hit, "stale-while-revalidate"),
            WhyStale::Accepted => (Outcome::Hit, "max-stale"),
            WhyStale::Unasked => (Outcome::Hit, "stale-if-error"),
            WhyStale::Failed(status) => {
                let reason = ForwardReason::Stale;
                (Outcome::Forward { reason, status, stored: false, collapsed: false }, "stale-if-error")
            }
        };
        Self { outcome, ttl: Some(ttl), detail: Some(detail) }
    }

    /// An answer of this cache's own, for this reason (RFC 9211 section 2: neither `hit` nor `fwd`).
    #[must_use]
    pub fn own(detail: &'static str) -> Self {
        Self { outcome: Outcome::Own, ttl: None, detail: Some(detail) }
    }

    /// As a field value.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        self.write(&mut text);
        // What is written below is visible ASCII; were it not, the bare name is still a valid member.
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(CACHE_NAME))
    }

    /// Adds it after what caches nearer to the origin wrote: on a line of its own, which is the same list
    /// (RFC 9110 section 5.3) and leaves theirs untouched.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        headers.append(CACHE_STATUS, self.to_value());
    }

    /// Appends it as text.
    pub fn write(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(CACHE_NAME.as_bytes());
        match self.outcome {
            Outcome::Hit => text.extend_from_slice(b"; hit"),
            Outcome::Own => {}
            Outcome::Forward { reason, status, stored, collapsed } => {
                text.extend_from_slice(b"; fwd=");
                text.extend_from_slice(reason.as_str().as_bytes());
                if let Some(status) = status {
                    text.extend_from_slice(b"; fwd-status=");
                    text.extend_from_slice(status.as_str().as_bytes());
                }
                if stored {
                    text.extend_from_slice(b"; stored");
                }
                if collapsed {
                    text.extend_from_slice(b"; collapsed");
                }
            }
        }
        if let Some(ttl) = self.ttl {
            text.extend_from_slice(b"; ttl=");
            text.extend_from_slice(itoa::Buffer::new().format(ttl).as_bytes());
        }
        if let Some(detail) = self.detail {
            text.extend_from_slice(b"; detail=");
            text.extend_from_slice(detail.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
