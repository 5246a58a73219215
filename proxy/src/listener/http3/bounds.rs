//! The limits of the node document in the form this listener uses them, taken once a connection.

use std::time::Duration;

use tidegate_config::model::Limits;

use crate::listener::request_head::HeadBounds;

/// What RFC 9114 section 4.2.2 adds to the size of a field section for each field.
const FIELD_OVERHEAD: u64 = 32;

/// What one connection and its requests may use.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Requests at the same time.
    pub(super) streams: u32,
    /// Requests altogether.
    pub(super) requests: u32,
    /// Names and values of one request.
    pub(super) header_bytes: u64,
    /// Fields of one request.
    pub(super) header_count: usize,
    /// Its target.
    pub(super) target_bytes: usize,
    /// The QUIC handshake.
    pub(super) handshake_timeout: Duration,
    /// From the first byte of a request to the end of its field section.
    pub(super) header_timeout: Duration,
    /// Between two pieces of a request body.
    pub(super) body_timeout: Duration,
    /// A response that the client does not take.
    pub(super) write_timeout: Duration,
    /// A connection on which nothing happens.
    pub(super) idle_timeout: Duration,
    /// A connection's whole life.
    pub(super) lifetime: Duration,
}

impl Bounds {
    /// The size of a field section as HTTP/3 counts it.
    pub(super) fn field_section_size(&self) -> u64 {
        self.header_bytes.saturating_add(FIELD_OVERHEAD.saturating_mul(self.header_count as u64))
    }

    /// What a request's head may measure.
    pub(super) fn head(&self) -> HeadBounds {
        HeadBounds { header_count: self.header_count, target_bytes: self.target_bytes }
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            streams: limits.streams,
            requests: limits.requests_per_connection,
            header_bytes: limits.header_bytes.0,
            header_count: limits.header_count,
            target_bytes: limits.target_bytes.as_usize(),
            handshake_timeout: limits.handshake_timeout,
            header_timeout: limits.header_timeout,
            body_timeout: limits.body_timeout,
            write_timeout: limits.write_timeout,
            idle_timeout: limits.idle_timeout,
            lifetime: limits.connection_lifetime,
        }
    }
}
