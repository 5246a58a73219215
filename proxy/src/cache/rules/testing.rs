//! Builders for the tests of the rules.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tidegate_config::ids::CachePolicyName;
use tidegate_config::model::{CachePolicy, MediaDefaults};

use super::freshness::StoredTimes;
use super::request_facts::RequestFacts;
use super::storability::{Assessment, NotStored, assess};
use crate::media::{MediaClass, Presentation};

/// The header fields of lines such as `Cache-Control: no-store`, one a line.
pub(super) fn fields(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).unwrap());
    }
    headers
}

/// 2023-11-14T22:13:20Z, the moment at which responses arrive in the tests.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

pub(super) fn after(seconds: u64) -> SystemTime {
    now() + seconds_of(seconds)
}

pub(super) fn seconds_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn policy() -> CachePolicy {
    CachePolicy::plain(CachePolicyName::parse("tested").unwrap())
}

pub(super) fn heuristic_policy() -> CachePolicy {
    let mut policy = policy();
    policy.heuristic = true;
    policy
}

pub(super) fn media_policy() -> CachePolicy {
    let mut policy = policy();
    policy.media = Some(MediaDefaults::default());
    policy
}

pub(super) fn get(lines: &[&str]) -> RequestFacts {
    RequestFacts::new(&Method::GET, &fields(lines))
}

/// An exchange to assess: a plain GET answered at once, now.
pub(super) struct Exchange {
    pub(super) request: RequestFacts,
    pub(super) status: u16,
    pub(super) policy: CachePolicy,
    pub(super) media: Option<MediaClass>,
    pub(super) presentation: Presentation,
    pub(super) delay: Duration,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            request: get(&[]),
            status: 200,
            policy: policy(),
            media: None,
            presentation: Presentation::Unknown,
            delay: Duration::ZERO,
        }
    }
}

impl Exchange {
    pub(super) fn assess(&self, response: &[&str]) -> Result<StoredTimes, NotStored> {
        assess(&Assessment {
            request: &self.request,
            status: StatusCode::from_u16(self.status).unwrap(),
            headers: &fields(response),
            request_time: now() - self.delay,
            response_time: now(),
            policy: &self.policy,
            media: self.media,
            presentation: self.presentation,
        })
    }
}
