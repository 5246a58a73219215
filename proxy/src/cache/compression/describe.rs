//! How a response is described that some get coded.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tidegate_config::model::Coding;

use super::name;

/// What a response is to its client, as far as coding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// Nobody gets it coded.
    Only,
    /// As it is; others may get it coded.
    Plain,
    /// In this coding.
    Coded(Coding),
}

/// Fields that describe the bytes as they were before coding.
static OF_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    header::ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

const VARY_BY_CODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

impl Representation {
    /// Whether a stored field of this name does not describe it.
    #[must_use]
    pub fn replaces(self, field: &HeaderName) -> bool {
        matches!(self, Self::Coded(_)) && OF_THE_BYTES.contains(field)
    }

    /// The lines that it has beside the stored ones, which are `stored`. The length is for who writes it to say.
    ///
    /// The coded form has a weak entity tag: the content is the same and its bytes are not (RFC 9110 section 8.8.1).
    /// If-None-Match compares weakly, so that either form confirms the other, and If-Range never does.
    pub fn fields(self, stored: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let varies = self != Self::Only && !varies_by_coding(stored);
        let vary = varies.then_some((header::VARY, VARY_BY_CODING));
        let (coding, tag) = match self {
            Self::Coded(coding) => {
                let coding = (header::CONTENT_ENCODING, HeaderValue::from_static(name(coding)));
                (Some(coding), stored.get(header::ETAG).and_then(weakened).map(|tag| (header::ETAG, tag)))
            }
            Self::Only | Self::Plain => (None, None),
        };
        vary.into_iter().chain(coding).chain(tag)
    }

    /// Makes fields describe it.
    pub fn describe(self, fields: &mut HeaderMap) {
        let lines: Vec<_> = self.fields(fields).collect();
        if let Self::Coded(_) = self {
            for name in &OF_THE_BYTES {
                fields.remove(name);
            }
        }
        for (name, value) in lines {
            fields.append(name, value);
        }
    }

    /// Makes the fields of a 304 describe it: no coding, as there is no content.
    pub fn describe_unchanged(self, fields: &mut HeaderMap) {
        self.describe(fields);
        fields.remove(header::CONTENT_ENCODING);
    }
}

fn varies_by_coding(fields: &HeaderMap) -> bool {
    let mut elements = fields.get_all(header::VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(b"accept-encoding"))
}

fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    if tag.as_bytes().starts_with(b"W/") {
        return Some(tag.clone());
    }
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
}
