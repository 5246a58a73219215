//! What a client asks of caches (RFC 9111 section 5.2.1, RFC 5861 section 4).

use std::time::Duration;

use http::{HeaderMap, header};

use super::scan::{self, Argument, Directive};

/// How much staleness a client accepts (RFC 9111 section 5.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxStale {
    /// A stale response of any age.
    Any,
    /// Up to this long after it went stale.
    UpTo(Duration),
}

/// Directives of a request. Invalid numbers are ignored: they are wishes, and none is clearer than a broken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestDirectives {
    /// Validate before use; also `Pragma: no-cache` where there is no Cache-Control (RFC 9111 section 5.4).
    pub no_cache: bool,
    /// Store nothing of this exchange.
    pub no_store: bool,
    /// Answer from store or not at all.
    pub only_if_cached: bool,
    /// Accept no response older than this.
    pub max_age: Option<Duration>,
    /// Accept a stale response.
    pub max_stale: Option<MaxStale>,
    /// Accept only what stays fresh for this long.
    pub min_fresh: Option<Duration>,
    /// Accept a response this stale when the origin fails (RFC 5861 section 4).
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads all Cache-Control lines, or Pragma when there is none. Of duplicates the first counts.
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let mut lines = headers.get_all(header::CACHE_CONTROL).iter().peekable();
        if lines.peek().is_none() {
            directives.no_cache = asks_pragma_no_cache(headers);
            return directives;
        }
        for directive in lines.flat_map(|line| scan::directives(line.as_bytes())) {
            directives.take(&directive);
        }
        directives
    }

    fn take(&mut self, directive: &Directive<'_>) {
        if directive.is("no-cache") {
            self.no_cache = true;
        } else if directive.is("no-store") {
            self.no_store = true;
        } else if directive.is("only-if-cached") {
            self.only_if_cached = true;
        } else if directive.is("max-age") {
            self.max_age = self.max_age.or(directive.seconds().valid());
        } else if directive.is("max-stale") {
            self.max_stale = self.max_stale.or(max_stale(directive));
        } else if directive.is("min-fresh") {
            self.min_fresh = self.min_fresh.or(directive.seconds().valid());
        } else if directive.is("stale-if-error") {
            self.stale_if_error = self.stale_if_error.or(directive.seconds().valid());
        }
    }
}

fn max_stale(directive: &Directive<'_>) -> Option<MaxStale> {
    match directive.argument {
        Argument::None => Some(MaxStale::Any),
        _ => directive.seconds().valid().map(MaxStale::UpTo),
    }
}

fn asks_pragma_no_cache(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::PRAGMA).iter();
    lines.any(|line| scan::directives(line.as_bytes()).any(|directive| directive.is("no-cache")))
}
