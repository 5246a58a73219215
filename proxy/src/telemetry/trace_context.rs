//! W3C Trace Context, Recommendation of 23 November 2021: what a client sent, checked, and what the origin gets.
//!
//! The node takes part as one hop: the trace id and the sampled flag pass on, the parent id becomes this node's own.
//! It records no spans. What is invalid is replaced by a new trace, and `tracestate` then goes with it (section 3.3).

use std::fmt;

use super::RequestId;

/// Most bytes of `tracestate` that pass on; section 3.3.1.5 asks for at least 512.
const MAX_STATE_BYTES: usize = 1024;
/// Most members of `tracestate` (section 3.3.1.1).
const MAX_STATE_MEMBERS: usize = 32;
/// Longest key of a member (section 3.3.1.3.1).
const MAX_KEY_LENGTH: usize = 256;
/// Longest value of a member (section 3.3.1.3.2).
const MAX_VALUE_LENGTH: usize = 256;
/// `sampled` (section 3.2.2.5.1), the one flag version 00 knows; the others are set to zero on the way on.
const SAMPLED: u8 = 1;
/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const PARENT_LENGTH: usize = 55;

/// The value of `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// Names the whole trace; never zero.
    pub trace_id: u128,
    /// Names the hop that sent the request; never zero.
    pub parent_id: u64,
    /// Version 00 knows the lowest bit only.
    pub flags: u8,
}

/// The trace of one request as it goes on to the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// With this node as the parent.
    pub parent: TraceParent,
    /// `tracestate` to pass on, its fields joined.
    pub state: Option<String>,
}

impl TraceParent {
    /// Parses one field value (section 3.2.2), strictly: lower-case hexadecimal digits only, no zero ids, not version
    /// `ff`. Of a later version the known part is read when a dash follows it (section 3.2.4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let known = value.get(..PARENT_LENGTH)?;
        let version = parse_hex(&known[..2])?;
        let rest = &value[PARENT_LENGTH..];
        let length_fits = rest.is_empty() || (version != 0 && rest[0] == b'-');
        let dashes_fit = [2, 35, 52].into_iter().all(|position| known[position] == b'-');
        if version == 0xff || !length_fits || !dashes_fit {
            return None;
        }
        let trace_id = parse_hex(&known[3..35])?;
        let parent_id = u64::try_from(parse_hex(&known[36..52])?).ok()?;
        let flags = u8::try_from(parse_hex(&known[53..55])?).ok()?;
        (trace_id != 0 && parent_id != 0).then_some(Self { trace_id, parent_id, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl TraceContext {
    /// Continues the trace a client sent, or starts one that is named like the request. `traceparent` must come once
    /// to be valid; `tracestate` may come in several fields (section 3.3.1).
    #[must_use]
    pub fn resume<'a>(
        parents: impl IntoIterator<Item = &'a [u8]>,
        states: impl IntoIterator<Item = &'a [u8]>,
        request: RequestId,
    ) -> Self {
        let mut parents = parents.into_iter();
        let received = match (parents.next().map(TraceParent::parse), parents.next()) {
            (Some(parent), None) => parent,
            _ => None,
        };
        let parent_id = request.span_id();
        match received {
            Some(parent) => Self {
                parent: TraceParent { parent_id, flags: parent.flags & SAMPLED, ..parent },
                state: join_states(states),
            },
            None => Self::start(request),
        }
    }

    /// A trace that begins with this request and is named like it.
    #[must_use]
    pub fn start(request: RequestId) -> Self {
        let parent = TraceParent { trace_id: request.as_u128(), parent_id: request.span_id(), flags: 0 };
        Self { parent, state: None }
    }
}

fn parse_hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// Joins the fields of `tracestate` into one list. An invalid list is dropped as a whole (section 3.3.1.1); from one
/// that is too long members are dropped at its end, the oldest ones, whole (section 3.3.1.5).
fn join_states<'a>(states: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut joined = String::new();
    let mut keys: Vec<&str> = Vec::new();
    for field in states {
        for member in str::from_utf8(field).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue; // allowed, and worth nothing (section 3.3.1.2)
            }
            let key = member_key(member)?;
            if keys.len() == MAX_STATE_MEMBERS || keys.contains(&key) {
                return None;
            }
            keys.push(key);
            if joined.len() + 1 + member.len() <= MAX_STATE_BYTES {
                if !joined.is_empty() {
                    joined.push(',');
                }
                joined.push_str(member);
            }
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// The key of a valid member (section 3.3.1.3).
fn member_key(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let starts_well = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let key_fits = key.len() <= MAX_KEY_LENGTH
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'));
    let value_fits = (1..=MAX_VALUE_LENGTH).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
    (starts_well && key_fits && value_fits).then_some(key)
}

#[cfg(test)]
mod tests;
