//! Answers that a listener gives itself, because a request never becomes one that the proxy could see.
//!
//! Owns the reasons and their bytes on HTTP/1. Everything that is a well-formed request within the limits is the
//! proxy's to answer.

use http::StatusCode;

/// Why a request was answered by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestRefusal {
    /// The header section did not come in time (RFC 9110 section 15.5.9).
    HeaderTimeout,
    /// The request target exceeds `limits.target_bytes` (RFC 9110 section 15.5.15).
    TargetTooLong,
    /// Both Content-Length and Transfer-Encoding frame the body (RFC 9112 section 6.3): whoever reads on may see
    /// another request than we do.
    AmbiguousFraming,
    /// Not written as RFC 9112 says; the text tells what is wrong.
    Malformed(&'static str),
    /// A version of HTTP that is not spoken here (RFC 9110 section 15.6.6).
    UnsupportedVersion,
    /// A transfer coding besides `chunked` (RFC 9112 section 6.1).
    UnsupportedCoding,
    /// Fields exceed `limits.header_bytes` or `limits.header_count` (RFC 6585 section 5).
    FieldsTooLarge,
}

impl RequestRefusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::AmbiguousFraming | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::UnsupportedCoding => StatusCode::NOT_IMPLEMENTED,
            Self::FieldsTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The whole response on HTTP/1, after which the connection closes: where the next request would begin is unknown.
    pub(super) fn http1_response(self) -> String {
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or_default();
        format!("HTTP/1.1 {} {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status.as_u16())
    }
}
