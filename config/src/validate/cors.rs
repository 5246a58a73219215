//! Cross-origin sharing of a route.

use http::{HeaderName, Method};

use super::header_field::any_field_name;
use super::host_pattern::parse_host_pattern;
use super::range::{check_duration, check_length};
use crate::document::{CorsFields, DurationText};
use crate::model::{CorsRules, HostPattern};
use crate::source::{Place, Report};

/// Origins of one route: each request that names one is compared with all of them.
const MAX_ORIGINS: usize = 256;
/// Methods: as many as IANA has registered.
const MAX_METHODS: usize = 40;
/// Names of fields in one list: all of them are in every answer to a preflight.
const MAX_FIELDS: usize = 64;
/// Browsers keep what preflights say for no less of use and no longer (Chromium: 2 h).
const MAX_AGE: std::ops::RangeInclusive<DurationText> = DurationText::seconds(600)..=DurationText::hours(2);
/// Methods that no page may use (WHATWG Fetch section 2.2.1).
const FORBIDDEN_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// What a route says of other sites' pages.
pub(super) fn cors(fields: &CorsFields, place: &Place<'_>, report: &mut Report) -> CorsRules {
    let origins = place.field("origins");
    if fields.credentials && fields.origins.is_empty() && origins.is_sound() {
        report.at(&origins, "at least one origin: with credentials, every site's pages could act for every user");
    }
    if check_length(fields.origins.len(), MAX_ORIGINS, &origins, report) {
        for (index, origin) in fields.origins.iter().enumerate() {
            let place = origins.element(index);
            if fields.origins[..index].contains(origin) {
                report.at(&place, "each origin once");
            } else if let Err(expected) = check_origin(origin) {
                report.at(&place, expected);
            }
        }
    }
    CorsRules {
        origins: fields.origins.clone(),
        credentials: fields.credentials,
        methods: methods(&fields.methods, &place.field("methods"), report),
        headers: names(&fields.headers, &place.field("headers"), report),
        expose: names(&fields.expose, &place.field("expose"), report),
        max_age: check_duration(fields.max_age, MAX_AGE, &place.field("max_age"), report),
    }
}

/// As browsers write it (RFC 6454 section 6.2): what differs in anything would never be equal to what they send.
fn check_origin(text: &str) -> Result<(), String> {
    let (usual_port, rest) = match text.split_once("://") {
        Some(("https", rest)) => ("443", rest),
        Some(("http", rest)) => ("80", rest),
        _ => return Err("https://host, https://host:port or https://*.suffix; http alike".to_owned()),
    };
    if rest.contains(['/', '?', '#', '@']) {
        return Err("an origin without user, path or query".to_owned());
    }
    let end_of_address = rest.rfind(']').unwrap_or(0);
    let (host, port) = match rest.rfind(':').filter(|at| *at > end_of_address) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    match port {
        Some(port) if port == usual_port => {
            return Err(format!("no usual port, as browsers leave it out: {}", &text[..text.len() - port.len() - 1]));
        }
        Some(port) if port.parse::<u16>().ok().is_none_or(|number| number == 0 || number.to_string() != port) => {
            return Err("a port from 1 to 65535 after the colon".to_owned());
        }
        _ => {}
    }
    match parse_host_pattern(host)? {
        HostPattern::Any => Err("a host after `://`; every origin is allowed where the list is empty".to_owned()),
        _ => Ok(()),
    }
}

fn methods(texts: &[String], list: &Place<'_>, report: &mut Report) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    if texts.is_empty() {
        report.at(list, "at least one method");
    }
    if !check_length(texts.len(), MAX_METHODS, list, report) {
        return methods;
    }
    for (index, text) in texts.iter().enumerate() {
        let place = list.element(index);
        match text.parse::<Method>() {
            Ok(method) if methods.contains(&method) => report.at(&place, "each method once"),
            Ok(_) if FORBIDDEN_METHODS.iter().any(|name| name.eq_ignore_ascii_case(text)) => {
                report.at(&place, "another method: pages may not use this one (WHATWG Fetch section 2.2.1)");
            }
            Ok(method) => methods.push(method),
            Err(_) => report.at(&place, "the name of a method (RFC 9110 section 9.1)"),
        }
    }
    methods
}

fn names(texts: &[String], list: &Place<'_>, report: &mut Report) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = Vec::new();
    if !check_length(texts.len(), MAX_FIELDS, list, report) {
        return names;
    }
    for (index, text) in texts.iter().enumerate() {
        let place = list.element(index);
        match any_field_name(text, &place, report) {
            Some(name) if names.contains(&name) => report.at(&place, "each field once"),
            Some(name) => names.push(name),
            None => {}
        }
    }
    names
}
