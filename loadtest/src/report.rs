//! What a run reports, for people and for programs.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::histogram::Histogram;
use crate::tally::{Failures, Tally};

/// Form of the JSON; changes when a field changes its meaning.
const VERSION: u32 = 1;

/// The first response, fetched before the clock started.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FirstResponse {
    /// Its status.
    pub status: u16,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// Its fields in the order received, the pseudo-field `:status` too.
    pub fields: Vec<(String, String)>,
}

/// The outcome of one run. Rates and latencies are of requests that were answered as expected.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    version: u32,
    protocol: &'static str,
    url: String,
    connections: u32,
    streams: u32,
    /// Seconds from the first request to the end of the last response.
    seconds: f64,
    requests: u64,
    requests_per_second: f64,
    body_bytes: u64,
    body_bytes_per_second: f64,
    latency_microseconds: Latencies,
    failed: u64,
    failures: Failures,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure: Option<String>,
    reconnections: u64,
    first_response: FirstResponse,
}

/// Latencies in microseconds; percentiles are rounded up by less than 0.8 %.
#[derive(Debug, Clone, Copy, Serialize)]
struct Latencies {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Latencies {
    fn of(histogram: &Histogram) -> Self {
        let microseconds = |duration: Duration| duration.as_nanos() as f64 / 1000.0;
        let quantile = |share| microseconds(histogram.quantile(share));
        Self {
            mean: microseconds(histogram.mean()),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: microseconds(histogram.largest()),
        }
    }
}

/// What was asked for, as the report repeats it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub protocol: &'static str,
    pub url: String,
    pub connections: u32,
    pub streams: u32,
}

impl Report {
    pub(crate) fn new(asked: Asked, first_response: FirstResponse, start: Instant, tally: &Tally) -> Self {
        let seconds = tally.elapsed(start).as_secs_f64();
        let rate = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
        let requests = tally.latencies.count();
        Self {
            version: VERSION,
            protocol: asked.protocol,
            url: asked.url,
            connections: asked.connections,
            streams: asked.streams,
            seconds,
            requests,
            requests_per_second: rate(requests),
            body_bytes: tally.body_bytes,
            body_bytes_per_second: rate(tally.body_bytes),
            latency_microseconds: Latencies::of(&tally.latencies),
            failed: tally.failures.total(),
            failures: tally.failures,
            first_failure: tally.first_failure.clone(),
            reconnections: tally.reconnections,
            first_response,
        }
    }

    /// Whether something was answered, and everything as expected.
    pub fn is_clean(&self) -> bool {
        self.requests > 0 && self.failed == 0
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let latency = &self.latency_microseconds;
        writeln!(out, "{} {}", self.protocol, self.url)?;
        writeln!(out, "  {} connections, {} streams each", self.connections, self.streams)?;
        let (rate, seconds) = (self.requests_per_second, self.seconds);
        writeln!(out, "  {} requests in {seconds:.3} s: {rate:.0} a second", self.requests)?;
        let mebibytes = self.body_bytes_per_second / (1024.0 * 1024.0);
        writeln!(out, "  {} bytes of bodies: {mebibytes:.1} MiB a second", self.body_bytes)?;
        writeln!(
            out,
            "  latency in µs: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, longest {:.0}, mean {:.0}",
            latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max, latency.mean
        )?;
        writeln!(out, "  failed {}, reconnected {}", self.failed, self.reconnections)?;
        if let Some(words) = &self.first_failure {
            writeln!(out, "  first failure: {words}")?;
        }
        writeln!(out, "  first response, {} bytes of body:", self.first_response.body_bytes)?;
        self.first_response.fields.iter().try_for_each(|(name, value)| writeln!(out, "    {name}: {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Failure;

    fn report(fill: impl FnOnce(&mut Tally, Instant)) -> Report {
        let start = Instant::now();
        let mut tally = Tally::default();
        fill(&mut tally, start);
        let asked = Asked { protocol: "h3", url: "https://a/".to_owned(), connections: 1, streams: 2 };
        let first = FirstResponse { status: 200, body_bytes: 5, fields: vec![("age".to_owned(), "7".to_owned())] };
        Report::new(asked, first, start, &tally)
    }

    #[test]
    fn rates_are_over_the_time_to_the_last_response() {
        let report = report(|tally, start| {
            tally.succeed(start, start + Duration::from_secs(1), 5);
            tally.succeed(start + Duration::from_secs(1), start + Duration::from_secs(2), 5);
        });
        assert!(report.is_clean());
        assert_eq!((report.requests_per_second, report.body_bytes_per_second), (1.0, 5.0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["latency_microseconds"]["p50"], 1_000_000.0);
        assert_eq!(json["first_response"]["fields"][0][0], "age");
        assert!(report.to_string().contains("2 requests in 2.000 s: 1 a second"));
    }

    #[test]
    fn a_run_with_a_failure_or_without_an_answer_is_not_clean() {
        assert!(!report(|_, _| ()).is_clean());
        let failed = report(|tally, start| {
            tally.succeed(start, start, 5);
            tally.fail(Failure::Status, 1, || "status 500".to_owned());
            tally.fail(Failure::Length, 0, || "never".to_owned());
        });
        assert!(!failed.is_clean());
        assert_eq!(failed.failed, 1);
        assert!(failed.to_string().contains("first failure: status 500"));
    }
}
