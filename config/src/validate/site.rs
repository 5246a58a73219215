//! Sites: their hosts, which no other site may have, and their routes.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::Written;
use super::host_pattern::parse_host_pattern;
use super::names::{Names, check_unique, parse_name};
use super::path_pattern::{covers, parse_path_pattern};
use super::range::check_length;
use crate::document::{RouteFields, SiteDocument};
use crate::ids::{CachePolicyName, PoolName, RouteName, SiteName};
use crate::model::{ClientConditions, Destination, HostPattern, Route, RouteActions, Site};
use crate::source::{Place, Report};

/// Routes of one site. They are tried one after another, so more than this would be felt by every request.
const MAX_ROUTES: usize = 1000;

/// Methods of one route: as many as IANA has registered.
const MAX_METHODS: usize = 40;

/// All sites that make sense.
pub(super) fn sites(documents: &[Written<'_, SiteDocument>], names: &Names<'_>, report: &mut Report) -> Vec<Arc<Site>> {
    let mut taken = HashMap::new();
    let sites = documents.iter().filter_map(|written| {
        let Written { document, place } = written;
        let name = parse_name(&document.name, SiteName::parse, &place.field("name"), report);
        let hosts = hosts(document, place, &mut taken, report);
        let routes = routes(document, place, names, report);
        Some(Arc::new(Site {
            name: name?,
            hosts,
            routes,
            error_pages: Vec::new(),
            maintenance_page: None,
            kill_switches: Vec::new(),
        }))
    });
    sites.collect()
}

fn hosts(
    document: &SiteDocument,
    place: &Place<'_>,
    taken: &mut HashMap<HostPattern, String>,
    report: &mut Report,
) -> Vec<HostPattern> {
    let list = place.field("hosts");
    if document.hosts.is_empty() {
        report.at(&list, "at least one host");
    }
    let mut hosts = Vec::new();
    for (index, text) in document.hosts.iter().enumerate() {
        let place = list.element(index);
        if !place.is_sound() {
            continue;
        }
        match parse_host_pattern(text) {
            Err(expected) => report.at(&place, expected),
            Ok(host) => {
                if let Some(line) = taken.get(&host) {
                    report.at(&place, format!("a host that no site has yet; {line} has this one"));
                } else {
                    taken.insert(host.clone(), place.line());
                }
                hosts.push(host);
            }
        }
    }
    hosts
}

fn routes(document: &SiteDocument, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Vec<Arc<Route>> {
    let list = place.field("routes");
    if document.routes.is_empty() {
        report.at(&list, "at least one route");
    } else if !check_length(document.routes.len(), MAX_ROUTES, &list, report) {
        return Vec::new();
    }
    check_unique(document.routes.iter().map(|route| route.name.as_str()), &list, report);
    let mut routes: Vec<Arc<Route>> = Vec::new();
    for (index, fields) in document.routes.iter().enumerate() {
        let place = list.element(index);
        let Some(route) = route(fields, &place, names, report) else { continue };
        if let Some(earlier) = routes.iter().find(|earlier| takes_all_of(earlier, &route)) {
            let expected = format!("a route that can match: {} before it takes all of its requests", earlier.name);
            report.at(&place.field("path"), expected);
        }
        routes.push(Arc::new(route));
    }
    routes
}

fn takes_all_of(earlier: &Route, later: &Route) -> bool {
    let takes_methods = earlier.methods.is_empty()
        || (!later.methods.is_empty() && later.methods.iter().all(|method| earlier.methods.contains(method)));
    takes_methods && covers(&earlier.path, &later.path)
}

fn route(fields: &RouteFields, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Option<Route> {
    let name = parse_name(&fields.name, RouteName::parse, &place.field("name"), report);
    let path = parse_path_pattern(&fields.path).map_err(|expected| report.at(&place.field("path"), expected)).ok();
    let methods = methods(fields, &place.field("methods"), report);
    names.check_reference("origin_pool", &fields.origin_pool, &place.field("origin_pool"), report);
    names.check_reference("cache_policy", &fields.cache_policy, &place.field("cache_policy"), report);
    Some(Route {
        name: name?,
        path: path?,
        methods: methods?,
        clients: ClientConditions::default(),
        destination: Destination::Pool { pool: PoolName::parse(&fields.origin_pool).ok()?, split: None },
        cache_policy: CachePolicyName::parse(&fields.cache_policy).ok()?,
        actions: RouteActions::default(),
        error_pages: Vec::new(),
    })
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
