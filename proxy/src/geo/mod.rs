//! Where clients are: country, continent, autonomous system, coordinates, and the nearest region of the fleet.
//!
//! Owns the databases with their reload, and what overrides them. It decides nothing by a place: routes, templates
//! and the log do.

mod database;
mod locator;
mod overrides;
mod record;
mod registry;

#[cfg(test)]
#[path = "../../../tests/src/mmdb.rs"]
#[expect(unreachable_pub, reason = "shared with the harness of the integration tests")]
mod mmdb;
#[cfg(test)]
mod tests;

use tidegate_config::ids::RegionName;
use tidegate_config::model::{Continent, CountryCode};
use tidegate_steering::Coordinates;

pub use database::{DatabaseError, MAX_DATABASE_BYTES, try_database};
pub use locator::{FactSource, GeoLocator, Located};
pub use registry::{DatabaseStatus, GeoDatabases};

/// What is known of a client's place. A fact that nobody states is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Location {
    /// Country.
    pub country: Option<CountryCode>,
    /// Continent.
    pub continent: Option<Continent>,
    /// Number of the autonomous system.
    pub asn: Option<u32>,
    /// Where on the Earth.
    pub coordinates: Option<Coordinates>,
    /// Region of the fleet: as an override says, else the nearest.
    pub region: Option<RegionName>,
}

/// Place of a client about whom nothing is known, and of requests without a client.
pub static NOWHERE: Location = Location { country: None, continent: None, asn: None, coordinates: None, region: None };
