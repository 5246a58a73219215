//! What is remembered of keys for a little while: that their responses cannot be shared, and that their origin
//! has just failed.

use std::time::Duration;

use http::HeaderMap;
use moka::sync::Cache;
use tidegate_config::model::CachePolicy;

use super::explanation::NotStoredNote;
use super::memory::FullKey;
use crate::cache::key::CacheKey;
use crate::cache::rules::arrival::is_personal;
use crate::cache::rules::decide::OriginFailure;
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::storability::NotStored;

/// Why requests for a key go to the origin side by side for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The last response may not be shared.
    Unshareable,
    /// The last response was too large to be stored.
    Oversize,
}

/// Whose requests a mark speaks of. What an origin answers to credentials or cookies says nothing about what it answers to
/// everybody: without the distinction, anybody who adds some would switch off the cache for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Audience {
    /// Requests with neither.
    Anyone,
    /// Requests with cookies that are no part of the key.
    Cookies,
    /// Requests with Authorization.
    Authorized,
}

impl Audience {
    const ALL: [Self; 3] = [Self::Anyone, Self::Cookies, Self::Authorized];

    /// The audience that a request with these fields belongs to.
    pub(super) fn of(facts: &RequestFacts, fields: &HeaderMap, policy: &CachePolicy) -> Self {
        match is_personal(facts, fields, policy) {
            false => Self::Anyone,
            true if facts.authorization => Self::Authorized,
            true => Self::Cookies,
        }
    }

    /// Whether what these are answered, where it may not be shared, says as much of what `other` ones would be: what the
    /// origin keeps from those whom it knows nothing of, it keeps from those with cookies too.
    pub(super) fn speaks_for(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Anyone, Self::Cookies)
    }
}

/// How long a key is remembered as not shareable or oversize: long enough to spare a burst from waiting in line,
/// short enough that a corrected origin is noticed soon.
const MARK_LIFETIME: Duration = Duration::from_secs(10);

/// How long after a failure what is stale is served without asking the origin again. Otherwise an origin that is down
/// would get one try after the other for each popular object, and each client would wait for its time-out.
const FAILURE_BACK_OFF: Duration = Duration::from_secs(2);

/// How long a key's origin is remembered as one that gives no parts, or none that can be believed. Origins come to know
/// ranges, or get a validator, by deployments; asking in vain costs a request.
const NO_PARTS_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long operators can ask why a response was not stored: long enough to go and look.
const NOTE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Accounted bytes of each kind of memory; keys are as long as clients make them.
const CAPACITY: u64 = 8 << 20;

/// Bytes an entry takes beside its key, rounded up.
const OVERHEAD: usize = 256;

pub(super) struct Recollection {
    marks: Cache<(FullKey, Audience), Mark>,
    failures: Cache<FullKey, OriginFailure>,
    no_parts: Cache<FullKey, ()>,
    not_stored: Cache<CacheKey, NotStoredNote>,
}

impl Default for Recollection {
    fn default() -> Self {
        let marks = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|(key, _): &(FullKey, Audience), _: &Mark| weight(key))
            .time_to_live(MARK_LIFETIME)
            .build();
        let failures = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &FullKey, _: &OriginFailure| weight(key))
            .time_to_live(FAILURE_BACK_OFF)
            .build();
        let no_parts = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &FullKey, (): &()| weight(key))
            .time_to_live(NO_PARTS_LIFETIME)
            .build();
        let not_stored = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &CacheKey, _: &NotStoredNote| {
                u32::try_from(key.as_str().len() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .time_to_live(NOTE_LIFETIME)
            .build();
        Self { marks, failures, no_parts, not_stored }
    }
}

fn weight(key: &FullKey) -> u32 {
    u32::try_from(key.weight() + OVERHEAD).unwrap_or(u32::MAX)
}

impl Recollection {
    /// Remembers why requests of this audience for this key cannot share a response.
    pub(super) fn mark(&self, key: &FullKey, audience: Audience, mark: Mark) {
        // How large it is does not depend on who asks.
        let all = Audience::ALL.into_iter().filter(|other| mark == Mark::Oversize || *other == audience);
        all.for_each(|audience| self.marks.insert((key.clone(), audience), mark));
    }

    /// The mark of a key, while it lasts.
    pub(super) fn marked(&self, key: &FullKey, audience: Audience) -> Option<Mark> {
        let speaking = Audience::ALL.into_iter().filter(|other| other.speaks_for(audience));
        speaking.into_iter().find_map(|audience| self.marks.get(&(key.clone(), audience)))
    }

    /// Forgets that requests of this audience cannot share: one of them was answered with what they can.
    pub(super) fn unmark(&self, key: &FullKey, audience: Audience) {
        for speaking in Audience::ALL.into_iter().filter(|other| other.speaks_for(audience)) {
            let place = (key.clone(), speaking);
            if self.marks.get(&place) == Some(Mark::Unshareable) {
                self.marks.invalidate(&place);
            }
        }
    }

