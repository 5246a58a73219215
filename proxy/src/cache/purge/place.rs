//! Where an object belongs, as purges see it: host, path and query of its key.
//!
//! Neither the scheme nor the partition counts: who purges a URL means what it names, whichever way clients come to it.

use crate::cache::key::CacheKey;

/// Parts of the table that tell of changes apart: a purge of one URL makes one object in so many look at the table again.
pub(super) const PARTS: usize = 256;

/// Host, path and query of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// `host/path?query`, the query as it counts.
    pub(super) url: &'a str,
    /// Bytes of it that are the host.
    host: usize,
    /// Bytes of it before the query.
    path: usize,
    /// Whether many queries share it, so that it has none of its own (`No-Vary-Search`).
    pub(super) is_shared: bool,
}

impl<'a> Place<'a> {
    /// That of a key. One that many queries share (`No-Vary-Search`) is at the place of its path.
    pub(super) fn of(key: &'a CacheKey) -> Self {
        let mut lines = key.resource().split('\n');
        let resource = lines.next().unwrap_or_default();
        // No partition has a colon in its name.
        let url = resource.split_once("://").map_or(resource, |(_, url)| url);
        Self { is_shared: lines.next().is_some(), ..Self::of_url(url) }
    }

    /// Of `host/path?query`.
    pub(super) fn of_url(url: &'a str) -> Self {
        let path = url.find('?').unwrap_or(url.len());
        let host = url[..path].find('/').unwrap_or(path);
        Self { url, host, path, is_shared: false }
    }

    pub(super) fn host(&self) -> &'a str {
        &self.url[..self.host]
    }

    /// Names of sites that the host may belong to: itself, and all domains that it is below.
    pub(super) fn sites(&self) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(self.host()), |name| name.split_once('.').map(|(_, above)| above))
    }

    /// Host and path.
    pub(super) fn path(&self) -> &'a str {
        &self.url[..self.path]
    }

    /// Which part of the table tells of changes of it (FNV-1a over host and path: it need only be even).
    pub(super) fn part(&self) -> u16 {
        let hash = self
            .path()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        u16::try_from((hash >> 32) % PARTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_config::ids::CachePolicyName;
    use tidegate_config::model::CachePolicy;

    use super::*;
    use crate::cache::key::{Scheme, Target};

    #[test]
    fn place_of_a_key_is_that_of_its_url_whatever_its_scheme_partition_and_parts() {
        let policy = CachePolicy::plain(CachePolicyName::parse("p").unwrap());
        let check = |partition: Option<&str>, scheme, query: Option<&str>, url: &str| {
            let target = Target { partition, scheme, host: "a.test", path: "/b/c", query: query.map(str::as_bytes) };
            let key = CacheKey::by(&policy, &target);
            let place = Place::of(&key);
            assert_eq!((place.url, place.path(), place.host()), (url, "a.test/b/c", "a.test"));
        };
        check(None, Scheme::Https, None, "a.test/b/c");
        check(None, Scheme::Http, None, "a.test/b/c");
        check(Some("germany/next"), Scheme::Https, Some("v=1"), "a.test/b/c?v=1");
        check(Some("https"), Scheme::Http, Some("u=https://x/ y"), "a.test/b/c?u=https://x/ y");
    }
}
