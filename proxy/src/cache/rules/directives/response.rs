//! What an origin tells caches (RFC 9111 section 5.2.2, RFC 5861, RFC 8246), in Cache-Control or a targeted field.

use http::{HeaderMap, HeaderName, header};

use super::Seconds;
use super::scan::{self, Argument, Directive};
use super::structured;

/// Fields that say what the stored bytes are, for whom, and for how long: a copy without one of them would mean
/// something else.
const INDISPENSABLE: [HeaderName; 11] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// Which fields a `no-cache` or `private` is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FieldScope {
    /// The directive is absent.
    #[default]
    Absent,
    /// The whole response.
    Whole,
    /// Only these fields (the qualified form).
    Fields(Vec<HeaderName>),
}

impl FieldScope {
    /// Whether it is about the whole of a response with these fields: unqualified, or about a field without which what
    /// is stored could not be used.
    #[must_use]
    pub fn binds(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Absent => false,
            Self::Whole => true,
            Self::Fields(names) => names.iter().any(|name| INDISPENSABLE.contains(name) && headers.contains_key(name)),
        }
    }

    /// The fields that it names.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        match self {
            Self::Absent | Self::Whole => &[],
            Self::Fields(names) => names,
        }
    }

    /// Adds another occurrence; the wider one wins.
    fn widen(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Absent) | (Self::Whole, _) => {}
            (Self::Fields(names), Self::Fields(more)) => names.extend(more),
            (_, other) => *self = other,
        }
    }
}

/// Which field the directives came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectiveSource {
    /// There was none.
    #[default]
    Silent,
    /// Cache-Control.
    CacheControl,
    /// A targeted field: Cache-Control, Expires and Pragma do not count then (RFC 9213 section 2.2).
    Targeted,
}

/// Directives of a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseDirectives {
    /// Where they came from.
    pub source: DirectiveSource,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`, qualified or not.
    pub no_cache: FieldScope,
    /// `private`, qualified or not.
    pub private: FieldScope,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `max-age`.
    pub max_age: Option<Seconds>,
    /// `s-maxage`.
    pub s_maxage: Option<Seconds>,
    /// `stale-while-revalidate` (RFC 5861 section 3).
    pub stale_while_revalidate: Option<Seconds>,
    /// `stale-if-error` (RFC 5861 section 4).
    pub stale_if_error: Option<Seconds>,
}

impl ResponseDirectives {
    /// Reads the first valid and non-empty of the `targeted` fields (RFC 9213 section 2.2), else all lines of
    /// Cache-Control. Of duplicate numbers the first counts (RFC 9111 section 4.2.1).
    #[must_use]
    pub fn parse(headers: &HeaderMap, targeted: &[HeaderName]) -> Self {
        let from_target = targeted.iter().find_map(|name| structured::parse(headers, name));
        from_target.unwrap_or_else(|| Self::from_cache_control(headers))
    }

    /// Whether a shared cache may answer others with a response to a request with Authorization (RFC 9111 section 3.5).
    #[must_use]
    pub fn permit_authorized_reuse(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some_and(|stated| stated.valid().is_some())
    }

    fn from_cache_control(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            for directive in scan::directives(line.as_bytes()) {
                directives.source = DirectiveSource::CacheControl;
                directives.take(&directive);
            }
        }
        directives
    }

    /// Unknown directives are ignored. An argument where none belongs does not weaken a restriction, but it voids
    /// `public`, `immutable` and `must-understand`, which would loosen one.
    fn take(&mut self, directive: &Directive<'_>) {
        let bare = directive.argument == Argument::None;
        let keep_first = |slot: &mut Option<Seconds>| {
            slot.get_or_insert_with(|| directive.seconds());
        };
        match () {
            () if directive.is("max-age") => keep_first(&mut self.max_age),
            () if directive.is("s-maxage") => keep_first(&mut self.s_maxage),
            () if directive.is("stale-while-revalidate") => keep_first(&mut self.stale_while_revalidate),
            () if directive.is("stale-if-error") => keep_first(&mut self.stale_if_error),
            () if directive.is("no-cache") => self.no_cache.widen(scope(directive)),
            () if directive.is("private") => self.private.widen(scope(directive)),
            () if directive.is("no-store") => self.no_store = true,
            () if directive.is("must-revalidate") => self.must_revalidate = true,
            () if directive.is("proxy-revalidate") => self.proxy_revalidate = true,
            () if directive.is("no-transform") => self.no_transform = true,
            () if directive.is("immutable") => self.immutable |= bare,
            () if directive.is("public") => self.public |= bare,
            () if directive.is("must-understand") => self.must_understand |= bare,
            () => {}
        }
    }
}

/// The fields that a qualified directive names; a list that is not one counts as the whole response.
fn scope(directive: &Directive<'_>) -> FieldScope {
    let (Argument::Token(list) | Argument::Quoted(list)) = directive.argument else {
        return FieldScope::Whole;
    };
    field_names(list).map_or(FieldScope::Whole, FieldScope::Fields)
}

/// Names of a comma-separated list; nothing when one of them is no field name or there is none.
pub(super) fn field_names(list: &[u8]) -> Option<Vec<HeaderName>> {
    let elements = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    let names = elements.map(|element| HeaderName::from_bytes(element).ok()).collect::<Option<Vec<_>>>()?;
    if names.is_empty() { None } else { Some(names) }
}
