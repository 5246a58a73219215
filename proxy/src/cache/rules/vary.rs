//! Vary: which request fields select a variant, and the key they make (RFC 9111 section 4.1).
//!
//! Owns the normalisation of the selecting fields: it may only join what means the same.

use http::{HeaderMap, HeaderName, header};

use crate::cache::key::{COUNTRY, DEVICE};

/// Most field names that a Vary may list. Real ones name up to four; more would let one origin bloat every key.
const MAX_NAMES: usize = 16;

/// Fields that every origin reads as lists (RFC 9110 section 12.5, RFC 9111 section 5.2, RFC 7240 section 2), whatever
/// their spelling. Any other one an origin may take for one string, as it may answer `gold,` otherwise than `gold`: in a
/// fill it is sent as one client sent it, so that only those who send the same bytes may share the answer.
const LISTS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    HeaderName::from_static("prefer"),
];

/// Stands between lines of a field that is no list; no value can have it (RFC 9110 section 5.5).
const BETWEEN_LINES: u8 = 2;

/// What a response's Vary asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VaryRule {
    /// No Vary: one variant.
    #[default]
    None,
    /// `*`, or what cannot be understood: never matches another request; not stored.
    Any,
    /// These fields, sorted, each once.
    Names(Box<[HeaderName]>),
}

impl VaryRule {
    /// Reads all lines of Vary.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut names: Vec<HeaderName> = Vec::new();
        for line in headers.get_all(header::VARY) {
            for element in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if element.is_empty() {
                    continue;
                }
                match HeaderName::from_bytes(element) {
                    // What this node tells origins of a client is a part of the key itself, wherever it is told.
                    Ok(name) if name == DEVICE || name == COUNTRY => {}
                    // `*` is a token and thus parses as a name.
                    Ok(name) if name.as_str() != "*" => names.push(name),
                    _ => return Self::Any,
                }
            }
        }
        names.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
        names.dedup();
        match names.len() {
            0 => Self::None,
            1..=MAX_NAMES => Self::Names(names.into_boxed_slice()),
            _ => Self::Any,
        }
    }

    /// Appends to `key` what distinguishes the variant of a request with these fields; nothing for [`Self::None`].
    ///
    /// For each field its name, then either nothing (absent: it matches only absence) or 0x01 and the normalised
    /// value, then 0x00. Field values hold neither byte nor what stands between lines, so that different fields cannot
    /// make the same key.
    pub fn write_variant_key(&self, request: &HeaderMap, key: &mut Vec<u8>) {
        let Self::Names(names) = self else {
            return;
        };
        for name in names {
            key.extend_from_slice(name.as_str().as_bytes());
            if request.contains_key(name) {
                key.push(1);
                write_normalised(name, request, key);
            }
            key.push(0);
        }
    }

    /// What distinguishes the variant of a request with these fields. Unbounded as the fields are: hash it.
    #[must_use]
    pub fn variant_key(&self, request: &HeaderMap) -> Vec<u8> {
        let mut key = Vec::new();
        self.write_variant_key(request, &mut key);
        key
    }
}

/// The value of a field as it counts in keys: what is certain to mean the same is the same.
#[must_use]
pub fn normalised(name: &HeaderName, request: &HeaderMap) -> Vec<u8> {
    let mut value = Vec::new();
    write_normalised(name, request, &mut value);
    value
}

fn write_normalised(name: &HeaderName, request: &HeaderMap, key: &mut Vec<u8>) {
    if !LISTS.contains(name) {
        return write_lines(name, request, key);
    }
    let elements = request.get_all(name).iter().flat_map(|line| elements(line.as_bytes()));
    if *name == header::ACCEPT_ENCODING {
        write_codings(elements, key);
    } else {
        let lower = *name == header::ACCEPT_LANGUAGE; // language ranges know no case (RFC 4647 section 2)
        let start = key.len();
        write_list(elements, key);
        if lower {
            key[start..].make_ascii_lowercase();
        }
    }
}

/// The lines of a field as they are sent, but for the white space around them, which is none of the value
/// (RFC 9110 section 5.5).
fn write_lines(name: &HeaderName, request: &HeaderMap, key: &mut Vec<u8>) {
    for (index, line) in request.get_all(name).iter().enumerate() {
        if index > 0 {
            key.push(BETWEEN_LINES);
        }
        key.extend_from_slice(line.as_bytes().trim_ascii());
    }
}

/// Elements of a list over several lines, without the white space around them and without empty ones
/// (RFC 9110 sections 5.2, 5.3 and 5.6.1).
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    let parts = line.split(move |byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' if quoted => {
            escaped = true;
            false
        }
        b'"' => {
            quoted = !quoted;
            false
        }
        byte => *byte == b',' && !quoted,
    });
    parts.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn write_list<'a>(elements: impl Iterator<Item = &'a [u8]>, key: &mut Vec<u8>) {
    for (index, element) in elements.enumerate() {
        if index > 0 {
            key.push(b',');
        }
        key.extend_from_slice(element);
    }
}

/// Codings in alphabetical order, lower case, without repetitions: their order has no meaning (RFC 9110 section 12.5.3).
fn write_codings<'a>(elements: impl Iterator<Item = &'a [u8]>, key: &mut Vec<u8>) {
    let mut codings: Vec<Vec<u8>> = elements.map(coding).collect();
    codings.sort_unstable();
    codings.dedup();
    write_list(codings.iter().map(Vec::as_slice), key);
}

/// A coding with its weight, in one spelling: no white space, the registered name, and no weight of one.
fn coding(element: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = element.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    text.make_ascii_lowercase();
    if text.starts_with(b"x-gzip") || text.starts_with(b"x-compress") {
        text.drain(..2); // RFC 9110 section 8.4.1: recipients treat these as equivalent
    }
    if let Some(position) = text.windows(3).position(|window| window == b";q=") {
        let weight = shortest_weight(&text[position + 3..]);
        let keep = if weight == b"1" { position } else { position + 3 + weight.len() };
        text.truncate(keep);
    }
    text
}

/// A weight without trailing zeros: `1.000` is `1`, `0.50` is `0.5`.
fn shortest_weight(weight: &[u8]) -> &[u8] {
    if !weight.contains(&b'.') {
        return weight;
    }
    let zeros = weight.iter().rev().take_while(|byte| **byte == b'0').count();
    let cut = &weight[..weight.len() - zeros];
    cut.strip_suffix(b".").unwrap_or(cut)
}

#[cfg(test)]
mod tests;
