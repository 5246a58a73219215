//! What makes a key.

use http::{HeaderName, header};

use super::header_field::any_field_name;
use super::host_pattern::check_host;
use super::range::check_length;
use crate::document::{KeyFields, QueryField};
use crate::field::{is_of_connection, is_token};
use crate::model::{KeyRules, QueryRule};
use crate::source::{Place, Report};

/// Names of arguments of one policy: each argument of each request is compared with all of them.
const MAX_ARGUMENTS: usize = 64;
/// Bytes of an argument's name: no longer one is in use anywhere, and requests may be full of them.
const MAX_ARGUMENT_BYTES: usize = 128;
/// Fields or cookies in a key: each is looked for in every request, and each multiplies what is stored.
const MAX_VALUES: usize = 16;
/// The argument that never counts (CTA-5004 section 3.2).
const CMCD: &str = "CMCD";

/// Fields that say what of a response is wanted, which response a client has, where it goes, or who it is.
const NOT_OF_KEYS: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    HeaderName::from_static("cdn-loop"),
    header::FORWARDED,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::PRAGMA,
    header::RANGE,
    header::VIA,
];

/// Tells what of the rules makes no sense.
pub(super) fn check_key(fields: &KeyFields, place: &Place<'_>, report: &mut Report) {
    if let Some(Err(expected)) = fields.host.as_deref().map(check_host) {
        report.at(&place.field("host"), expected);
    }
    let query = place.field("query");
    match &fields.query {
        QueryField::Keep | QueryField::Drop => {}
        QueryField::Only(names) => check_arguments(names, Wildcards::Refused, &query.field("only"), report),
        QueryField::Except(names) => check_arguments(names, Wildcards::AtTheEnd, &query.field("except"), report),
    }
    check_headers(&fields.headers, &place.field("headers"), report);
    check_cookies(&fields.cookies, &place.field("cookies"), report);
}

/// The rules as far as they make sense.
pub(super) fn convert_key(fields: &KeyFields) -> KeyRules {
    KeyRules {
        host: fields.host.clone(),
        query: match &fields.query {
            QueryField::Keep => QueryRule::Keep,
            QueryField::Drop => QueryRule::Drop,
            QueryField::Only(names) => QueryRule::Only(names.clone()),
            QueryField::Except(names) => QueryRule::Except(names.clone()),
        },
        sort_query: fields.sort_query,
        headers: fields.headers.iter().filter_map(|name| name.parse().ok()).collect(),
        cookies: fields.cookies.clone(),
        country: fields.country,
        device: fields.device,
        no_vary_search: fields.no_vary_search,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Refused,
    AtTheEnd,
}

fn check_arguments(names: &[String], wildcards: Wildcards, list: &Place<'_>, report: &mut Report) {
    if names.is_empty() {
        report.at(list, "at least one name (`keep` takes all arguments, `drop` none)");
    }
    if !check_length(names.len(), MAX_ARGUMENTS, list, report) {
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let place = list.element(index);
        let literal = match wildcards {
            Wildcards::AtTheEnd => name.strip_suffix('*').unwrap_or(name),
            Wildcards::Refused => name,
        };
        if names[..index].contains(name) {
            report.at(&place, "each name once");
        } else if name == CMCD && wildcards == Wildcards::Refused {
            report.at(&place, "another name: CMCD is never part of a key");
        } else if literal.contains('*') && wildcards == Wildcards::Refused {
            report.at(&place, "a name without `*`, which `except` alone knows");
        } else if literal.contains('*') {
            report.at(&place, "`*` at the end alone");
        } else if name.is_empty() || name.len() > MAX_ARGUMENT_BYTES || name.chars().any(char::is_control) {
            let expected = format!("the name of an argument as decoded, 1 to {MAX_ARGUMENT_BYTES} printable bytes");
            report.at(&place, expected);
        }
    }
}

fn check_headers(names: &[String], list: &Place<'_>, report: &mut Report) {
    if !check_length(names.len(), MAX_VALUES, list, report) {
        return;
    }
    let mut seen: Vec<HeaderName> = Vec::new();
    for (index, text) in names.iter().enumerate() {
        let place = list.element(index);
        let Some(name) = any_field_name(text, &place, report) else { continue };
        if seen.contains(&name) {
            report.at(&place, "each field once");
        } else if name == header::COOKIE {
            report.at(&place, "another field: `cookies` names those that count");
        } else if NOT_OF_KEYS.contains(&name) || is_of_connection(&name) || name.as_str().starts_with("x-forwarded-") {
            report.at(&place, "another field: this one does not say which response is meant");
        }
        seen.push(name);
    }
}

fn check_cookies(names: &[String], list: &Place<'_>, report: &mut Report) {
    if !check_length(names.len(), MAX_VALUES, list, report) {
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let place = list.element(index);
        if names[..index].contains(name) {
            report.at(&place, "each cookie once");
        } else if !is_token(name.as_bytes()) {
            report.at(&place, "the name of a cookie (RFC 6265 section 4.1.1)");
        }
    }
}
