//! Cache keys.
//!
//! A key is made of canonical parts only (scheme, host, path, query), so that two spellings of one resource
//! share an entry and two resources never do.

use std::sync::Arc;

/// Key of one resource, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    /// Key of `scheme://host/path?query`, all in canonical form. The query is kept as sent: which arguments
    /// matter is for the route's policy to say.
    #[must_use]
    pub fn new(scheme: Scheme, host: &str, path: &str, query: Option<&str>) -> Self {
        let query_length = query.map_or(0, |query| query.len() + 1);
        let mut text = String::with_capacity(8 + host.len() + path.len() + query_length);
        text.push_str(scheme.prefix());
        text.push_str(host);
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Self(text.into())
    }

    /// The key as text, for `cache explain` and logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scheme of the requested URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }
}
