//! What a purge is about.

use super::place::Place;
use crate::cache::key::CacheKey;

/// How much is purged. Texts are canonical, without scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All that is stored.
    Everything,
    /// All of one host.
    Host(String),
    /// All whose `host/path` begins with this.
    Prefix(String),
    /// All whose `host/path` is this, with any query.
    Path(String),
    /// All variants of `host/path?query`.
    Url(String),
    /// All of `host/path` that many queries share (`No-Vary-Search`): which of them is not known of one URL.
    Shared(String),
    /// All that has this tag.
    Tag(String),
    /// What an unsafe method changed (RFC 9111 section 4.4). Noted apart, so that what clients send never makes the node
    /// forget what operators purged, nor what other sites' clients sent.
    Changed {
        /// A path or URL.
        what: Box<Scope>,
        /// The name by which its site takes its host: that, a domain it is below, or nothing for whichever host.
        site: String,
    },
}

/// The kinds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeKind {
    /// All that is stored.
    Everything,
    /// One host.
    Host,
    /// What begins alike.
    Prefix,
    /// A URL with any query.
    Path,
    /// A URL.
    Url,
    /// A tag.
    Tag,
    /// The target of an unsafe method.
    Changed,
}

impl Scope {
    /// Those of a resource that an unsafe method changed, at the site with this name.
    #[must_use]
    pub fn changed(key: &CacheKey, any_query: bool, site: &str) -> Vec<Self> {
        let changed = |what| Self::Changed { what: Box::new(what), site: site.to_owned() };
        Self::resource(key, any_query).into_iter().map(changed).collect()
    }

    /// Those of a resource: with any query, or with just its own and whatever may be for that, too.
    #[must_use]
    pub fn resource(key: &CacheKey, any_query: bool) -> Vec<Self> {
        let place = Place::of(key);
        let path = place.path().to_owned();
        if any_query { vec![Self::Path(path)] } else { vec![Self::Url(place.url.to_owned()), Self::Shared(path)] }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ScopeKind {
        match self {
            Self::Everything => ScopeKind::Everything,
            Self::Host(_) => ScopeKind::Host,
            Self::Prefix(_) => ScopeKind::Prefix,
            Self::Path(_) => ScopeKind::Path,
            Self::Url(_) | Self::Shared(_) => ScopeKind::Url,
            Self::Tag(_) => ScopeKind::Tag,
            Self::Changed { .. } => ScopeKind::Changed,
        }
    }
}

impl ScopeKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Everything, Self::Host, Self::Prefix, Self::Path, Self::Url, Self::Tag, Self::Changed];

    /// Its name, for metrics, logs and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Host => "host",
            Self::Prefix => "prefix",
            Self::Path => "url_any_query",
            Self::Url => "url",
            Self::Tag => "tag",
            Self::Changed => "unsafe_method",
        }
    }
}

/// What becomes of what is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is never served again.
    Hard,
    /// It is stale since then: validated, and served as stale responses may be.
    Soft,
}

impl Mode {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}
