//! How clients are located.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::names::{Names, parse_name};
use super::networks::{parse_network, some_networks};
use super::range::{check_length, check_number};
use super::{Written, certificate};
use crate::document::{CoordinateFields, GeoDocument, GeoOverrideFields};
use crate::ids::RegionName;
use crate::model::{Continent, CountryCode, Geo, GeoOverride};
use crate::source::{Place, Report};

/// Each is held in memory and asked for every client whose facts those before do not have.
const MAX_DATABASES: usize = 8;
/// Overrides of one configuration: the offices and partners of a large company, not the Internet.
const MAX_OVERRIDES: usize = 10_000;
/// Networks of one override.
const MAX_NETWORKS: usize = 10_000;

/// The one way, or none.
pub(super) fn geo(documents: &[Written<'_, GeoDocument>], names: &Names<'_>, report: &mut Report) -> Arc<Geo> {
    let Some((Written { document, place }, others)) = documents.split_first() else { return Arc::default() };
    for other in others {
        let expected = format!("at most one; {} has it", place.line());
        report.found(&other.place, "one more geo document", expected);
    }
    // A geo document is not referred to; its name is for messages.
    parse_name(&document.name, RegionName::parse, &place.field("name"), report);
    let list = place.field("databases");
    check_length(document.databases.len(), MAX_DATABASES, &list, report);
    let databases = document.databases.iter().enumerate();
    let databases = databases.map(|(index, path)| certificate::file(path, &list.element(index), report)).collect();
    let overrides = overrides(document, &place.field("overrides"), names, report);
    Arc::new(Geo { databases, overrides })
}

fn overrides(document: &GeoDocument, list: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Vec<GeoOverride> {
    if !check_length(document.overrides.len(), MAX_OVERRIDES, list, report) {
        return Vec::new();
    }
    let mut taken = HashMap::new();
    let overrides = document.overrides.iter().enumerate();
    overrides
        .map(|(index, fields)| {
            let place = list.element(index);
            let known = geo_override(fields, &place, names, report);
            check_not_taken(fields, &mut taken, &place, report);
            known
        })
        .collect()
}

/// Of two overrides for the same network neither would be more exact.
fn check_not_taken(
    fields: &GeoOverrideFields,
    taken: &mut HashMap<IpNet, String>,
    place: &Place<'_>,
    report: &mut Report,
) {
    let list = place.field("networks");
    for (index, text) in fields.networks.iter().enumerate() {
        let Ok(network) = parse_network(text) else { continue };
        let place = list.element(index);
        match taken.get(&network) {
            Some(line) if *line != list.line() => {
                report.at(&place, format!("a network that no override has yet; {line} has this one"));
            }
            Some(_) => {}
            None => {
                taken.insert(network, list.line());
            }
        }
    }
}

fn geo_override(fields: &GeoOverrideFields, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> GeoOverride {
    let networks = some_networks(&fields.networks, MAX_NETWORKS, &place.field("networks"), report);
    let GeoOverrideFields { country, continent, asn, region, coordinates, .. } = fields;
    if (country, continent, asn, region, coordinates) == (&None, &None, &None, &None, &None) {
        report.at(&place.field("region"), "at least one of country, continent, asn, region and coordinates");
    }
    if let Some(region) = region {
        names.check_reference("region", region, &place.field("region"), report);
    }
    GeoOverride {
        networks,
        country: country.as_ref().and_then(|text| country_code(text, &place.field("country"), report)),
        continent: continent.as_ref().and_then(|text| continent_code(text, &place.field("continent"), report)),
        asn: asn.map(|asn| check_number(asn, 1..=u32::MAX, &place.field("asn"), report)),
        region: region.as_ref().and_then(|text| RegionName::parse(text).ok()),
        coordinates: coordinates.map(|fields| check_coordinates(fields, &place.field("coordinates"), report)),
    }
}

/// Reads a country's two letters.
pub(super) fn country_code(text: &str, place: &Place<'_>, report: &mut Report) -> Option<CountryCode> {
    let code = CountryCode::parse(text).filter(|_| text != "UK");
    if code.is_none() {
        let expected = match text {
            "UK" => "GB, which is its name in ISO 3166-1",
            _ => "two letters in upper case (ISO 3166-1), such as DE",
        };
        report.at(place, expected);
    }
    code
}

/// Reads a continent's two letters.
pub(super) fn continent_code(text: &str, place: &Place<'_>, report: &mut Report) -> Option<Continent> {
    let continent = Continent::parse(text);
    if continent.is_none() {
        report.at(place, format!("one of {}", Continent::ALL.map(Continent::as_str).join(", ")));
    }
    continent
}

/// Degrees within the globe.
pub(super) fn check_coordinates(fields: CoordinateFields, place: &Place<'_>, report: &mut Report) -> (f64, f64) {
    (
        check_number(fields.latitude, -90.0..=90.0, &place.field("latitude"), report),
        check_number(fields.longitude, -180.0..=180.0, &place.field("longitude"), report),
    )
}
