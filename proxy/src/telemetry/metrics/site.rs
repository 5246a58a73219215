//! Request figures of one site.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use prometheus::{IntCounter, IntCounterVec};

use super::cmcd::{CmcdFamilies, CmcdMetrics};
use super::counted::by_label;
use super::family::Families;
use super::labels::{CacheOutcome, StatusClass};
use super::time_histogram::{Bounds, TimeHistogram, TimeHistograms};
use crate::cmcd::Cmcd;
use crate::listener::Protocol;

/// A hit from memory takes less than a millisecond, a near origin tens, a far one hundreds; players give a segment
/// up within seconds. Twelve bounds keep the series few.
const FIRST_BYTE_BUCKETS: Bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
/// To the last byte it is the client's line that counts: segments take from milliseconds to their playing time,
/// whole films and long polls minutes.
const DURATION_BUCKETS: Bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0];

pub(super) const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// Place of a protocol in arrays over [`PROTOCOLS`].
pub(super) const fn protocol_index(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Http1 => 0,
        Protocol::Http2 => 1,
        Protocol::Http3 => 2,
    }
}

/// What is recorded of a finished request.
#[derive(Debug, Clone, Copy)]
pub struct RequestFigures {
    /// Protocol of the client.
    pub protocol: Protocol,
    /// Status sent.
    pub status: StatusCode,
    /// The cache's part.
    pub cache: CacheOutcome,
    /// From the request's head to the last byte of the response.
    pub duration: Duration,
    /// From the request's head to the first byte of the response; absent when none was sent.
    pub time_to_first_byte: Option<Duration>,
    /// Body bytes received.
    pub request_bytes: u64,
    /// Body bytes sent.
    pub response_bytes: u64,
}

/// The families that sites have series in.
#[derive(Clone)]
pub(super) struct SiteFamilies {
    requests: IntCounterVec,
    first_byte: TimeHistograms,
    duration: TimeHistograms,
    request_bytes: IntCounterVec,
    response_bytes: IntCounterVec,
    cmcd: CmcdFamilies,
}

impl SiteFamilies {
    pub(super) fn register(families: &Families<'_>) -> Self {
        const SITE: [&str; 2] = ["site", "protocol"];
        Self {
            requests: families.counters(
                "tidegate_requests_total",
                "Requests answered, by class of status and by the cache's part.",
                &["site", "protocol", "status", "cache"],
            ),
            first_byte: families.time_histograms(
                "tidegate_time_to_first_byte_seconds",
                "Time from the end of a request's head to the first byte of its response.",
                &FIRST_BYTE_BUCKETS,
            ),
            duration: families.time_histograms(
                "tidegate_request_duration_seconds",
                "Time from the end of a request's head to the last byte of its response.",
                &DURATION_BUCKETS,
            ),
            request_bytes: families.counters("tidegate_request_bytes_total", "Request body bytes received.", &SITE),
            response_bytes: families.counters("tidegate_response_bytes_total", "Response body bytes sent.", &SITE),
            cmcd: CmcdFamilies::register(families),
        }
    }

    /// Requests of a site, by the cache's part.
    pub(super) fn by_cache(&self, site: &str) -> BTreeMap<String, u64> {
        by_label(&self.requests, "cache", &[("site", site)])
    }

    fn transfer(&self, site: &str, protocol: Protocol) -> Transfer {
        let labels = [site, protocol.label()];
        Transfer {
            first_byte: self.first_byte.add(site, protocol.label()),
            duration: self.duration.add(site, protocol.label()),
            request_bytes: self.request_bytes.with_label_values(&labels),
            response_bytes: self.response_bytes.with_label_values(&labels),
        }
    }
}

type ByCacheOutcome = [OnceLock<IntCounter>; CacheOutcome::COUNT];

/// The figures of one site. Series appear with the first request that needs them.
pub struct SiteMetrics {
    name: String,
    families: SiteFamilies,
    by_protocol: [ProtocolMetrics; PROTOCOLS.len()],
    cmcd: CmcdMetrics,
}

#[derive(Default)]
struct ProtocolMetrics {
    requests: [ByCacheOutcome; StatusClass::COUNT],
    transfer: OnceLock<Transfer>,
}

struct Transfer {
    first_byte: Arc<TimeHistogram>,
    duration: Arc<TimeHistogram>,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
}

impl SiteMetrics {
    pub(super) fn new(families: &SiteFamilies, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            families: families.clone(),
            by_protocol: Default::default(),
            cmcd: CmcdMetrics::default(),
        }
    }

    /// Records a finished request.
    pub fn record(&self, figures: &RequestFigures) {
        let slot = &self.by_protocol[protocol_index(figures.protocol)];
        let class = StatusClass::from(figures.status);
        slot.requests[class as usize][figures.cache as usize].get_or_init(|| self.counter(figures, class)).inc();
        let transfer = slot.transfer.get_or_init(|| self.families.transfer(&self.name, figures.protocol));
        transfer.duration.observe(figures.duration);
        if let Some(time_to_first_byte) = figures.time_to_first_byte {
            transfer.first_byte.observe(time_to_first_byte);
        }
        transfer.response_bytes.inc_by(figures.response_bytes);
        if figures.request_bytes > 0 {
            transfer.request_bytes.inc_by(figures.request_bytes);
        }
    }

    /// Records what a player said of itself.
    pub fn record_player(&self, cmcd: &Cmcd) {
        self.cmcd.record(&self.families.cmcd, &self.name, cmcd);
    }

    fn counter(&self, figures: &RequestFigures, class: StatusClass) -> IntCounter {
        let labels = [self.name.as_str(), figures.protocol.label(), class.label(), figures.cache.label()];
        self.families.requests.with_label_values(&labels)
    }
}
