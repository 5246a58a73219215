//! Conditions and ranges for scripts that ask for them: as much of RFC 9110 as a plain file server does.

use super::record::Recorded;
use super::script::{Script, Semantics};

/// Which part of the body an answer has, and under which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it.
    Whole,
    /// 304, without a body.
    NotModified,
    /// 206 with the bytes from `start` up to `end`.
    Part { start: u64, end: u64 },
    /// 416, without a body.
    Unsatisfiable,
}

/// Chooses by the request's fields (RFC 9110 sections 13.2.2 and 14.2).
pub(super) fn select(script: &Script, request: &Recorded, size: u64) -> Selection {
    if script.semantics == Semantics::Verbatim || script.status != 200 {
        return Selection::Whole;
    }
    match script.semantics {
        Semantics::Resource if not_modified(script, request) => return Selection::NotModified,
        Semantics::Confirming if is_conditional(request) => return Selection::NotModified,
        Semantics::Confirming => return Selection::Whole,
        Semantics::Verbatim | Semantics::Resource | Semantics::Ranges => {}
    }
    match request.field("range") {
        Some(range) if request.method == "GET" && if_range_holds(script, request) => part(range, size),
        _ => Selection::Whole,
    }
}

fn is_conditional(request: &Recorded) -> bool {
    request.field("if-none-match").is_some() || request.field("if-modified-since").is_some()
}

fn not_modified(script: &Script, request: &Recorded) -> bool {
    if let Some(condition) = request.field("if-none-match") {
        let weakly = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let tag = script.first("etag").map(weakly);
        return condition == "*" || condition.split(',').any(|candidate| Some(weakly(candidate)) == tag);
    }
    let since = request.field("if-modified-since");
    since.is_some() && since == script.first("last-modified")
}

fn if_range_holds(script: &Script, request: &Recorded) -> bool {
    match request.field("if-range") {
        None => true,
        Some(value) => Some(value) == script.first("etag") || Some(value) == script.first("last-modified"),
    }
}

/// One range of bytes; lists and other units get the whole body.
fn part(range: &str, size: u64) -> Selection {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else {
        return Selection::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), _) if start >= size => Selection::Unsatisfiable,
        (Ok(start), Ok(last)) if last >= start => Selection::Part { start, end: (last + 1).min(size) },
        (Ok(start), Err(_)) if last.is_empty() => Selection::Part { start, end: size },
        (Err(_), Ok(0)) if first.is_empty() => Selection::Unsatisfiable,
        (Err(_), Ok(length)) if first.is_empty() => Selection::Part { start: size.saturating_sub(length), end: size },
        _ => Selection::Whole,
    }
}
