//! Fields of requests, as they come out of a header block.
//!
//! Owns what is true of one field by itself (RFC 9113 section 8.2.1). It is found out once, when the field is entered into
//! the table, and not again for each request that repeats it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

/// What the size of a field has besides name and value (RFC 7541 section 4.1, RFC 9113 section 6.5.2).
pub(super) const OVERHEAD: usize = 32;

/// One field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::listener::http2) enum Field {
    Method(Method),
    /// As it was sent; not checked.
    Scheme(Bytes),
    Authority(HeaderValue),
    /// As it was sent; not checked.
    Path(Bytes),
    /// Marked as sensitive if it must never be entered into a table (RFC 7541 section 6.2.3).
    Regular(HeaderName, HeaderValue),
    /// What no request may have. The block goes on behind it.
    Malformed(Malformed),
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener::http2) enum Malformed {
    /// No token in lower case.
    Name,
    /// A pseudo-header that requests do not have, or that we do not offer.
    PseudoHeader,
    /// Control bytes.
    Value,
    /// No token.
    Method,
}

/// The name of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    UnknownPseudo,
    Regular(HeaderName),
    Malformed,
}

impl Name {
    /// The name that these bytes are.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            b":path" => Self::Path,
            b":authority" => Self::Authority,
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            [b':', ..] => Self::UnknownPseudo,
            // No token (RFC 9110 section 5.6.2), though the type knows it as a name.
            _ if bytes.contains(&b'"') => Self::Malformed,
            _ => HeaderName::from_lowercase(bytes).map_or(Self::Malformed, Self::Regular),
        }
    }

    /// The field with this name and value.
    pub(super) fn with(&self, value: &[u8], indexing: Indexing) -> Field {
        match self {
            Self::Path => Field::Path(Bytes::copy_from_slice(value)),
            Self::Scheme => Field::Scheme(Bytes::copy_from_slice(value)),
            Self::Method => Method::from_bytes(value).map_or(Field::Malformed(Malformed::Method), Field::Method),
            Self::Authority => value_of(value).map_or(Field::Malformed(Malformed::Value), Field::Authority),
            Self::UnknownPseudo => Field::Malformed(Malformed::PseudoHeader),
            Self::Malformed => Field::Malformed(Malformed::Name),
            Self::Regular(name) => {
                let Some(mut value) = value_of(value) else { return Field::Malformed(Malformed::Value) };
                value.set_sensitive(indexing == Indexing::Never);
                Field::Regular(name.clone(), value)
            }
        }
    }
}

/// Whether a field may be entered into tables, here and by those it is passed on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexing {
    Allowed,
    Never,
}

/// The value that these bytes are, if they may be one.
fn value_of(bytes: &[u8]) -> Option<HeaderValue> {
    // White space around it is taken off as in HTTP/1.1: it is malformed (RFC 9113 section 8.2.1), but harmless once nobody
    // sees it, and curl sends a field as its user wrote it.
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let (Some(first), Some(last)) = (bytes.iter().position(is_text), bytes.iter().rposition(is_text)) else {
        return Some(HeaderValue::from_static(""));
    };
    HeaderValue::from_bytes(&bytes[first..=last]).ok()
}
