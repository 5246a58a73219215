//! Which fields of a response are kept in store (RFC 9111 section 3.1).

use std::time::SystemTime;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tidegate_config::model::{CachePolicy, SetCookieRule};

use super::directives::ResponseDirectives;
use super::{hop_by_hop, http_date};
use crate::cache::purge::withhold_tags;

/// Makes the fields of a response those that are stored: without hop-by-hop fields, without what only one client may
/// have, without Age (the age lives in `StoredTimes`) and tags, and with a Date (RFC 9110 section 6.6.1). Call it after `assess`,
/// which needs them all. What only the client may have whose request fetched the response comes back; it is empty for
/// most.
#[must_use = "fields for the one client that may have them"]
pub fn prepare(headers: &mut HeaderMap, response_time: SystemTime, policy: &CachePolicy) -> HeaderMap {
    hop_by_hop::strip_from_response(headers);
    let withheld = withhold(headers, policy);
    headers.remove(header::AGE);
    withhold_tags(headers, &policy.tags);
    let dated = headers.get(header::DATE).and_then(http_date::parse).is_some();
    if !dated {
        headers.insert(header::DATE, http_date::format(response_time));
    }
    gather(headers);
    withheld
}

/// Takes out what is not stored of a response that may be.
fn withhold(headers: &mut HeaderMap, policy: &CachePolicy) -> HeaderMap {
    let mut withheld = HeaderMap::new();
    let mut take = |headers: &mut HeaderMap, name: &HeaderName| {
        if let header::Entry::Occupied(entry) = headers.entry(name) {
            for value in entry.remove_entry_mult().1 {
                withheld.append(name, value);
            }
        }
    };
    let directives = ResponseDirectives::parse(headers, &policy.targeted_fields);
    for name in qualified(&directives) {
        take(headers, name);
    }
    if is_withheld(&header::SET_COOKIE, &directives, policy) {
        take(headers, &header::SET_COOKIE);
    }
    withheld
}

/// Whether a field is kept out of what is stored and for the client whose request fetched it: by a qualified `private`,
/// which demands that (RFC 9111 section 5.2.2.7); by a qualified `no-cache`, which forbids to send it from store without
/// validation (section 5.2.2.4), so that there is no use in storing it; or as a cookie by policy.
pub(super) fn is_withheld(name: &HeaderName, directives: &ResponseDirectives, policy: &CachePolicy) -> bool {
    let strips = *name == header::SET_COOKIE && policy.set_cookie == SetCookieRule::Strip;
    strips || qualified(directives).any(|named| named == name)
}

fn qualified(directives: &ResponseDirectives) -> impl Iterator<Item = &HeaderName> {
    directives.private.names().iter().chain(directives.no_cache.names())
}

/// Copies all values into one buffer of just their length. As received they are slices of the connection's read buffer,
/// 4 KiB or more, which they would keep alive for as long as the response is stored.
fn gather(headers: &mut HeaderMap) {
    let total = headers.values().map(HeaderValue::len).sum();
    let mut bytes = BytesMut::with_capacity(total);
    for value in headers.values() {
        bytes.extend_from_slice(value.as_bytes());
    }
    let mut bytes = bytes.freeze();
    for value in headers.values_mut() {
        let own = bytes.split_to(value.len().min(bytes.len()));
        // What was a value is one again.
        if let Ok(mut own) = HeaderValue::from_maybe_shared(own) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::testing::{fields, policy};
    use std::time::UNIX_EPOCH;

    #[test]
    fn what_only_one_client_may_have_is_taken_out_and_handed_back() {
        let check = |rule: SetCookieRule, response: &[&str], stored: &[&str], withheld: &[&str]| {
            let mut policy = policy();
            policy.set_cookie = rule;
            let mut headers = fields(response);
            assert_eq!(prepare(&mut headers, UNIX_EPOCH, &policy), fields(withheld), "{response:?}");
            headers.remove(header::DATE);
            assert_eq!(headers, fields(stored), "{response:?}");
        };
        let (kept, cookies) = (SetCookieRule::WhenExplicit, ["Set-Cookie: a=1", "Set-Cookie: b=2"]);
        let private = "Cache-Control: private=\"set-cookie, x-user\", max-age=1";
        let no_cache = "Cache-Control: no-cache=\"x-user\"";
        check(kept, &cookies, &cookies, &[]);
        check(SetCookieRule::Strip, &cookies, &[], &cookies);
        check(SetCookieRule::Strip, &["X: 1"], &["X: 1"], &[]);
        check(kept, &[private, cookies[0], cookies[1], "X: 1"], &[private, "X: 1"], &cookies);
        check(kept, &[private, "X-User: me", "X: 1"], &[private, "X: 1"], &["X-User: me"]);
        check(kept, &[no_cache, "X-User: me", "X: 1"], &[no_cache, "X: 1"], &["X-User: me"]);
        // Whichever field the directives are in (RFC 9213 section 2.2).
        let targeted = "CDN-Cache-Control: private=\"x-user\"";
        check(kept, &[targeted, "X-User: me"], &[targeted], &["X-User: me"]);
    }

    #[test]
    fn gathered_values_are_what_they_were_and_share_one_buffer() {
        let read_buffer = bytes::Bytes::from(vec![b'a'; 4096]);
        let mut headers = HeaderMap::new();
        for (name, range) in [("x-one", 0..10), ("x-two", 10..12), ("x-two", 12..12), ("x-three", 20..300)] {
            headers.append(name, HeaderValue::from_maybe_shared(read_buffer.slice(range)).unwrap());
        }
        let before = headers.clone();
        let withheld = prepare(&mut headers, UNIX_EPOCH, &policy());
        assert!(withheld.is_empty());
        headers.remove(header::DATE);
        assert_eq!(headers, before);
        let first = headers["x-one"].as_bytes().as_ptr() as usize;
        let received = read_buffer.as_ptr() as usize;
        assert!(!(received..received + read_buffer.len()).contains(&first), "still in the read buffer");
    }
}
