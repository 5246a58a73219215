//! Ways into the parsers of listeners for `crate::fuzzing`, which checks what is true of them; nothing else uses them.

use bytes::Bytes;
use http::Request;
use tidegate_config::model::Limits;

use super::{http1, http2, http3, request_head};

/// Bytes of the header section at the front, if it is whole and accepted.
#[must_use]
pub(crate) fn head_length(bytes: &[u8], limits: &Limits) -> Option<usize> {
    http1::head_length(bytes, limits)
}

/// Bytes of the chunked body that these pieces begin with, if it is whole and accepted.
#[must_use]
pub(crate) fn chunked_length<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> Option<usize> {
    let mut scanner = http1::ChunkScanner::default();
    let length = pieces.try_fold(0, |length, piece| scanner.advance(piece).map(|taken| length + taken));
    length.ok().filter(|_| scanner.has_ended())
}

/// Checks the header blocks of one connection over HTTP/2.
pub(crate) fn header_blocks(bytes: &[u8]) {
    http2::hpack::fuzzing::check_blocks(bytes);
}

/// Whether a field section has its pseudo-headers once and in front.
#[must_use]
pub(crate) fn pseudo_headers_are_well_placed(section: &[u8]) -> bool {
    http3::pseudo_headers_are_well_placed(section)
}

/// What an HTTP/1.1 origin would be asked for a request of HTTP/3, if it is accepted, and the length of its body.
#[must_use]
pub(crate) fn http1_head_of(request: Request<()>, limits: &Limits) -> Option<(Bytes, Option<u64>)> {
    request_head::http1_head_of(request, limits)
}
