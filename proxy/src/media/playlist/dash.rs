//! DASH manifests (ISO/IEC 23009-1 section 5.3.1): the attributes of the root element, read without an XML parser.
//!
//! The start tag is looked for outside of comments and declarations; entities in its attributes are not resolved, as
//! the few that are read never hold any. What a manifest lists is read by one, in [`contents`].

mod contents;
mod growth;
mod template;

use std::time::Duration;

pub(super) use contents::list;
pub use growth::Growth;

use super::{Presentation, head};

/// Longest update period believed.
const MAX_PERIOD: Duration = Duration::from_secs(3600);

pub(super) fn inspect(body: &[u8]) -> (Presentation, Option<Duration>) {
    let Some(root) = root_element(head(body)) else {
        return (Presentation::Unknown, None);
    };
    // `static` is the default of the attribute.
    let presentation = match attribute(root, b"type") {
        Some(b"dynamic") => Presentation::Live,
        Some(b"static") | None => Presentation::OnDemand,
        Some(_) => Presentation::Unknown,
    };
    (presentation, attribute(root, b"minimumUpdatePeriod").and_then(duration))
}

/// What stands between `<MPD` and its `>`.
fn root_element(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let open = find(rest, b"<")?;
        rest = &rest[open + 1..];
        let end = if rest.starts_with(b"!--") { find(rest, b"-->")? + 2 } else { tag_end(rest)? };
        let tag = &rest[..end];
        match tag.first() {
            Some(b'!' | b'?') => rest = &rest[end..],
            _ => return attributes_of_root(tag),
        }
    }
}

/// The first element must be MPD, with or without a prefix.
fn attributes_of_root(tag: &[u8]) -> Option<&[u8]> {
    let length = tag.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
    let (name, attributes) = tag.split_at(length);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let local = name.rsplit(|byte| *byte == b':').next()?;
    if local == b"MPD" { Some(attributes) } else { None }
}

/// Where the `>` outside of quoted values stands.
fn tag_end(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    text.iter().position(|byte| match (quote, byte) {
        (None, b'>') => true,
        (None, b'"' | b'\'') => {
            quote = Some(*byte);
            false
        }
        (Some(open), byte) if open == *byte => {
            quote = None;
            false
        }
        _ => false,
    })
}

/// The value of an attribute.
fn attribute<'a>(attributes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = attributes.trim_ascii();
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let name = rest[..equals].trim_ascii();
        let value = rest[equals + 1..].trim_ascii_start();
        let (quote, value) = value.split_first()?;
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let end = value.iter().position(|byte| byte == quote)?;
        if name == wanted {
            return Some(value[..end].trim_ascii());
        }
        rest = value[end + 1..].trim_ascii_start();
    }
}

/// An `xs:duration` of days and less, such as `PT2.5S`: years and months have no fixed length and are not believed.
fn duration(text: &[u8]) -> Option<Duration> {
    long_duration(std::str::from_utf8(text).ok()?, MAX_PERIOD)
}

/// The same with another bound.
fn long_duration(text: &str, longest: Duration) -> Option<Duration> {
    let text = text.trim().strip_prefix('P')?;
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    let mut seconds = 0.0;
    let fields = amounts(days, &[('D', 86400.0)]).chain(amounts(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)]));
    for amount in fields {
        seconds += amount?;
    }
    Duration::try_from_secs_f64(seconds).ok().map(|period| period.min(longest))
}

/// The amounts of a text like `1H30M`, in seconds; nothing for one that is malformed.
fn amounts<'a>(text: &'a str, units: &'a [(char, f64)]) -> impl Iterator<Item = Option<f64>> + 'a {
    text.split_inclusive(|c: char| c.is_ascii_alphabetic()).map(move |amount| {
        let unit = amount.chars().next_back()?;
        let (_, seconds) = units.iter().find(|(name, _)| *name == unit)?;
        let digits = &amount[..amount.len() - unit.len_utf8()];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        Some(digits.parse::<f64>().ok()? * seconds)
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
