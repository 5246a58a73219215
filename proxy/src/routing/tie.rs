//! What ties requests together: those of one key go to the same origin of a pool, and to the same side of a split.
//!
//! Owns how a key is read from a request and what stands in for one that is not there. What becomes of the number is for
//! steering and for splits.

use std::net::IpAddr;

use http::{HeaderMap, header};
use tidegate_config::model::StickyKey;
use tidegate_steering::sticky_seed;

/// A request, as far as it can be tied to others.
#[derive(Debug, Clone, Copy)]
pub struct Tie<'a> {
    /// Its host, canonical where it is a client's.
    pub host: &'a str,
    /// Its path without the query.
    pub path: &'a str,
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// The client; absent in what is for everyone.
    pub client: Option<IpAddr>,
}

/// A number that is equal for requests that are tied together. What has no such field or cookie is tied by its client,
/// and what is for everyone by its path, whatever the key: the fields are those of whoever asked first.
#[must_use]
pub fn seed(key: &StickyKey, tie: &Tie<'_>) -> u64 {
    let Some(client) = tie.client else { return seed_of_path(tie) };
    let value = match key {
        StickyKey::Path => return seed_of_path(tie),
        StickyKey::ClientAddress => None,
        StickyKey::Header(name) => tie.fields.get(name).map(|value| value.as_bytes()),
        StickyKey::Cookie(name) => cookie(tie.fields, name),
    };
    match value.filter(|value| !value.is_empty()) {
        Some(value) => sticky_seed(value),
        None => seed_of_client(client),
    }
}

fn seed_of_path(tie: &Tie<'_>) -> u64 {
    sticky_seed(&[tie.host.as_bytes(), b"\n", tie.path.as_bytes()].concat())
}

fn seed_of_client(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => sticky_seed(&address.octets()),
        IpAddr::V6(address) => sticky_seed(&address.octets()),
    }
}

/// The value of the first cookie of this name (RFC 6265 section 4.2.1).
fn cookie<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = fields.get_all(header::COOKIE).into_iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seed_of(key: &StickyKey, path: &str, cookie: &'static str, client: Option<u8>) -> u64 {
        let fields = [(header::COOKIE, HeaderValue::from_static(cookie))].into_iter().collect();
        let client = client.map(|last| IpAddr::from([192, 0, 2, last]));
        seed(key, &Tie { host: "media.test", path, fields: &fields, client })
    }

    fn cookie_key() -> StickyKey {
        StickyKey::Cookie("id".to_owned())
    }

    #[test]
    fn requests_are_tied_by_what_the_key_names() {
        let cases = [
            // key, is it the same for another path, another cookie, another client
            (StickyKey::Path, [false, true, true]),
            (StickyKey::ClientAddress, [true, true, false]),
            (cookie_key(), [true, false, true]),
            (StickyKey::Header(header::COOKIE), [true, false, true]),
        ];
        for (key, same) in cases {
            let first = seed_of(&key, "/a", "x=1; id=7", Some(1));
            let others = [
                seed_of(&key, "/b", "x=1; id=7", Some(1)),
                seed_of(&key, "/a", "x=1; id=8", Some(1)),
                seed_of(&key, "/a", "x=1; id=7", Some(2)),
            ];
            assert_eq!(others.map(|other| other == first), same, "{key:?}");
        }
    }

    #[test]
    fn requests_without_the_key_are_tied_by_their_client() {
        let by_client = seed_of(&StickyKey::ClientAddress, "/a", "", Some(1));
        assert_eq!(by_client, sticky_seed(&[192, 0, 2, 1]));
        for cookie in ["", "id", "id=", "id= ; other=7", "ide=7", "xid=7", "other=id=7"] {
            assert_eq!(seed_of(&cookie_key(), "/a", cookie, Some(1)), by_client, "{cookie}");
        }
        let empty = StickyKey::Header(header::COOKIE);
        assert_eq!(seed_of(&empty, "/a", "", Some(1)), by_client);
        assert_eq!(seed_of(&StickyKey::Header(header::ACCEPT), "/a", "id=7", Some(1)), by_client);
        let mapped = Tie {
            host: "media.test",
            path: "/a",
            fields: &HeaderMap::new(),
            client: Some("::ffff:192.0.2.1".parse().unwrap()),
        };
        assert_eq!(seed(&StickyKey::ClientAddress, &mapped), by_client);
    }

    #[test]
    fn the_first_cookie_of_several_counts_and_lines_are_one_list() {
        assert_eq!(seed_of(&cookie_key(), "/a", "x=1;id=7;id=8", Some(1)), sticky_seed(b"7"));
        let mut fields = HeaderMap::new();
        fields.append(header::COOKIE, HeaderValue::from_static("x=1"));
        fields.append(header::COOKIE, HeaderValue::from_static("id=7"));
        let tie = Tie { host: "media.test", path: "/a", fields: &fields, client: Some(IpAddr::from([192, 0, 2, 1])) };
        assert_eq!(seed(&cookie_key(), &tie), sticky_seed(b"7"));
    }

    #[test]
    fn what_is_for_everyone_is_tied_by_its_path() {
        let by_path = |path| seed_of(&StickyKey::Path, path, "id=7", Some(1));
        assert_ne!(by_path("/a"), by_path("/b"));
        for key in [StickyKey::Path, StickyKey::ClientAddress, cookie_key(), StickyKey::Header(header::COOKIE)] {
            for path in ["/a", "/b"] {
                assert_eq!(seed_of(&key, path, "id=7", None), by_path(path), "{key:?}");
            }
        }
    }
}
