//! What was learnt of paths whose responses are for more than one query (`No-Vary-Search`), and where such responses lie.
//!
//! A response with the field is stored under a key that all queries share which are the same by it; one without it under
//! its very own. A request is looked for under its own key first and then, where the path's latest field is known, under
//! the shared one. So nothing is found under a key that its own field does not allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use moka::sync::Cache;

use crate::cache::key::CacheKey;
use crate::cache::rules::no_vary_search::SearchRule;

/// Accounted bytes of all that is learnt; paths are as long as clients make them.
const CAPACITY: u64 = 4 << 20;

/// Bytes an entry takes beside its texts, rounded up.
const OVERHEAD: usize = 512;

pub(super) struct SearchRules {
    by_path: Cache<Arc<str>, Arc<SearchRule>, ahash::RandomState>,
    /// Whether anything was ever learnt: until then requests pay nothing.
    any: AtomicBool,
}

impl Default for SearchRules {
    fn default() -> Self {
        let by_path = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|path: &Arc<str>, rule: &Arc<SearchRule>| {
                u32::try_from(path.len() + rule.to_string().len() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build_with_hasher(ahash::RandomState::new());
        Self { by_path, any: AtomicBool::new(false) }
    }
}

impl SearchRules {
    /// The key that a request shares with others by what its path's responses have said last.
    pub(super) fn shared(&self, own: &CacheKey) -> Option<CacheKey> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let rule = self.by_path.get(own.without_query())?;
        Some(shared_key(own, &rule))
    }

    /// Whether anything is known of the path.
    pub(super) fn knows(&self, own: &CacheKey) -> bool {
        self.any.load(Ordering::Acquire) && self.by_path.contains_key(own.without_query())
    }

    /// Learns what a response with these fields has said of the path, unless something is known of it.
    pub(super) fn learn(&self, own: &CacheKey, fields: &HeaderMap) {
        if let Some(rule) = SearchRule::from_headers(fields) {
            self.by_path.entry(own.without_query().into()).or_insert_with(|| Arc::new(rule));
            self.any.store(true, Ordering::Release);
        }
    }

    /// Where a response with these fields belongs that was fetched for this key. What it says holds for its path from
    /// now on; also that it says nothing, where it is of success: errors seldom say what pages do.
    pub(super) fn place(&self, own: &CacheKey, fields: &HeaderMap, success: bool) -> CacheKey {
        let path = own.without_query();
        match SearchRule::from_headers(fields) {
            Some(rule) => {
                let key = shared_key(own, &rule);
                if self.by_path.get(path).is_none_or(|known| *known != rule) {
                    self.by_path.insert(path.into(), Arc::new(rule));
                    self.any.store(true, Ordering::Release);
                }
                key
            }
            None => {
                if success && self.any.load(Ordering::Acquire) {
                    self.by_path.invalidate(path);
                }
                own.clone()
            }
        }
    }
}

/// Whether a response with these fields, fetched for one key, is for a request with another.
pub(super) fn is_for(fields: &HeaderMap, fetched: &CacheKey, asked: &CacheKey) -> bool {
    if fetched == asked {
        return true;
    }
    let is_one_path = fetched.without_query() == asked.without_query() && fetched.parts() == asked.parts();
    let rule = SearchRule::from_headers(fields).filter(|_| is_one_path);
    rule.is_some_and(|rule| counting(fetched, &rule) == counting(asked, &rule))
}

fn shared_key(own: &CacheKey, rule: &SearchRule) -> CacheKey {
    own.modulo_search(&rule.to_string(), &counting(own, rule))
}

fn counting(key: &CacheKey, rule: &SearchRule) -> String {
    rule.counting(key.query().as_deref())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::cache::key::Scheme;
    use crate::cache::rules::no_vary_search::NO_VARY_SEARCH;

    fn key(query: &str) -> CacheKey {
        CacheKey::new(Scheme::Https, "a.test", "/a", Some(query.as_bytes()))
    }

    fn fields(rule: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(NO_VARY_SEARCH, HeaderValue::from_static(rule))])
    }

    #[test]
    fn responses_lie_where_the_queries_look_that_they_are_for() {
        let rules = SearchRules::default();
        assert_eq!(rules.shared(&key("utm=1")), None);
        let place = rules.place(&key("v=1&utm=1"), &fields("params=(\"utm\")"), true);
        assert_eq!(rules.shared(&key("utm=2&v=1")), Some(place.clone()));
        assert_ne!(rules.shared(&key("v=2")), Some(place.clone()));
        let other = CacheKey::new(Scheme::Https, "a.test", "/b", Some(b"v=1"));
        assert_eq!(rules.shared(&other), None);
    }

    #[test]
    fn latest_word_of_a_path_counts_and_an_error_that_says_nothing_changes_nothing() {
        let rules = SearchRules::default();
        let first = rules.place(&key("v=1"), &fields("params=(\"utm\")"), true);
        assert_eq!(rules.place(&key("v=3"), &HeaderMap::new(), false), key("v=3"));
        assert_eq!(rules.shared(&key("v=1")), Some(first.clone()));
        let second = rules.place(&key("v=1"), &fields("params"), true);
        assert_eq!(rules.shared(&key("v=1")), Some(second.clone()));
        assert_ne!(first, second);
        assert_eq!(rules.place(&key("v=3"), &HeaderMap::new(), true), key("v=3"));
        assert_eq!(rules.shared(&key("v=1")), None);
    }

    #[test]
    fn response_is_for_those_alone_whose_queries_its_own_field_makes_the_same() {
        let said = fields("params=(\"utm\")");
        assert!(is_for(&said, &key("v=1&utm=1"), &key("v=1")));
        assert!(!is_for(&said, &key("v=1&utm=1"), &key("v=2")));
        assert!(!is_for(&HeaderMap::new(), &key("v=1&utm=1"), &key("v=1")));
        assert!(is_for(&HeaderMap::new(), &key("v=1"), &key("v=1")));
    }

    #[test]
    fn what_is_learnt_is_bounded() {
        let rules = SearchRules::default();
        let said = fields("params");
        for number in 0..40_000 {
            let key = CacheKey::new(Scheme::Https, "a.test", &format!("/{number}"), None);
            rules.place(&key, &said, true);
        }
        rules.by_path.run_pending_tasks();
        assert!(rules.by_path.weighted_size() <= CAPACITY);
        assert!(rules.by_path.entry_count() < 10_000);
    }
}
