//! What operators ask for: a URL and how much of what it leads to.

use serde::Deserialize;

use super::WarmSite;
use crate::routing::CanonicalHost;

/// Most fetches of one job at the same time: enough to keep an origin busy, few enough to leave it to clients.
const MAX_CONCURRENCY: usize = 32;

const DEFAULT_CONCURRENCY: usize = 4;

/// Most URLs of one job.
const MAX_LIMIT: usize = 100_000;

const DEFAULT_LIMIT: usize = 10_000;

/// Longest URL; origins take no longer ones.
const MAX_URL: usize = 8192;

/// A job as it was asked for, within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmOrder {
    pub(super) site: WarmSite,
    pub(super) target: String,
    pub(super) concurrency: usize,
    pub(super) limit: usize,
    /// Whether it ends when nobody asks about it any more.
    pub(super) followed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    url: String,
    concurrency: Option<usize>,
    limit: Option<usize>,
    #[serde(default)]
    followed: bool,
}

impl WarmOrder {
    /// Reads `{"url": ..., "concurrency": ..., "limit": ..., "followed": ...}`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
        let (site, target) = split(&document.url)?;
        let within = |name: &str, value: usize, most: usize| match value {
            1.. if value <= most => Ok(value),
            _ => Err(format!("{name} is {value}, not 1 to {most}")),
        };
        let concurrency = within("concurrency", document.concurrency.unwrap_or(DEFAULT_CONCURRENCY), MAX_CONCURRENCY)?;
        let limit = within("limit", document.limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
        Ok(Self { site, target, concurrency, limit, followed: document.followed })
    }
}

/// Site and target of a URL. Not quoted in errors: it may carry tokens.
fn split(url: &str) -> Result<(WarmSite, String), String> {
    let scheme = url.split_once("://");
    let (tls, rest) = match scheme {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return Err("url is not http://HOST/PATH or https://HOST/PATH".to_owned()),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if url.len() > MAX_URL || CanonicalHost::parse(authority.as_bytes()).is_err() {
        return Err("url has no valid host, or is longer than 8192 bytes".to_owned());
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("url has bytes that no URL has".to_owned());
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((WarmSite { tls, authority: authority.to_owned() }, target))
}
