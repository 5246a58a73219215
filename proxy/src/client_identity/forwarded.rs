//! `Forwarded` (RFC 7239): a list of elements, of which each proxy appends one.
//!
//! Lines are taken apart from the right: what a trusted proxy appended is well-formed, and whatever a client wrote
//! before it, such as a quote that is never closed, cannot reach over it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, header};
use tidegate_config::field::is_token_byte;

use crate::cache::key::Scheme;

/// Parameters of an element: four are defined (section 5), and extensions are hardly used.
const MOST_PARAMETERS: usize = 8;

/// One element, as far as this node cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    /// The address of `for`; absent when it is hidden, unknown or not there.
    pub(super) address: Option<IpAddr>,
    /// `proto`, when it is one that a client can have used here.
    pub(super) scheme: Option<Scheme>,
}

/// The elements, nearest first; `None` is one that is malformed.
pub(super) fn elements(fields: &HeaderMap) -> impl Iterator<Item = Option<Element>> {
    let lines: Vec<&[u8]> = fields.get_all(header::FORWARDED).iter().map(|line| line.as_bytes()).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(FromTheRight)
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(element)
}

/// Parts of a line between commas that are not quoted, the last one first.
struct FromTheRight<'a>(&'a [u8]);

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let line = self.0;
        match last_comma(line) {
            Some(at) => {
                self.0 = &line[..at];
                Some(&line[at + 1..])
            }
            None => {
                self.0 = &[];
                Some(line)
            }
        }
    }
}

fn last_comma(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' => {
                let escapes = line[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                // Escaped only within quotes; an even number of them escape each other.
                quoted = if quoted && escapes % 2 == 1 { quoted } else { !quoted };
            }
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reads `name=value;name="value"` (section 4).
fn element(text: &[u8]) -> Option<Element> {
    let mut found = Element { address: None, scheme: None };
    let (mut seen_for, mut seen_proto) = (false, false);
    let mut rest = text;
    for _ in 0..MOST_PARAMETERS {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case(b"for") {
            // No parameter may occur twice in an element (section 4).
            if std::mem::replace(&mut seen_for, true) {
                return None;
            }
            found.address = node(&value)?;
        } else if name.eq_ignore_ascii_case(b"proto") {
            if std::mem::replace(&mut seen_proto, true) {
                return None;
            }
            found.scheme = scheme(&value);
        }
        match after.trim_ascii_start() {
            [] => return Some(found),
            [b';', more @ ..] => rest = more.trim_ascii_start(),
            _ => return None,
        }
    }
    None
}

/// A parameter and what follows it.
fn pair(text: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let (name, after) = token(text)?;
    let after = after.strip_prefix(b"=")?;
    if let Some(quoted) = after.strip_prefix(b"\"") {
        let (value, after) = quoted_string(quoted)?;
        return Some((name, value, after));
    }
    let (value, after) = token(after)?;
    Some((name, value.to_vec(), after))
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The content of a quoted string (RFC 9110 section 5.6.4) whose opening quote has been read, and what follows it.
fn quoted_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::with_capacity(text.len());
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((content, &text[at + 1..])),
            b'\\' => content.push(*bytes.next()?.1),
            byte => content.push(*byte),
        }
    }
    None
}

/// A node (section 6): its address if it has one. The outer `None` is for what is no node at all.
#[expect(clippy::option_option, reason = "a node that is hidden and text that is no node end differently")]
fn node(value: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, after) = inside.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            return is_port(port).then(|| Some(IpAddr::V6(address).to_canonical()));
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    if !is_port(port) {
        return None;
    }
    if name.eq_ignore_ascii_case("unknown") || name.strip_prefix('_').is_some_and(is_obfuscated) {
        return Some(None);
    }
    name.parse::<Ipv4Addr>().ok().map(|address| Some(IpAddr::V4(address)))
}

/// A number of up to five digits, or hidden as a node may be.
fn is_port(port: Option<&str>) -> bool {
    port.is_none_or(|port| match port.strip_prefix('_') {
        Some(hidden) => is_obfuscated(hidden),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    })
}

fn is_obfuscated(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

pub(super) fn scheme(value: &[u8]) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| value.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
}

#[cfg(test)]
mod tests;
