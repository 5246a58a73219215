//! What an HTTP/2 client may do, as announced in SETTINGS and kept by the `h2` crate.

use pingora_core::protocols::http::v2::server::H2Options;
use tidegate_config::model::Limits;

/// Request body bytes a client may have on the way on one stream before we read them. Uploads are rare at this node:
/// at 100 ms round trip it allows 2.5 MB/s on a stream.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same on all streams of a connection together, and thereby the memory that unread bodies of one client take:
/// 64 MiB for 64 such clients.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Response bytes a stream may hold that the client has not taken. Large enough to fill a fast connection between two
/// turns of the stream's task, small enough that 128 slow streams stay below 32 MiB.
const SEND_BUFFER: usize = 256 << 10;

/// Streams that we reset and for which late frames are ignored. Twice the usual number of streams in flight.
const RESET_STREAMS: usize = 256;

/// Streams that a client opened and reset before they were accepted (CVE-2023-44487), and streams that we reset
/// because of its errors (CVE-2025-8671). Beyond them `h2` ends the connection with ENHANCE_YOUR_CALM. A browser
/// that leaves a page with all its segments under way stays below.
const PENDING_RESETS: usize = 64;
const ERROR_RESETS: usize = 64;

pub(super) fn server_options(limits: &Limits) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(limits.streams)
        // `h2` counts names, values and 32 bytes a field (RFC 9113 section 6.5.2); ours counts names and values.
        .max_header_list_size(header_list_size(limits))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(ERROR_RESETS));
    options
}

fn header_list_size(limits: &Limits) -> u32 {
    const FIELD_OVERHEAD: usize = 32;
    let overhead = limits.header_count.saturating_mul(FIELD_OVERHEAD);
    let most = limits.header_bytes.as_usize().saturating_add(limits.target_bytes.as_usize()).saturating_add(overhead);
    u32::try_from(most).unwrap_or(u32::MAX)
}
