//! What the engine asks of whoever talks to origins.
//!
//! Owns the seam between the cache and the origin side; the implementation fetches through the proxy's own
//! pipeline as a subrequest. The engine knows neither sessions nor connections.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use tidegate_config::ids::OriginName;

use super::live::Hold;

/// A piece of a response as it arrives.
#[derive(Debug)]
pub enum FetchEvent {
    /// The final head, hop-by-hop fields already removed, and whether nothing follows it.
    Head {
        /// Status code.
        status: StatusCode,
        /// Fields.
        fields: HeaderMap,
        /// Whether there is no body.
        end: bool,
        /// Whether only the end of the connection ends the body: such a body is never known to be complete
        /// (RFC 9112 section 8).
        close_delimited: bool,
        /// Which origin answered, where the fetcher knows.
        origin: Option<OriginName>,
    },
    /// A piece of the body.
    Body(Bytes),
    /// Trailer fields.
    Trailers(HeaderMap),
    /// The clean end.
    End,
}

/// Whose fault a failed fetch is, and what the client is told.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct FetchError {
    /// Status for a client that has not had a byte yet: 502, 503 or 504.
    pub status: StatusCode,
    /// For the log.
    pub reason: String,
}

impl FetchError {
    pub(super) fn bad_gateway(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, reason: reason.into() }
    }
}

/// Hears the interim responses (RFC 9110 section 15.2) of a fetch as they come.
pub trait InterimListener: Send + Sync {
    /// One of them, and its fields as they came.
    fn hear(&self, status: StatusCode, fields: HeaderMap);
}

/// A response in the making.
pub trait FetchStream: Send {
    /// The next piece; after `End` or an error it is not called again.
    fn next(&mut self) -> BoxFuture<'_, Result<FetchEvent, FetchError>>;
}

/// Starts fetches. `R` describes a request; it is opaque to the engine apart from [`FetchRequest`].
pub trait Fetcher<R>: Send + Sync + 'static {
    /// Starts a fetch; errors come through the stream.
    fn fetch(&self, request: R) -> Box<dyn FetchStream>;
}

/// What the engine must know of a request it has fetched.
pub trait FetchRequest: Clone + Send + Sync + 'static {
    /// The request fields that the origin gets and that `Vary` is matched against.
    fn fields(&self) -> &HeaderMap;
    /// Whether its origin may hold it back, and for how long.
    fn hold(&self) -> Option<Hold> {
        None
    }
    /// Its site: none takes all places of what is held back.
    fn site(&self) -> &str {
        ""
    }
    /// The same request with these fields instead.
    #[must_use]
    fn with_fields(&self, fields: HeaderMap) -> Self;
    /// The same request, whose interim responses this one hears. Without it they are passed over.
    #[must_use]
    fn heard_by(&self, listener: Arc<dyn InterimListener>) -> Self {
        drop(listener);
        self.clone()
    }
    /// The same request, for the rest of a response that broke off at this origin, with these fields instead. Others are
    /// asked first.
    #[must_use]
    fn resuming(&self, fields: HeaderMap, after: Option<OriginName>) -> Self {
        let _others_first = after;
        self.with_fields(fields)
    }
}
