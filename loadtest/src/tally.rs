//! What came of the requests of a run.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::histogram::Histogram;

/// Why a request, or a connection, failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A connection could not be made.
    Connect,
    /// The connection was lost.
    ConnectionLost,
    /// The server reset the stream, or stopped reading the request.
    Reset,
    /// The bytes were no HTTP/3.
    Protocol,
    /// Another status than expected.
    Status,
    /// Another length than expected.
    Length,
    /// Not answered within the grace after the run.
    Timeout,
}

/// Failures by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Failures {
    connect: u64,
    connection_lost: u64,
    reset: u64,
    protocol: u64,
    status: u64,
    length: u64,
    timeout: u64,
}

impl Failures {
    fn add(&mut self, failure: Failure, count: u64) {
        *match failure {
            Failure::Connect => &mut self.connect,
            Failure::ConnectionLost => &mut self.connection_lost,
            Failure::Reset => &mut self.reset,
            Failure::Protocol => &mut self.protocol,
            Failure::Status => &mut self.status,
            Failure::Length => &mut self.length,
            Failure::Timeout => &mut self.timeout,
        } += count;
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.connect + self.connection_lost + self.reset + self.protocol + self.status + self.length + self.timeout
    }
}

/// Everything a run counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Time from sending a request to the end of its response, of those answered as expected.
    pub latencies: Histogram,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// When the last of them ended.
    pub last: Option<Instant>,
    /// What failed.
    pub failures: Failures,
    /// The first failure in words.
    pub first_failure: Option<String>,
    /// Connections opened after one ended in good order (GOAWAY).
    pub reconnections: u64,
}

impl Tally {
    /// Counts a response as expected.
    pub(crate) fn succeed(&mut self, start: Instant, end: Instant, body_bytes: u64) {
        self.latencies.record(end.saturating_duration_since(start));
        self.body_bytes += body_bytes;
        self.last = Some(end);
    }

    /// Counts failures of one kind, and keeps the words of the very first.
    pub(crate) fn fail(&mut self, failure: Failure, count: u64, words: impl FnOnce() -> String) {
        if count > 0 {
            self.failures.add(failure, count);
            self.first_failure.get_or_insert_with(words);
        }
    }

    /// From `start` to the last response.
    pub(crate) fn elapsed(&self, start: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.saturating_duration_since(start))
    }
}
