//! Reading Range and If-Range (RFC 9110 sections 14.2 and 13.1.5).

use http::{HeaderMap, header};

use super::Resolved;
use super::resolve;
use crate::cache::rules::entity_tag::EntityTag;

/// Most ranges that are read from one Range before overlaps are joined. Players ask for one, PDF viewers for some
/// ten; a Range with more is ignored, which RFC 9110 section 14.2 allows for just this.
pub const MAX_ASKED_RANGES: usize = 64;

/// One asked range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-last`, both inclusive.
    FromTo(u64, u64),
    /// `first-`.
    From(u64),
    /// `-length`: so many bytes at the end.
    Suffix(u64),
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeRequest {
    /// The whole: no Range, or one that is ignored.
    Whole,
    /// One range.
    One(RangeSpec),
    /// Two or more.
    Many(Vec<RangeSpec>),
}

impl RangeRequest {
    /// Reads the Range of a GET (it has no meaning with other methods) that goes for a representation with this
    /// entity tag. An If-Range that does not hold makes it the whole.
    #[must_use]
    pub fn parse(headers: &HeaderMap, etag: Option<&EntityTag>) -> Self {
        let mut lines = headers.get_all(header::RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Self::Whole; // none, or several, which is no valid Range: it is not a list field
        };
        if !if_range_holds(headers, etag) {
            return Self::Whole;
        }
        match line.to_str().ok().and_then(specs) {
            None => Self::Whole,
            Some(specs) => match specs.as_slice() {
                [] => Self::Whole,
                [one] => Self::One(*one),
                _ => Self::Many(specs),
            },
        }
    }

    /// What of it exists in a representation of this length; `None` is a length not known yet.
    #[must_use]
    pub fn resolve(&self, length: Option<u64>) -> Resolved {
        resolve::resolve(self, length)
    }
}

/// Only a strong entity tag holds. A date would be allowed by RFC 9110 section 13.1.5, but a second holds several
/// versions of a live object, and a part of the wrong one breaks a player.
fn if_range_holds(headers: &HeaderMap, etag: Option<&EntityTag>) -> bool {
    let mut lines = headers.get_all(header::IF_RANGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(line), None) => etag.is_some_and(|etag| etag.strong_matches(line.as_bytes().trim_ascii())),
        _ => false,
    }
}

/// The ranges of a `bytes` Range; nothing when any part of it is invalid (RFC 9110 section 14.2: it is ignored then).
fn specs(text: &str) -> Option<Vec<RangeSpec>> {
    let (unit, set) = text.trim().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for element in set.split(',').map(|element| element.trim_matches([' ', '\t'])) {
        if element.is_empty() {
            continue; // RFC 9110 section 5.6.1.2
        }
        if specs.len() == MAX_ASKED_RANGES {
            return None;
        }
        specs.push(spec(element)?);
    }
    Some(specs)
}

fn spec(element: &str) -> Option<RangeSpec> {
    let (first, last) = element.split_once('-')?;
    if first.is_empty() {
        return Some(RangeSpec::Suffix(position(last)?));
    }
    let first = position(first)?;
    if last.is_empty() {
        return Some(RangeSpec::From(first));
    }
    let last = position(last)?;
    if last < first { None } else { Some(RangeSpec::FromTo(first, last)) }
}

/// Digits as a number; what exceeds 64 bits exceeds every representation too and is capped.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |sum: u64, digit: u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.bytes().fold(0, number))
}
