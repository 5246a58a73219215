//! What describes a body, and goes when another takes its place.

use http::{HeaderName, header};

/// Fields that are about the bytes of a body, or about what it is a version of (RFC 9110 sections 8 and 14.4, RFC 9112
/// section 6, RFC 9530).
pub const OF_THE_BODY: [HeaderName; 16] = [
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];
