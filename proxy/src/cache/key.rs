//! Cache keys.
//!
//! A key is made of canonical parts only (scheme, host, path, query), so that two spellings of one resource
//! share an entry and two resources never do; then of what a route's policy adds ([`parts`]). Owns how requests become
//! keys; where what is stored under a key is found is the engine's business.

mod arguments;
mod device;
mod parts;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use tidegate_config::model::{CachePolicy, KeyRules};

pub use arguments::{Directives, counting, counting_target};
pub use device::Device;
pub use parts::{COUNTRY, DEVICE, PartSources, has_parts, keep_cookies, told};

/// Longest text that a thread keeps room for. Hardly a URL is longer.
const MOST_SPARE: usize = 4 << 10;

thread_local! {
    /// Where a key's text is put together before its length is known: every request makes one.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

/// Key of one resource, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    text: Arc<str>,
    /// Bytes of the text that name the resource; parts follow.
    resource: usize,
}

/// What is asked for, of which its policy makes a key.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where its route keeps apart what different clients get from the same URL.
    pub partition: Option<&'a str>,
    /// Scheme of the URL.
    pub scheme: Scheme,
    /// Canonical host.
    pub host: &'a str,
    /// Canonical path.
    pub path: &'a str,
    /// Query as sent, without `?`.
    pub query: Option<&'a [u8]>,
}

impl Target<'_> {
    fn directives(&self, policy: &CachePolicy) -> Directives {
        Directives::of(policy.blocking_reload.is_some(), self.path)
    }
}

/// Whether queries of a path name states of one resource: playlists, where blocking reloads are on. What changes one of
/// these has changed it for all who ask for a state of it.
#[must_use]
pub fn has_many_states(policy: &CachePolicy, path: &str) -> bool {
    Directives::of(policy.blocking_reload.is_some(), path) == Directives::Count
}

impl CacheKey {
    /// Key of `scheme://host/path?query`, all in canonical form. The query is kept as it is, byte for byte, and what is
    /// no UTF-8 is another query all the same.
    #[must_use]
    pub fn new(scheme: Scheme, host: &str, path: &str, query: Option<&[u8]>) -> Self {
        Self::of_resource(&Target { partition: None, scheme, host, path, query })
    }

    /// Key of a resource as a policy sees it: under the host and with the arguments that count. To be made complete by
    /// [`Self::with_parts`] where the policy has parts; what is invalidated is the resource with all its parts.
    #[must_use]
    pub fn by(policy: &CachePolicy, target: &Target<'_>) -> Self {
        let rules = &policy.key;
        let query = counting(rules, target.directives(policy), target.query);
        let host = rules.host.as_deref().unwrap_or(target.host);
        Self::of_resource(&Target { host, query: query.as_deref(), ..*target })
    }

    /// A target in origin form as a fill sends it: without the arguments that its key does not have.
    #[must_use]
    pub fn sent_target<'t>(policy: &CachePolicy, path: &str, target: &'t [u8]) -> Cow<'t, [u8]> {
        let directives = Directives::of(policy.blocking_reload.is_some(), path);
        counting_target(&policy.key, directives, target).map_or(Cow::Borrowed(target), Cow::Owned)
    }

    /// No partition's key is ever one without, nor that of another partition: names of configuration have no spaces, so
    /// that the end of one is always seen.
    fn of_resource(target: &Target<'_>) -> Self {
        let Target { partition, scheme, host, path, query } = *target;
        let query_length = query.map_or(0, |query| query.len() + 1);
        let mut text = SPARE.take();
        text.clear();
        text.reserve(partition.map_or(0, |name| name.len() + 1) + 8 + host.len() + path.len() + query_length);
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
        let key = Self { resource: text.len(), text: text.as_str().into() };
        if text.capacity() <= MOST_SPARE {
            SPARE.set(text);
        }
        key
    }

    /// The key with the parts that the rules ask for.
    #[must_use]
    pub fn with_parts(&self, rules: &KeyRules, sources: &PartSources<'_>) -> Self {
        let mut text = self.resource().to_owned();
        parts::write(rules, sources, &mut text);
        Self { resource: self.resource, text: text.into() }
    }

    /// The key that stands for all whose queries differ in nothing that counts by `No-Vary-Search`: `rule` and `query`
    /// are the texts of both. Its resource is the whole of it.
    #[must_use]
    pub fn modulo_search(&self, rule: &str, query: &str) -> Self {
        let text = format!("{}{}\nsearch {rule}?{query}", self.without_query(), self.parts());
        Self { resource: text.len(), text: text.into() }
    }

    /// The key with this text, of which so many bytes name the resource; nothing where they cannot.
    #[must_use]
    pub fn of_text(text: &str, resource: usize) -> Option<Self> {
        text.is_char_boundary(resource).then(|| Self { text: text.into(), resource })
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The resource, without what its policy adds.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.text[..self.resource]
    }

    /// What its policy adds to the resource.
    #[must_use]
    pub fn parts(&self) -> &str {
        &self.text[self.resource..]
    }

    /// Its query as it counts, byte for byte; the path has no `?` of its own, being canonical.
    #[must_use]
    pub fn query(&self) -> Option<Vec<u8>> {
        let (_, query) = self.resource().split_once('?')?;
        query.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect()
    }

    /// Whether it has more than the resource.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        self.resource < self.text.len()
    }

    /// What of the key may stand in a log: queries carry access tokens, and so do fields and cookies.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.resource().split(['?', '\n']).next().unwrap_or_default()
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
        let key = |partition: Option<&str>, host, path| {
            CacheKey::of_resource(&Target { partition, scheme: Scheme::Https, host, path, query: None })
        };
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

    fn policy() -> CachePolicy {
        CachePolicy::plain(tidegate_config::ids::CachePolicyName::parse("p").unwrap())
    }

    fn target(query: &str) -> Target<'_> {
        let query = Some(query.as_bytes());
        Target { partition: None, scheme: Scheme::Https, host: "a.test", path: "/a", query }
    }

    #[test]
    fn aliases_of_a_host_share_their_keys() {
        let mut policy = policy();
        assert_ne!(CacheKey::by(&policy, &target("")), CacheKey::by(&policy, &Target { host: "b.test", ..target("") }));
        policy.key.host = Some("c.test".to_owned());
        let key = CacheKey::by(&policy, &target("v"));
        assert_eq!(key, CacheKey::by(&policy, &Target { host: "b.test", ..target("v") }));
        assert_eq!(key.as_str(), "https://c.test/a?v");
    }

    #[test]
    fn resource_is_that_of_all_its_parts() {
        let mut policy = policy();
        policy.key.headers = vec![http::HeaderName::from_static("x-a")];
        let resource = CacheKey::by(&policy, &target("v"));
        let fields = |value| http::HeaderMap::from_iter([(http::HeaderName::from_static("x-a"), value)]);
        let with = |value| {
            let fields = fields(http::HeaderValue::from_static(value));
            resource.with_parts(&policy.key, &PartSources { fields: &fields, country: None })
        };
        let keys = [with("1"), with("2"), with("")];
        for (number, key) in keys.iter().enumerate() {
            assert_eq!((key.resource(), key.has_parts()), (resource.as_str(), true));
            assert!(!keys[number + 1..].contains(key) && *key != resource, "{key:?}");
            assert_eq!(key.without_query(), "https://a.test/a");
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