    /// Forgets everything: their time passes by the system's clock, whatever that of a test says.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.marks.iter().for_each(|(key, _)| self.marks.invalidate(&*key));
        self.failures.iter().for_each(|(key, _)| self.failures.invalidate(&*key));
    }

    /// Remembers that the origin failed when this key was to be renewed.
    pub(super) fn note_failure(&self, key: &FullKey, failure: OriginFailure) {
        self.failures.insert(key.clone(), failure);
    }

    /// Remembers that the origin gives no parts of this that could be put together.
    pub(super) fn note_no_parts(&self, key: &FullKey) {
        self.no_parts.insert(key.clone(), ());
    }

    /// Whether the origin gives no parts of this.
    pub(super) fn has_no_parts(&self, key: &FullKey) -> bool {
        self.no_parts.contains_key(key)
    }

    /// Remembers why a response for this key was not stored.
    pub(super) fn note_not_stored(&self, key: &CacheKey, note: NotStoredNote) {
        self.not_stored.insert(key.clone(), note);
    }

    /// Why the last response for this key that was not stored was not.
    pub(super) fn not_stored(&self, key: &CacheKey) -> Option<NotStoredNote> {
        self.not_stored.get(key)
    }

    /// Whether the last response for this key that was not stored was too large for it.
    pub(super) fn was_too_large(&self, key: &CacheKey) -> bool {
        self.not_stored(key).is_some_and(|note| note.why == NotStored::TooLarge)
    }

    /// Forgets that responses for a key were too large: one was not.
    pub(super) fn forget_size(&self, key: &FullKey, asked: &CacheKey) {
        for place in Audience::ALL.map(|audience| (key.clone(), audience)) {
            if self.marks.get(&place) == Some(Mark::Oversize) {
                self.marks.invalidate(&place);
            }
        }
        if self.was_too_large(asked) {
            self.not_stored.invalidate(asked);
        }
    }

    /// How the origin has just failed.
    pub(super) fn recent_failure(&self, key: &FullKey) -> Option<OriginFailure> {
        self.failures.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Scheme;

    fn key(path: &str) -> FullKey {
        FullKey { primary: CacheKey::new(Scheme::Http, "a.test", path, None), variant: [].into() }
    }

    #[test]
    fn mark_speaks_of_its_own_audience_and_key_only() {
        let recollection = Recollection::default();
        recollection.mark(&key("/a"), Audience::Authorized, Mark::Unshareable);
        assert_eq!(recollection.marked(&key("/a"), Audience::Authorized), Some(Mark::Unshareable));
        assert_eq!(recollection.marked(&key("/a"), Audience::Anyone), None);
        assert_eq!(recollection.marked(&key("/a"), Audience::Cookies), None);
        assert_eq!(recollection.marked(&key("/b"), Audience::Authorized), None);
    }

    #[test]
    fn what_anyone_is_refused_counts_for_those_with_cookies_and_not_the_other_way_round() {
        let recollection = Recollection::default();
        let check = |expected: [bool; 3]| {
            assert_eq!(Audience::ALL.map(|audience| recollection.marked(&key("/a"), audience).is_some()), expected);
        };
        recollection.mark(&key("/a"), Audience::Cookies, Mark::Unshareable);
        check([false, true, false]);
        recollection.unmark(&key("/a"), Audience::Cookies);
        recollection.mark(&key("/a"), Audience::Anyone, Mark::Unshareable);
        check([true, true, false]);
        recollection.unmark(&key("/a"), Audience::Cookies);
        check([false, false, false]);
        recollection.mark(&key("/a"), Audience::Cookies, Mark::Oversize);
        check([true, true, true]);
    }

    #[test]
    fn answer_that_can_be_shared_says_nothing_of_other_audiences_nor_of_sizes() {
        let check = |mark: Mark, marked: Audience, answered: Audience, expected: bool| {
            let recollection = Recollection::default();
            recollection.mark(&key("/a"), marked, mark);
            recollection.unmark(&key("/a"), answered);
            assert_eq!(recollection.marked(&key("/a"), marked).is_some(), expected, "{mark:?} {marked:?} {answered:?}");
        };
        check(Mark::Unshareable, Audience::Authorized, Audience::Anyone, true);
        check(Mark::Unshareable, Audience::Authorized, Audience::Cookies, true);
        check(Mark::Unshareable, Audience::Cookies, Audience::Anyone, true);
        check(Mark::Unshareable, Audience::Anyone, Audience::Authorized, true);
        check(Mark::Unshareable, Audience::Authorized, Audience::Authorized, false);
        check(Mark::Oversize, Audience::Anyone, Audience::Anyone, true);
    }

    #[test]
    fn audience_of_a_request_follows_from_what_it_says_of_its_client() {
        let name = tidegate_config::ids::CachePolicyName::parse("tested").unwrap();
        let check = |lines: &[(&'static str, &str)], keyed: &[&str], expected: Audience| {
            let mut policy = CachePolicy::plain(name.clone());
            policy.key.cookies = keyed.iter().map(|cookie| (*cookie).into()).collect();
            let line =
                |(name, value): &(&'static str, &str)| (http::HeaderName::from_static(name), value.parse().unwrap());
            let fields: HeaderMap = lines.iter().map(line).collect();
            let facts = RequestFacts::new(&http::Method::GET, &fields);
            assert_eq!(Audience::of(&facts, &fields, &policy), expected, "{lines:?} {keyed:?}");
        };
        check(&[], &[], Audience::Anyone);
        check(&[("cookie", "a=b")], &[], Audience::Cookies);
        check(&[("cookie", "a=b")], &["a"], Audience::Anyone);
        check(&[("authorization", "Basic x")], &[], Audience::Authorized);
        check(&[("authorization", "Basic x"), ("cookie", "a=b")], &["a"], Audience::Authorized);
    }

    #[test]
    fn marks_of_many_long_keys_stay_within_their_capacity() {
        let recollection = Recollection::default();
        for number in 0..4096 {
            let path = format!("/{number}{}", "x".repeat(8192));
            recollection.mark(&key(&path), Audience::Anyone, Mark::Unshareable);
        }
        recollection.marks.run_pending_tasks();
        assert!(recollection.marks.weighted_size() <= CAPACITY);
        assert!(recollection.marks.entry_count() > 0);
    }
}
