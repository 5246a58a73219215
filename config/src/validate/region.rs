//! Regions and points of presence.

use std::collections::{BTreeMap, BTreeSet};

use super::Written;
use super::geo::check_coordinates;
use super::names::{Names, parse_name};
use crate::document::{PopDocument, RegionDocument};
use crate::ids::{PopName, RegionName};
use crate::model::{Pop, Region};
use crate::source::{Place, Report};

/// All regions that make sense.
pub(super) fn regions(
    documents: &[Written<'_, RegionDocument>],
    names: &Names<'_>,
    report: &mut Report,
) -> BTreeMap<RegionName, Region> {
    let regions = documents.iter().filter_map(|written| region(written, names, report));
    regions.map(|region| (region.name.clone(), region)).collect()
}

fn region(written: &Written<'_, RegionDocument>, names: &Names<'_>, report: &mut Report) -> Option<Region> {
    let Written { document, place } = written;
    let name = parse_name(&document.name, RegionName::parse, &place.field("name"), report);
    let coordinates = document.coordinates.map(|fields| check_coordinates(fields, &place.field("coordinates"), report));
    let failover = failover(document, &place.field("failover"), names, report);
    Some(Region { name: name?, coordinates, failover })
}

fn failover(document: &RegionDocument, list: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Vec<RegionName> {
    let mut seen = BTreeSet::from([document.name.as_str()]);
    let mut failover = Vec::new();
    for (index, text) in document.failover.iter().enumerate() {
        let place = list.element(index);
        if !seen.insert(text) {
            report.at(&place, "each other region once");
            continue;
        }
        names.check_reference("region", text, &place, report);
        failover.extend(RegionName::parse(text));
    }
    failover
}

/// All points of presence that make sense.
pub(super) fn pops(
    documents: &[Written<'_, PopDocument>],
    names: &Names<'_>,
    report: &mut Report,
) -> BTreeMap<PopName, Pop> {
    let mut pops = BTreeMap::new();
    for Written { document, place } in documents {
        let name = parse_name(&document.name, PopName::parse, &place.field("name"), report);
        names.check_reference("region", &document.region, &place.field("region"), report);
        if let (Some(name), Ok(region)) = (name, RegionName::parse(&document.region)) {
            pops.insert(name.clone(), Pop { name, region });
        }
    }
    pops
}
