//! Where a playlist is, and what its references mean there (RFC 3986 section 5.2).
//!
//! The host is fixed: a reference either stays on it or is not followed. What comes out is a target for this node's
//! own routing, never an address to connect to.

use std::fmt::Write as _;

use crate::routing::CanonicalHost;

/// Longest reference followed; longer than any target that origins take.
const MAX_REFERENCE: usize = 4096;

/// A place on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    host: Box<str>,
    port: Option<u16>,
    path: Box<str>,
    query: Option<Box<str>>,
}

/// Why a reference is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFollowed {
    /// It leads to another host or port, or has another scheme.
    Foreign,
    /// It is no reference.
    Malformed,
}

impl Location {
    /// A target in origin form on the host of this authority; nothing where these are none.
    #[must_use]
    pub fn new(authority: &str, target: &str) -> Option<Self> {
        let (host, port) = CanonicalHost::parse(authority.as_bytes()).ok()?;
        let (path, query) = split_query(target);
        let path = path.starts_with('/').then(|| path.into())?;
        Some(Self { host: host.as_str().into(), port, path, query: query.map(Into::into) })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Path and query.
    #[must_use]
    pub fn into_target(self) -> Box<str> {
        match self.query {
            None => self.path,
            Some(query) => format!("{}?{query}", self.path).into(),
        }
    }

    /// What a reference means here. The fragment is no part of what is fetched.
    ///
    /// # Errors
    /// When it is not followed.
    pub fn join(&self, reference: &str) -> Result<Self, NotFollowed> {
        let reference = reference.trim_matches(' ');
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.len() > MAX_REFERENCE || reference.contains("{$") {
            return Err(NotFollowed::Malformed);
        }
        let escaped = escape(reference).ok_or(NotFollowed::Malformed)?;
        let rest = self.strip_authority(&escaped)?;
        let (path, query) = split_query(rest.text);
        let own_query = || self.query.clone();
        let (path, query) = match (path, rest.absolute) {
            ("", true) => ("/".to_owned(), query.map(Into::into)),
            ("", false) => (self.path.to_string(), query.map_or_else(own_query, |query| Some(query.into()))),
            (path, _) if path.starts_with('/') => (without_dots(path), query.map(Into::into)),
            (path, _) => {
                let directory = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                (without_dots(&format!("{directory}{path}")), query.map(Into::into))
            }
        };
        if path.len() > MAX_REFERENCE {
            return Err(NotFollowed::Malformed);
        }
        Ok(Self { host: self.host.clone(), port: self.port, path: path.into(), query })
    }

    /// Takes scheme and authority off, if they are this place's own.
    fn strip_authority<'a>(&self, reference: &'a str) -> Result<Rest<'a>, NotFollowed> {
        let (scheme, rest) = match scheme_of(reference) {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, reference),
        };
        let default_port = match scheme {
            None => None,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Some(80),
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Some(443),
            Some(_) => return Err(NotFollowed::Foreign),
        };
        let Some(behind) = rest.strip_prefix("//") else {
            // `http:a` is what nobody writes and everybody reads otherwise.
            return if scheme.is_some() {
                Err(NotFollowed::Malformed)
            } else {
                Ok(Rest { text: rest, absolute: false })
            };
        };
        let end = behind.find(['/', '?']).unwrap_or(behind.len());
        let (authority, text) = behind.split_at(end);
        let Ok((host, port)) = CanonicalHost::parse(authority.as_bytes()) else { return Err(NotFollowed::Foreign) };
        let same_port = port == self.port || port.or(default_port) == self.port.or(default_port);
        if host.as_str() != &*self.host || !same_port {
            return Err(NotFollowed::Foreign);
        }
        Ok(Rest { text, absolute: true })
    }
}

/// A reference without scheme and authority, and whether it had the latter.
struct Rest<'a> {
    text: &'a str,
    absolute: bool,
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// RFC 3986 section 3.1.
fn scheme_of(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_alphabetic());
    let is_scheme = starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

/// Writes as escapes what no URL has, as players do. Nothing where control characters or backslashes are: whatever
/// they were meant for, readers differ about them.
fn escape(reference: &str) -> Option<String> {
    let mut escaped = String::with_capacity(reference.len());
    for byte in reference.bytes() {
        match byte {
            0..0x20 | 0x7f | b'\\' => return None,
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                write!(escaped, "%{byte:02X}").ok()?;
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    Some(escaped)
}

/// RFC 3986 section 5.2.4. Nothing leads above the root.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path);
    let mut ends_open = false;
    for segment in segments.split('/') {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut path = format!("/{}", kept.join("/"));
    if ends_open && !path.ends_with('/') {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: &str, expected: Result<&str, NotFollowed>) {
        let place = Location::new("media.example:8443", "/live/a/index.m3u8?session=1").unwrap();
        let found = place.join(reference).map(Location::into_target);
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{reference:?}");
    }

    #[test]
    fn references_are_resolved_as_by_rfc_3986() {
        check("seg.m4s", Ok("/live/a/seg.m4s"));
        check("./seg.m4s?x=1#t=3", Ok("/live/a/seg.m4s?x=1"));
        check("../b/seg.m4s", Ok("/live/b/seg.m4s"));
        check("../../../../seg.m4s", Ok("/seg.m4s"));
        check("/vod//seg.m4s", Ok("/vod//seg.m4s"));
        check("b/..", Ok("/live/a/"));
        check("?session=2", Ok("/live/a/index.m3u8?session=2"));
        check("", Ok("/live/a/index.m3u8?session=1"));
        check("a b\u{e9}|.m4s", Ok("/live/a/a%20b%C3%A9%7C.m4s"));
        check("seg:1.m4s", Err(NotFollowed::Foreign)); // a scheme, by the grammar
        check("./seg:1.m4s", Ok("/live/a/seg:1.m4s"));
    }

    #[test]
    fn only_the_own_host_is_followed() {
        check("https://media.example:8443/x/seg.m4s", Ok("/x/seg.m4s"));
        check("HTTPS://MEDIA.example.:8443/x", Ok("/x"));
        check("//media.example:8443?a", Ok("/?a"));
        for foreign in [
            "https://other.example/seg.m4s",
            "https://media.example/seg.m4s",
            "https://media.example:8443@other.example/seg.m4s",
            "//127.0.0.1/seg.m4s",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]:9000/status",
            "file:///etc/passwd",
            "data:text/plain,abc",
            "gopher://media.example:8443/",
        ] {
            check(foreign, Err(NotFollowed::Foreign));
        }
    }

    #[test]
    fn what_is_no_reference_is_not_followed() {
        let long = "a".repeat(MAX_REFERENCE + 1);
        for malformed in ["a\0b", "a\\b", "a\tb", "a\u{7f}", "https:seg.m4s", "{$variable}/a", &long] {
            check(malformed, Err(NotFollowed::Malformed));
        }
    }
}
