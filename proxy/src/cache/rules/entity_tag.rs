//! Entity tags and their two comparisons (RFC 9110 section 8.8.3).

use http::{HeaderMap, HeaderValue, header};

/// A valid entity tag, as it stood in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

impl EntityTag {
    /// The ETag of a response; nothing when there is none, several, or one that is no entity tag.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::ETAG).iter();
        let first = lines.next()?;
        if lines.next().is_some() { None } else { Self::parse(first) }
    }

    /// An entity tag from a field value.
    #[must_use]
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        match take(value.as_bytes()) {
            Some((_, [])) => Some(Self(value.clone())),
            _ => None,
        }
    }

    /// Whether it is a strong validator.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        !self.0.as_bytes().starts_with(b"W/")
    }

    /// As a field value.
    #[must_use]
    pub fn as_value(&self) -> &HeaderValue {
        &self.0
    }

    /// Strong comparison: both strong and equal.
    #[must_use]
    pub fn strong_eq(&self, other: &Self) -> bool {
        self.is_strong() && self.0 == other.0
    }

    /// What is compared weakly: all but `W/`.
    #[must_use]
    pub fn opaque(&self) -> &[u8] {
        opaque(self.0.as_bytes())
    }

    /// Weak comparison: equal but for `W/`.
    #[must_use]
    pub fn weak_eq(&self, other: &Self) -> bool {
        opaque(self.0.as_bytes()) == opaque(other.0.as_bytes())
    }

    /// Weak comparison with an entity tag as it stands in a list.
    pub(super) fn weak_matches(&self, written: &[u8]) -> bool {
        opaque(self.0.as_bytes()) == opaque(written)
    }

    /// Strong comparison with an entity tag as it stands in a list.
    pub(super) fn strong_matches(&self, written: &[u8]) -> bool {
        self.is_strong() && self.0.as_bytes() == written
    }
}

fn opaque(written: &[u8]) -> &[u8] {
    written.strip_prefix(b"W/").unwrap_or(written)
}

/// Splits an entity tag off the front of a text.
fn take(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let prefix = if text.starts_with(b"W/") { 2 } else { 0 };
    let inner = text.get(prefix..)?.strip_prefix(b"\"")?;
    let length = inner.iter().position(|byte| !is_tag_character(*byte))?;
    if inner[length] != b'"' {
        return None;
    }
    Some(text.split_at(prefix + 1 + length + 1))
}

/// `etagc`: visible characters but the quote, and obs-text. White space is none.
fn is_tag_character(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// What If-Match and If-None-Match hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// `*`.
    Anything,
    /// A list that holds the tag asked about.
    Found,
    /// A list that does not.
    NotFound,
}

/// Looks through all lines of a list field for a tag that `matches`; text that is no entity tag matches nothing.
pub(super) fn look_up<'a>(lines: impl Iterator<Item = &'a HeaderValue>, matches: impl Fn(&[u8]) -> bool) -> Listed {
    for line in lines {
        let mut rest = line.as_bytes().trim_ascii();
        if rest == b"*" {
            return Listed::Anything;
        }
        while !rest.is_empty() {
            rest = match take(rest) {
                Some((tag, _)) if matches(tag) => return Listed::Found,
                Some((_, after)) => after,
                None => skip_element(rest),
            };
            let separators = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).count();
            rest = &rest[separators..];
        }
    }
    Listed::NotFound
}

/// Skips text that is no entity tag, up to the next comma; at least one byte, so that every look-up ends.
fn skip_element(text: &[u8]) -> &[u8] {
    let comma = text.iter().position(|byte| *byte == b',').unwrap_or(text.len());
    &text[comma.max(1)..]
}
