//! Which responses gain by compression: text, by its type, and playlists, also by their first bytes.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tidegate_config::model::CompressionRules;

use crate::media::{MediaClass, recognise};

/// A response as far as it matters.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// Canonical path.
    pub path: &'a str,
    /// Its whole length; absent while not known.
    pub length: Option<u64>,
    /// Its first bytes; absent while none have come.
    pub first_bytes: Option<&'a [u8]>,
}

/// Whether it is coded for those who accept that. `targeted` are fields whose directives replace Cache-Control
/// (RFC 9213); whichever of them says `no-transform` is heard.
#[must_use]
pub fn is_eligible(rules: &CompressionRules, targeted: &[HeaderName], content: &Content<'_>) -> bool {
    let fields = content.fields;
    let of_size = content.length.is_none_or(|length| (rules.min.0..=rules.max.0).contains(&length));
    let kept = std::iter::once(&header::CACHE_CONTROL).chain(targeted);
    of_size && is_compressible(content) && !kept.into_iter().any(|name| forbids_transformation(fields, name.clone()))
}

/// Whether a response may gain by compression by itself, whatever the rules are. What has come whole does not change in
/// that.
#[must_use]
pub fn is_compressible(content: &Content<'_>) -> bool {
    let fields = content.fields;
    content.status == StatusCode::OK
        && !fields.contains_key(header::CONTENT_ENCODING)
        && !fields.contains_key(header::CONTENT_RANGE)
        && !is_compressed(content)
        && is_text(content)
}

/// Whether a field of directives holds `no-transform` (RFC 9111 sections 5.2.1.6 and 5.2.2.6), however it is written: one
/// that is found where it means something else only costs the compression.
pub(super) fn forbids_transformation(fields: &HeaderMap, name: HeaderName) -> bool {
    const DIRECTIVE: &[u8] = b"no-transform";
    let holds =
        |line: &HeaderValue| line.as_bytes().windows(DIRECTIVE.len()).any(|text| text.eq_ignore_ascii_case(DIRECTIVE));
    fields.get_all(name).iter().any(holds)
}

/// Whether its first bytes are those of gzip or zstd, whatever its fields say.
fn is_compressed(content: &Content<'_>) -> bool {
    const MAGIC: [&[u8]; 2] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];
    content.first_bytes.is_some_and(|bytes| MAGIC.iter().any(|magic| bytes.starts_with(magic)))
}

fn is_text(content: &Content<'_>) -> bool {
    let declared = content.fields.get(header::CONTENT_TYPE);
    let essence = declared.map(|value| value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default());
    let essence = essence.map(<[u8]>::trim_ascii);
    essence.is_some_and(is_text_type)
        || matches!(recognise(declared, content.path, content.first_bytes), Some(MediaClass::Playlist(_)))
}

/// Types of text. A stream of events is one, but its events are wanted as they come.
fn is_text_type(essence: &[u8]) -> bool {
    const TYPES: [&str; 11] = [
        "application/json",
        "application/javascript",
        "application/x-javascript",
        "application/xml",
        "application/dash+xml",
        "application/ttml+xml",
        "application/xhtml+xml",
        "application/manifest+json",
        "application/vnd.ms-sstr+xml",
        "application/graphql",
        "image/svg+xml",
    ];
    let is = |known: &str| essence.eq_ignore_ascii_case(known.as_bytes());
    let ends_with = |suffix: &[u8]| {
        essence.len() > suffix.len() && essence[essence.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    let is_plain_text = essence.len() > 5 && essence[..5].eq_ignore_ascii_case(b"text/") && !is("text/event-stream");
    is_plain_text || TYPES.iter().any(|known| is(known)) || ends_with(b"+json") || ends_with(b"+xml")
}
