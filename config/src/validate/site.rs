//! Sites: their hosts, which no other site may have, and their routes.

use std::collections::HashMap;
use std::sync::Arc;

use super::error_page::{error_pages, maintenance_page};
use super::host_pattern::parse_host_pattern;
use super::kill_switch::kill_switches;
use super::names::{check_unique, parse_name};
use super::range::check_length;
use super::route::{are_conditions_known, route, takes_all_of};
use super::{Surroundings, Written};
use crate::document::SiteDocument;
use crate::ids::SiteName;
use crate::model::{HostPattern, Route, Site};
use crate::source::{Place, Report};

/// Routes of one site. They are tried one after another, so more than this would be felt by every request.
const MAX_ROUTES: usize = 1000;

/// All sites that make sense.
pub(super) fn sites(
    documents: &[Written<'_, SiteDocument>],
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Vec<Arc<Site>> {
    let mut taken = HashMap::new();
    let sites = documents.iter().filter_map(|written| {
        let Written { document, place } = written;
        let name = parse_name(&document.name, SiteName::parse, &place.field("name"), report);
        let hosts = hosts(document, place, &mut taken, report);
        let routes = routes(document, place, surroundings, report);
        let error_pages = error_pages(&document.error_pages, &place.field("error_pages"), report);
        let page = document.maintenance_page.as_ref();
        let maintenance_page =
            page.and_then(|fields| maintenance_page(fields, &place.field("maintenance_page"), report));
        let kill_switches = kill_switches(document, &place.field("kill_switches"), surroundings, report);
        Some(Arc::new(Site { name: name?, hosts, routes, error_pages, maintenance_page, kill_switches }))
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

fn routes(
    document: &SiteDocument,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Vec<Arc<Route>> {
    let list = place.field("routes");
    if document.routes.is_empty() {
        report.at(&list, "at least one route");
    } else if !check_length(document.routes.len(), MAX_ROUTES, &list, report) {
        return Vec::new();
    }
    check_unique(document.routes.iter().map(|route| route.name.as_str()), &list, report);
    let mut routes: Vec<Arc<Route>> = Vec::new();
    // Of a route whose conditions could not be read it is not known what it leaves to others.
    let mut whole: Vec<Arc<Route>> = Vec::new();
    for (index, fields) in document.routes.iter().enumerate() {
        let place = list.element(index);
        let Some(route) = route(fields, &place, surroundings, report) else { continue };
        if let Some(earlier) = whole.iter().find(|earlier| takes_all_of(earlier, &route)) {
            let expected = format!("a route that can match: {} before it takes all of its requests", earlier.name);
            report.at(&place.field("path"), expected);
        }
        let route = Arc::new(route);
        if are_conditions_known(fields, &route, &place) {
            whole.push(Arc::clone(&route));
        }
        routes.push(route);
    }
    routes
}
