//! Routes: which requests they take and what answers.

use http::{Method, StatusCode};

use super::Surroundings;
use super::error_page::error_pages;
use super::failover::sticky;
use super::geo::{continent_code, country_code};
use super::names::parse_name;
use super::path_pattern::{covers, parse_path_pattern};
use super::range::{check_length, check_number};
use super::route_actions::route_actions;
use super::template;
use crate::document::{ClientFields, RedirectFields, RouteFields, ShareText, SplitFields};
use crate::ids::{CachePolicyName, PoolName, RouteName};
use crate::model::{ClientConditions, Destination, Redirect, Route, Split};
use crate::source::{Place, Report};

/// Methods of one route: as many as IANA has registered.
const MAX_METHODS: usize = 40;
/// Countries of one condition: about as many as there are.
const MAX_COUNTRIES: usize = 250;
/// Autonomous systems of one condition.
const MAX_ASNS: usize = 1000;
/// Parts of one split.
const MAX_PARTS: usize = 16;
/// All of them, in hundredths of a percent.
const WHOLE: u16 = 10_000;

/// A route as written.
pub(super) fn route(
    fields: &RouteFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Route> {
    let name = parse_name(&fields.name, RouteName::parse, &place.field("name"), report);
    let path = parse_path_pattern(&fields.path).map_err(|expected| report.at(&place.field("path"), expected)).ok();
    let methods = methods(fields, &place.field("methods"), report);
    let clients = clients(&fields.clients, &place.field("clients"), report);
    let destination = destination(fields, place, surroundings, report);
    let policy = &fields.cache_policy;
    surroundings.names.check_reference("cache_policy", policy, &place.field("cache_policy"), report);
    let actions = route_actions(fields, path.as_ref(), place, surroundings, report);
    let error_pages = error_pages(&fields.error_pages, &place.field("error_pages"), report);
    Some(Route {
        name: name?,
        path: path?,
        methods: methods?,
        clients,
        destination: destination?,
        cache_policy: CachePolicyName::parse(policy).ok()?,
        actions,
        error_pages,
    })
}

/// Whether every request that the later one could take is taken by the earlier.
pub(super) fn takes_all_of(earlier: &Route, later: &Route) -> bool {
    let takes_methods = earlier.methods.is_empty()
        || (!later.methods.is_empty() && later.methods.iter().all(|method| earlier.methods.contains(method)));
    takes_methods && takes_clients_of(&earlier.clients, &later.clients) && covers(&earlier.path, &later.path)
}

/// Whether all was understood that says which requests a route takes.
pub(super) fn are_conditions_known(fields: &RouteFields, route: &Route, place: &Place<'_>) -> bool {
    let counts = [
        (fields.clients.countries.len(), route.clients.countries.len()),
        (fields.clients.continents.len(), route.clients.continents.len()),
        (fields.clients.asns.len(), route.clients.asns.len()),
    ];
    let is_whole = |name| place.field(name).is_whole();
    is_whole("methods") && is_whole("clients") && counts.iter().all(|(written, known)| written == known)
}

fn takes_clients_of(earlier: &ClientConditions, later: &ClientConditions) -> bool {
    fn takes<T: PartialEq>(earlier: &[T], later: &[T]) -> bool {
        earlier.is_empty() || (!later.is_empty() && later.iter().all(|one| earlier.contains(one)))
    }
    takes(&earlier.countries, &later.countries)
        && takes(&earlier.continents, &later.continents)
        && takes(&earlier.asns, &later.asns)
}

fn methods(fields: &RouteFields, list: &Place<'_>, report: &mut Report) -> Option<Vec<Method>> {
    if !check_length(fields.methods.len(), MAX_METHODS, list, report) {
        return None;
    }
    let mut methods = Vec::new();
    let mut all_fit = true;
    for (index, text) in fields.methods.iter().enumerate() {
        let place = list.element(index);
        let expected = match parse_method(text) {
            Ok(method) if methods.contains(&method) => "each method once",
            Ok(method) => {
                methods.push(method);
                continue;
            }
            Err(expected) => expected,
        };
        all_fit = false;
        report.at(&place, expected);
    }
    all_fit.then_some(methods)
}

/// Methods are case-sensitive (RFC 9110 section 9.1), and all that are registered are in upper case.
fn parse_method(text: &str) -> Result<Method, &'static str> {
    if text.chars().any(|c| c.is_ascii_lowercase()) {
        return Err("a method in upper case, such as GET");
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err("a method other than CONNECT and TRACE, which are never passed on"),
        Ok(method) => Ok(method),
        Err(_) => Err("a method, such as GET"),
    }
}

