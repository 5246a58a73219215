//! What every response says of itself, whatever the case: Cache-Status (RFC 9211), Age, Date, its length.

use tidegate_tests::client::{End, Response};

/// Our member of Cache-Status.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) hit: bool,
    pub(super) forwarded: Option<String>,
    pub(super) collapsed: bool,
    pub(super) stored: bool,
    pub(super) ttl: Option<i64>,
}

/// Reasons of RFC 9211 section 2.2.
const REASONS: [&str; 8] = ["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"];

/// Reads our member, the last of the list.
pub(super) fn told(response: &Response) -> Result<Told, String> {
    let lines = response.fields.iter().filter(|(name, _)| name == "cache-status");
    let list = lines.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
    let member = list.rsplit(',').next().unwrap_or_default().trim();
    let mut parts = member.split(';').map(str::trim);
    if parts.next() != Some("tidegate") {
        return Err(format!("no member of this cache at the end of Cache-Status {list:?}"));
    }
    let mut told = Told::default();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "hit" => told.hit = value.is_empty(),
            "fwd" => told.forwarded = Some(value.to_owned()),
            "collapsed" => told.collapsed = value.is_empty(),
            "stored" => told.stored = value.is_empty(),
            "ttl" => told.ttl = Some(value.parse().map_err(|_| format!("ttl {value:?}"))?),
            "fwd-status" => drop(value.parse::<u16>().map_err(|_| format!("fwd-status {value:?}"))?),
            "detail" | "key" if !value.is_empty() => {}
            _ => return Err(format!("parameter {part:?} of Cache-Status")),
        }
    }
    match &told.forwarded {
        // RFC 9211 sections 2.1 and 2.2: exactly one of both.
        None if !told.hit => Err(format!("neither hit nor fwd in {member:?}")),
        Some(_) if told.hit => Err(format!("both hit and fwd in {member:?}")),
        Some(reason) if !REASONS.contains(&reason.as_str()) => Err(format!("reason {reason:?} is not registered")),
        None if told.stored || told.collapsed => Err(format!("stored or collapsed without fwd in {member:?}")),
        // RFC 9111 section 5.1: what came from store has one Age, a number. What is passed on may have the origin's.
        None if age_of(response).is_none() => Err(format!("no Age on what came from store: {member:?}")),
        _ => Ok(told),
    }
}

fn age_of(response: &Response) -> Option<u64> {
    let mut lines = response.fields.iter().filter(|(name, _)| name == "age");
    let age = lines.next()?.1.parse().ok()?;
    lines.next().is_none().then_some(age)
}

/// What no response may have.
const NEVER: [&str; 3] = ["warning", "proxy-connection", "keep-alive"];

/// What is wrong with any response, whatever was asked.
pub(super) fn never_right(response: &Response, method: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if let End::Broken(how) = &response.end {
        wrong.push(format!("body cut: {how}"));
    }
    for name in NEVER.iter().filter(|name| response.field(name).is_some()) {
        wrong.push(format!("field {name}: {:?}", response.field(name)));
    }
    for name in ["date", "content-length", "content-range", "etag", "last-modified"] {
        let count = response.fields.iter().filter(|(candidate, _)| candidate == name).count();
        if count > 1 {
            wrong.push(format!("{count} fields {name}"));
        }
    }
    let length = response.field("content-length").and_then(|length| length.parse::<usize>().ok());
    let has_body = method != "HEAD" && response.status != 304;
    if length.is_some_and(|length| has_body && length != response.body.len()) {
        wrong.push(format!("Content-Length {length:?} and {} bytes", response.body.len()));
    }
    wrong
}
