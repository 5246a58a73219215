//! What ties requests to the same origin.

use std::net::IpAddr;

use http::{HeaderMap, header};
use tidegate_config::model::StickyKey;
use tidegate_steering::sticky_seed;

/// A request, as far as it can be tied to an origin.
pub struct Tie<'a> {
    /// Its host, canonical where it is a client's.
    pub host: &'a [u8],
    /// Its path without the query.
    pub path: &'a [u8],
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// The client; absent in what is for everyone.
    pub client: Option<IpAddr>,
}

/// The seed of a request's order: equal for requests that are tied together.
#[must_use]
pub fn seed(key: &StickyKey, tie: &Tie<'_>) -> u64 {
    let own = tie.client.and_then(|client| match key {
        StickyKey::Path => None,
        StickyKey::ClientAddress => Some(client.to_canonical().to_string().into_bytes()),
        StickyKey::Header(name) => tie.fields.get(name).map(|value| value.as_bytes().to_vec()),
        StickyKey::Cookie(name) => cookie(tie.fields, name),
    });
    sticky_seed(&own.unwrap_or_else(|| [tie.host, b"\n", tie.path].concat()))
}

/// The value of a cookie (RFC 6265 section 4.2.1).
fn cookie(fields: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let pairs = fields.get_all(header::COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    values.next().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seed_of(key: &StickyKey, path: &str, cookie: &'static str, client: Option<u8>) -> u64 {
        let fields = [(header::COOKIE, HeaderValue::from_static(cookie))].into_iter().collect();
        let client = client.map(|last| IpAddr::from([192, 0, 2, last]));
        seed(key, &Tie { host: b"media.test", path: path.as_bytes(), fields: &fields, client })
    }

    #[test]
    fn requests_are_tied_by_what_the_pool_names() {
        let cookie = StickyKey::Cookie("id".to_owned());
        let header = StickyKey::Header(header::COOKIE);
        let cases = [
            // key, is it the same for another path, another cookie, another client
            (&StickyKey::Path, [false, true, true]),
            (&StickyKey::ClientAddress, [true, true, false]),
            (&cookie, [true, false, true]),
            (&header, [true, false, true]),
        ];
        for (key, same) in cases {
            let first = seed_of(key, "/a", "x=1; id=7", Some(1));
            let others = [
                seed_of(key, "/b", "x=1; id=7", Some(1)),
                seed_of(key, "/a", "x=1; id=8", Some(1)),
                seed_of(key, "/a", "x=1; id=7", Some(2)),
            ];
            assert_eq!(others.map(|other| other == first), same, "{key:?}");
        }
    }

    #[test]
    fn what_is_for_everyone_is_tied_by_its_path() {
        for key in [StickyKey::ClientAddress, StickyKey::Cookie("id".to_owned()), StickyKey::Header(header::COOKIE)] {
            let first = seed_of(&key, "/a", "id=7", None);
            assert_eq!(first, seed_of(&key, "/a", "id=8", None), "{key:?}");
            assert_ne!(first, seed_of(&key, "/b", "id=7", None), "{key:?}");
        }
        let none = StickyKey::Cookie("other".to_owned());
        assert_eq!(seed_of(&none, "/a", "id=7; another=1", Some(1)), seed_of(&none, "/a", "", Some(2)));
    }
}