fn clients(fields: &ClientFields, place: &Place<'_>, report: &mut Report) -> ClientConditions {
    let mut clients = ClientConditions::default();
    let list = place.field("countries");
    if check_length(fields.countries.len(), MAX_COUNTRIES, &list, report) {
        let countries = fields.countries.iter().enumerate();
        clients.countries =
            countries.filter_map(|(index, text)| country_code(text, &list.element(index), report)).collect();
    }
    let list = place.field("continents");
    if check_length(fields.continents.len(), MAX_COUNTRIES, &list, report) {
        let continents = fields.continents.iter().enumerate();
        clients.continents =
            continents.filter_map(|(index, text)| continent_code(text, &list.element(index), report)).collect();
    }
    let list = place.field("asns");
    if check_length(fields.asns.len(), MAX_ASNS, &list, report) {
        let asns = fields.asns.iter().enumerate();
        clients.asns =
            asns.map(|(index, asn)| check_number(*asn, 1..=u32::MAX, &list.element(index), report)).collect();
    }
    clients
}

fn destination(
    fields: &RouteFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Destination> {
    match (&fields.origin_pool, &fields.redirect, fields.maintenance) {
        (Some(pool), None, false) => pool_destination(pool, fields, place, surroundings, report),
        (None, Some(fields), false) => redirect(fields, &place.field("redirect"), report).map(Destination::Redirect),
        (None, None, true) => Some(Destination::Maintenance),
        (None, None, false) => {
            // What could not be read was perhaps the one.
            if place.field("redirect").is_sound() && place.field("maintenance").is_sound() {
                report.at(&place.field("origin_pool"), "one of origin_pool, redirect and maintenance");
            }
            None
        }
        _ => {
            let found = "more than one of origin_pool, redirect and maintenance";
            report.found(place, found, "exactly one of them");
            None
        }
    }
}

fn pool_destination(
    pool: &str,
    fields: &RouteFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Destination> {
    surroundings.names.check_reference("origin_pool", pool, &place.field("origin_pool"), report);
    let split =
        fields.split.as_ref().map(|split| self::split(split, pool, &place.field("split"), surroundings, report));
    let pool = PoolName::parse(pool).ok()?;
    match split {
        None => Some(Destination::Pool { pool, split: None }),
        Some(split) => Some(Destination::Pool { pool, split: Some(split?) }),
    }
}

fn split(
    fields: &SplitFields,
    pool: &str,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Split> {
    let by = sticky(&fields.by, &place.field("by"), report);
    let list = place.field("parts");
    if fields.parts.is_empty() {
        report.at(&list, "at least one part");
    }
    if !check_length(fields.parts.len(), MAX_PARTS, &list, report) {
        return None;
    }
    let mut parts: Vec<(u16, PoolName)> = Vec::new();
    for (index, part) in fields.parts.iter().enumerate() {
        let place = list.element(index);
        check_share(part.share, &place.field("share"), report);
        let place = place.field("origin_pool");
        surroundings.names.check_reference("origin_pool", &part.origin_pool, &place, report);
        let is_taken = parts.iter().any(|(_, other)| other.as_str() == part.origin_pool);
        if part.origin_pool == pool || is_taken {
            report.at(&place, "a pool that no other share of the route goes to");
        }
        if let Ok(name) = PoolName::parse(&part.origin_pool) {
            parts.push((part.share.0, name));
        }
    }
    let sum: u32 = parts.iter().map(|(share, _)| u32::from(*share)).sum();
    if sum > u32::from(WHOLE) {
        report.found(&list, "more than 100% together", "at most 100%");
    }
    Some(Split { by: by?, parts })
}

/// Tells of a share of nothing.
pub(super) fn check_share(share: ShareText, place: &Place<'_>, report: &mut Report) -> u16 {
    if share.0 == 0 {
        report.at(place, "a share above 0%");
    }
    share.0
}

fn redirect(fields: &RedirectFields, place: &Place<'_>, report: &mut Report) -> Option<Redirect> {
    let status = StatusCode::from_u16(fields.status).ok().filter(|_| matches!(fields.status, 301..=303 | 307 | 308));
    if status.is_none() {
        report.at(&place.field("status"), "301, 302, 303, 307 or 308");
    }
    let location = template::location(&fields.location);
    let location = location.map_err(|expected| report.at(&place.field("location"), expected)).ok();
    Some(Redirect { status: status?, location: location? })
}
