//! What players say of themselves, as figures of their site: how they start, play and stall.

use std::sync::OnceLock;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::family::Families;
use crate::cmcd::{Cmcd, ObjectType};

/// Media in a player's buffer: a low-latency one holds a second or two, others up to a minute.
const BUFFER_BUCKETS: [f64; 11] = [0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 16.0, 25.0, 40.0, 60.0];
/// From audio of 64 kbit/s to 100 Mbit/s, in bytes a second.
const RATE_BUCKETS: [f64; 11] = [8e3, 32e3, 64e3, 125e3, 250e3, 500e3, 1e6, 2e6, 4e6, 8e6, 12.5e6];

/// Values of the label `object`, in the order of [`index`].
const OBJECTS: [&str; 9] = ["manifest", "audio", "video", "muxed", "init", "text", "key", "other", "unsaid"];

fn index(object: Option<ObjectType>) -> usize {
    match object {
        Some(ObjectType::Manifest) => 0,
        Some(ObjectType::Audio) => 1,
        Some(ObjectType::Video) => 2,
        Some(ObjectType::Muxed) => 3,
        Some(ObjectType::Init) => 4,
        Some(ObjectType::Text) => 5,
        Some(ObjectType::Key) => 6,
        Some(ObjectType::Other) => 7,
        None => 8,
    }
}

/// The families that sites have series in.
#[derive(Clone)]
pub(super) struct CmcdFamilies {
    requests: IntCounterVec,
    startups: IntCounterVec,
    rebuffers: IntCounterVec,
    buffer: HistogramVec,
    bitrate: HistogramVec,
    throughput: HistogramVec,
}

impl CmcdFamilies {
    pub(super) fn register(families: &Families<'_>) -> Self {
        const LABELS: [&str; 2] = ["site", "object"];
        Self {
            requests: families.counters(
                "tidegate_cmcd_requests_total",
                "Requests with which a player said something of itself (CMCD), by what they ask for.",
                &LABELS,
            ),
            startups: families.counters(
                "tidegate_cmcd_startup_requests_total",
                "Requests that players called urgent because they start, seek or recover (su).",
                &LABELS,
            ),
            rebuffers: families.counters(
                "tidegate_cmcd_rebuffers_total",
                "Requests after which players said that their buffer had run empty (bs).",
                &LABELS,
            ),
            buffer: families.histograms(
                "tidegate_cmcd_buffer_seconds",
                "Media in players' buffers when they asked (bl).",
                &LABELS,
                &BUFFER_BUCKETS,
            ),
            bitrate: families.histograms(
                "tidegate_cmcd_bitrate_bytes_per_second",
                "Encoded bitrate of what players asked for (br).",
                &LABELS,
                &RATE_BUCKETS,
            ),
            throughput: families.histograms(
                "tidegate_cmcd_throughput_bytes_per_second",
                "Throughput that players had measured when they asked (mtp).",
                &LABELS,
                &RATE_BUCKETS,
            ),
        }
    }

    fn series(&self, site: &str, object: &str) -> Series {
        let labels = [site, object];
        Series {
            requests: self.requests.with_label_values(&labels),
            startups: self.startups.with_label_values(&labels),
            rebuffers: self.rebuffers.with_label_values(&labels),
            buffer: self.buffer.with_label_values(&labels),
            bitrate: self.bitrate.with_label_values(&labels),
            throughput: self.throughput.with_label_values(&labels),
        }
    }
}

/// Those of one site, made with the first request that needs them.
#[derive(Default)]
pub(super) struct CmcdMetrics([OnceLock<Series>; OBJECTS.len()]);

struct Series {
    requests: IntCounter,
    startups: IntCounter,
    rebuffers: IntCounter,
    buffer: Histogram,
    bitrate: Histogram,
    throughput: Histogram,
}

impl CmcdMetrics {
    pub(super) fn record(&self, families: &CmcdFamilies, site: &str, cmcd: &Cmcd) {
        let index = index(cmcd.object_type);
        let series = self.0[index].get_or_init(|| families.series(site, OBJECTS[index]));
        series.requests.inc();
        series.startups.inc_by(cmcd.startup.into());
        series.rebuffers.inc_by(cmcd.buffer_starved.into());
        if let Some(buffer) = cmcd.buffer_length {
            series.buffer.observe(buffer.as_secs_f64());
        }
        if let Some(bitrate) = cmcd.bitrate {
            series.bitrate.observe(bitrate.bytes() as f64);
        }
        if let Some(throughput) = cmcd.measured_throughput {
            series.throughput.observe(throughput.bytes() as f64);
        }
    }
}
