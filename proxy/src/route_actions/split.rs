//! Which pool of a split a request goes to: the same one each time for the same key.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use tidegate_config::model::StickyKey;
use tidegate_steering::sticky_seed;

/// Buckets that keys fall into; a share is a number of them.
pub(super) const BUCKETS: u16 = 10_000;

/// What a request can be divided by.
#[derive(Debug, Clone, Copy)]
pub struct SplitKey<'a> {
    /// Canonical host.
    pub host: &'a str,
    /// Canonical path.
    pub path: &'a str,
    /// The client's address.
    pub client_address: Option<IpAddr>,
    /// Fields of the request.
    pub fields: &'a HeaderMap,
}

/// The number of the part that takes this request; none when it goes to the route's own pool.
///
/// The first part has the lowest buckets and the second one the highest; the third stands behind the first, the fourth
/// before the second, and so on inwards. What is left in the middle is the route's own. So the last two parts grow and
/// shrink only against the route's own share, and with one or two parts no key ever moves between parts.
#[must_use]
pub fn choose_part(by: &StickyKey, shares: impl Iterator<Item = u16>, key: &SplitKey<'_>) -> Option<usize> {
    part_of(shares, bucket(by, key))
}

fn part_of(shares: impl Iterator<Item = u16>, bucket: u16) -> Option<usize> {
    let (mut low, mut high) = (0_u16, BUCKETS);
    for (number, share) in shares.enumerate() {
        let taken = if number % 2 == 0 {
            let end = high.min(low.saturating_add(share));
            std::mem::replace(&mut low, end)..end
        } else {
            let start = low.max(high.saturating_sub(share));
            start..std::mem::replace(&mut high, start)
        };
        if taken.contains(&bucket) {
            return Some(number);
        }
    }
    None
}

/// No salt by route: a player's playlist and segments, which different routes may take, go to the same side.
fn bucket(by: &StickyKey, key: &SplitKey<'_>) -> u16 {
    let hash = match by {
        StickyKey::Path => hash_of_path(key),
        StickyKey::ClientAddress => hash_of_address(key),
        StickyKey::Header(name) => field(key.fields, name).map_or_else(|| hash_of_address(key), sticky_seed),
        StickyKey::Cookie(name) => cookie(key.fields, name).map_or_else(|| hash_of_address(key), sticky_seed),
    };
    u16::try_from(hash % u64::from(BUCKETS)).unwrap_or(0)
}

fn hash_of_path(key: &SplitKey<'_>) -> u64 {
    sticky_seed(&[key.host.as_bytes(), key.path.as_bytes()].concat())
}

fn hash_of_address(key: &SplitKey<'_>) -> u64 {
    match key.client_address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => sticky_seed(&address.octets()),
        Some(IpAddr::V6(address)) => sticky_seed(&address.octets()),
        None => hash_of_path(key),
    }
}

fn field<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    fields.get(name).map(|value| value.as_bytes()).filter(|value| !value.is_empty())
}

/// The value of the first cookie of this name (RFC 6265 section 4.2).
fn cookie<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = fields.get_all(header::COOKIE).into_iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let value = pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
