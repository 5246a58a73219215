//! `Tidegate-Debug`: tells clients that show its token how the cache came to a response.
//!
//! Owns who is told and what. The field never reaches an origin, and nobody learns from a response whether a token is
//! configured: without the right one nothing is different.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::engine::{Answer, Lookup, NotStoredNote, Object, Outcome};
use crate::edge_proxy::EdgeProxy;

/// The field of requests, with the token, and of responses.
pub(crate) static DEBUG: HeaderName = HeaderName::from_static("tidegate-debug");

/// Longest key that is told; the rest is for `tidegate cache explain`.
const MAX_KEY: usize = 1024;

/// Whether a request asks to be told. Whoever asks takes the long way, whatever the token is worth.
pub(super) fn asks(fields: &HeaderMap) -> bool {
    fields.contains_key(&DEBUG)
}

/// What this client is told, if it may be.
pub(super) fn told_of(
    proxy: &EdgeProxy,
    fields: &HeaderMap,
    lookup: &Lookup<'_>,
    answered: &Answer,
) -> Option<HeaderValue> {
    if !asks(fields) || !may_be_told(proxy, fields) {
        return None;
    }
    let object = match answered {
        Answer::Object { object, outcome, .. } => Some((&**object, tier(object, *outcome))),
        Answer::Pass(_) | Answer::GatewayTimeout | Answer::Failed(_) => None,
    };
    Some(told(proxy, lookup, object, SystemTime::now()))
}

/// Whether it shows the token, once.
fn may_be_told(proxy: &EdgeProxy, fields: &HeaderMap) -> bool {
    let mut shown = fields.get_all(&DEBUG).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
    proxy.debug_token.load().as_ref().is_some_and(|token| token.is(shown.as_bytes()))
}

/// Where an object was found, or is put.
fn tier(object: &Object, outcome: Outcome) -> &'static str {
    match outcome {
        _ if !is_kept(object) => "none",
        Outcome::HitOnDisk => "disk",
        _ => "memory",
    }
}

/// What is told of an answer from the cache, or of a request that goes past it: a dictionary (RFC 9651 section 3.2).
fn told(proxy: &EdgeProxy, lookup: &Lookup<'_>, object: Option<(&Object, &str)>, now: SystemTime) -> HeaderValue {
    let mut text = format!("key={}, policy={}", quoted(lookup.key.as_str()), quoted(lookup.policy.name.as_str()));
    if let Some((object, tier)) = object {
        let times = &object.meta.times;
        let (source, age, ttl) = (times.source.label(), times.age_seconds(now), times.ttl(now));
        text.push_str(&format!(", freshness={source}, lifetime={}, age={age}", times.lifetime.as_secs()));
        text.push_str(&format!(", ttl={ttl}, tier={tier}, generation={}", object.provenance.born));
    }
    let object = object.map(|(object, _)| object);
    // What is stored by now says more than why something was not before it.
    let is_newer = |note: &NotStoredNote| {
        !object.is_some_and(|object| is_kept(object) && note.at < object.meta.times.response_time)
    };
    let why = object.and_then(|object| object.not_stored);
    if let Some(why) = why.or_else(|| proxy.cache.not_stored(lookup).filter(is_newer).map(|note| note.why)) {
        text.push_str(&format!(", not-stored={}", why.label()));
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("?0"))
}

/// Whether it is stored, or will be.
fn is_kept(object: &Object) -> bool {
    object.not_stored.is_none() && !object.body.is_windowed()
}

/// A string of structured fields: what is not visible ASCII is replaced, what is too long is cut.
fn quoted(text: &str) -> String {
    let visible = text.chars().take(MAX_KEY).map(|character| match character {
        '\n' => ' ',
        ' '..='~' => character,
        _ => '?',
    });
    let mut quoted = String::from("\"");
    for character in visible {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_as_strings_whatever_is_in_them() {
        assert_eq!(quoted("https://a.test/?a=\"\\\u{e9}\nx-a: 1"), "\"https://a.test/?a=\\\"\\\\? x-a: 1\"");
        assert_eq!(quoted(&"a".repeat(MAX_KEY + 1)).len(), MAX_KEY + 2);
    }
}
