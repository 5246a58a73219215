//! What the operator's listener tells of clients' places: where an address is and who says so, and the databases.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;
use crate::geo::{DatabaseStatus, FactSource, GeoLocator, Located};
use crate::telemetry::Timestamp;

/// The end of the year 9999 in Unix time: what is later cannot be written in RFC 3339.
const LAST_EPOCH: u64 = 253_402_300_799;

/// `GET /geo`: the databases; with `address=`, also where that address is.
pub(super) fn geo(state: &AdminState, call: &Call<'_>) -> Answer {
    let Some(locator) = state.geo.load_full() else {
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_started", "no configuration is in force yet");
    };
    let Some(query) = call.query.filter(|query| !query.is_empty()) else {
        return answer::json_value(StatusCode::OK, &databases(&locator));
    };
    match query.strip_prefix("address=").map(str::parse::<IpAddr>) {
        Some(Ok(address)) => answer::json_value(StatusCode::OK, &place(&locator, address)),
        _ => {
            let message =
                "the query of /geo is empty or address=ADDRESS, such as address=192.0.2.7 or address=2001:db8::7";
            answer::error(StatusCode::BAD_REQUEST, "invalid_query", message)
        }
    }
}

fn databases(locator: &GeoLocator) -> Value {
    let databases: Vec<Value> = locator.databases().status().iter().map(database).collect();
    json!({
        "databases": databases,
        "override_networks": locator.override_networks(),
        "lookup_failures": locator.databases().lookup_failures(),
    })
}

fn database(status: &DatabaseStatus) -> Value {
    // What a file says of itself may be anything.
    let built = Some(status.build_epoch).filter(|epoch| *epoch <= LAST_EPOCH);
    let built = built.and_then(|epoch| UNIX_EPOCH.checked_add(Duration::from_secs(epoch)));
    json!({
        "file": status.path.display().to_string(),
        "type": status.database_type,
        "built": built.map(|built| Timestamp(built).to_string()),
        "loaded": Timestamp(status.loaded).to_string(),
        "bytes": status.bytes,
        "networks": status.networks,
        "state": if status.failure.is_some() { "stale" } else { "current" },
        "failure": status.failure,
        "reloads": status.reloads,
        "reload_failures": status.failures,
    })
}

fn place(locator: &GeoLocator, address: IpAddr) -> Value {
    let Located { location, sources } = locator.explain(address);
    let coordinates = location.coordinates.map(|at| json!({ "latitude": at.latitude(), "longitude": at.longitude() }));
    let sources: Map<String, Value> =
        sources.into_iter().map(|(fact, source)| (fact.to_owned(), json!(source_label(&source)))).collect();
    json!({
        "address": address.to_canonical(),
        "country": location.country.map(|country| country.as_str().to_owned()),
        "continent": location.continent.map(|continent| continent.as_str()),
        "asn": location.asn,
        "coordinates": coordinates,
        "region": location.region.map(|region| region.to_string()),
        "sources": sources,
    })
}

fn source_label(source: &FactSource) -> String {
    match source {
        FactSource::Override => "override".to_owned(),
        FactSource::Database(file) => file.display().to_string(),
        FactSource::NearestRegion => "nearest region".to_owned(),
    }
}
