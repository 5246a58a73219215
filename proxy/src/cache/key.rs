//! Cache keys.
//!
//! A key is made of canonical parts only (scheme, host, path, query), so that two spellings of one resource
//! share an entry and two resources never do.

use std::sync::Arc;

/// Key of one resource, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    /// Key of `scheme://host/path?query`, all in canonical form. The query is kept as sent, byte for byte: which
    /// arguments matter is for the route's policy to say, and what is no UTF-8 is another query all the same.
    #[must_use]
    pub fn new(scheme: Scheme, host: &str, path: &str, query: Option<&[u8]>) -> Self {
        Self::within(None, scheme, host, path, query)
    }

    /// The same within a partition, which keeps apart what different clients get from the same URL. No partition's
    /// key is ever one without, nor that of another partition: names of configuration have no spaces, so that the end
    /// of one is always seen.
    #[must_use]
    pub fn within(partition: Option<&str>, scheme: Scheme, host: &str, path: &str, query: Option<&[u8]>) -> Self {
        let query_length = query.map_or(0, |query| query.len() + 1);
        let mut text = String::with_capacity(
            partition.map_or(0, |name| name.len() + 1) + 8 + host.len() + path.len() + query_length,
        );
        if let Some(partition) = partition {
            text.push_str(partition);
            text.push(' ');
        }
        text.push_str(scheme.prefix());
        text.push_str(host);
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            // Each byte as the character of its number: no two queries become the same text.
            text.extend(query.iter().copied().map(char::from));
        }
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of the key may stand in a log: queries carry access tokens.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_share_no_key() {
        let key = |partition: Option<&str>, host, path| CacheKey::within(partition, Scheme::Https, host, path, None);
        assert_eq!(key(None, "a.test", "/"), CacheKey::new(Scheme::Https, "a.test", "/", None));
        let keys = [
            key(None, "a.test", "/"),
            key(Some("germany"), "a.test", "/"),
            key(Some("germany/next"), "a.test", "/"),
            key(Some("https"), "a.test", "/"),
            key(Some("germany"), "b.test", "/"),
        ];
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[number + 1..].contains(key), "{key:?}");
        }
    }

    #[test]
    fn queries_that_differ_in_one_byte_have_keys_of_their_own() {
        let queries: Vec<Vec<u8>> = (0..=255_u8).map(|byte| vec![b'u', b'=', byte]).collect();
        let spelled = ["u=%FF", "u=%ff", "u=\u{FFFD}", "u=\u{FF}", "u=", "u"].map(|query| query.as_bytes().to_vec());
        let keys: std::collections::HashSet<CacheKey> = queries
            .iter()
            .chain(&spelled)
            .map(|query| CacheKey::new(Scheme::Https, "a.test", "/a", Some(query)))
            .collect();
        assert_eq!(keys.len(), queries.len() + spelled.len());
    }

    #[test]
    fn what_logs_show_of_a_key_has_no_query() {
        let check = |query: Option<&str>| {
            let query = query.map(str::as_bytes);
            let key = CacheKey::new(Scheme::Https, "media.example", "/a%3Fb", query);
            assert_eq!(key.without_query(), "https://media.example/a%3Fb", "{query:?}");
        };
        check(None);
        check(Some(""));
        check(Some("token=secret"));
        check(Some("a?token=secret"));
    }
}
