//! From an address to a place: overrides first, then the databases in their order, then the nearest region.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_config::ids::RegionName;
use tidegate_config::model::Model;
use tidegate_steering::{Coordinates, nearest_region};

use super::Location;
use super::database::DatabaseError;
use super::overrides::Overrides;
use super::record::Facts;
use super::registry::{DatabaseFile, GeoDatabases};

/// Locates clients by one configuration.
pub struct GeoLocator {
    pub(super) databases: Arc<GeoDatabases>,
    pub(super) files: Vec<Arc<DatabaseFile>>,
    pub(super) overrides: Overrides,
    /// Regions that have coordinates, by name.
    pub(super) regions: Vec<(RegionName, Coordinates)>,
}

/// A place with who stated each fact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Located {
    /// The place.
    pub location: Location,
    /// Facts by name, with who stated them.
    pub sources: Vec<(&'static str, FactSource)>,
}

/// Who stated a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactSource {
    /// An override.
    Override,
    /// The database in this file.
    Database(PathBuf),
    /// It follows from the coordinates.
    NearestRegion,
}

impl GeoLocator {
    /// Compiles a configuration. Databases that are not loaded yet are read now.
    pub fn compile(model: &Model, databases: &Arc<GeoDatabases>) -> Result<Self, (PathBuf, DatabaseError)> {
        let regions = model.regions.values().filter_map(|region| {
            let (latitude, longitude) = region.coordinates?;
            Some((region.name.clone(), Coordinates::new(latitude, longitude)?))
        });
        Ok(Self {
            files: databases.open(&model.geo.databases)?,
            databases: Arc::clone(databases),
            overrides: Overrides::compile(&model.geo.overrides),
            regions: regions.collect(),
        })
    }

    /// This configuration is in force from now on: its databases are looked at for changes, no others are.
    pub fn put_in_force(&self) {
        self.databases.use_only(&self.files);
    }

    /// The databases of this process.
    #[must_use]
    pub fn databases(&self) -> &GeoDatabases {
        &self.databases
    }

    /// How many networks are overridden.
    #[must_use]
    pub fn override_networks(&self) -> usize {
        self.overrides.networks()
    }

    /// Where this address is.
    #[must_use]
    pub fn locate(&self, address: IpAddr) -> Location {
        self.find(address, |_, _| ())
    }

    /// Where this address is, and who says so.
    #[must_use]
    pub fn explain(&self, address: IpAddr) -> Located {
        let mut sources = Vec::new();
        let location = self.find(address, |name, source| sources.push((name, source())));
        Located { location, sources }
    }

    /// `state` is told of each fact that is found.
    fn find(&self, address: IpAddr, mut state: impl FnMut(&'static str, &dyn Fn() -> FactSource)) -> Location {
        let address = address.to_canonical();
        let mut facts = Facts::default();
        let mut region = None;
        for stated in self.overrides.of(address) {
            complete(&mut facts, &stated.facts, &mut state, &|| FactSource::Override);
            if region.is_none() && stated.region.is_some() {
                region.clone_from(&stated.region);
                state("region", &|| FactSource::Override);
            }
        }
        for file in &self.files {
            if facts.are_complete() {
                break;
            }
            match file.database().facts(address) {
                Ok(found) => {
                    let source = || FactSource::Database(file.path().to_owned());
                    complete(&mut facts, &found.unwrap_or_default(), &mut state, &source);
                }
                Err(_) => self.databases.lookup_failed(),
            }
        }
        if region.is_none() {
            region = facts.coordinates.and_then(|point| self.nearest(point));
            if region.is_some() {
                state("region", &|| FactSource::NearestRegion);
            }
        }
        let Facts { country, continent, asn, coordinates } = facts;
        Location { country, continent, asn, coordinates, region }
    }

    fn nearest(&self, point: Coordinates) -> Option<RegionName> {
        nearest_region(point, self.regions.iter().map(|(name, at)| (name, *at))).cloned()
    }
}

fn complete(
    facts: &mut Facts,
    from: &Facts,
    state: &mut impl FnMut(&'static str, &dyn Fn() -> FactSource),
    source: &dyn Fn() -> FactSource,
) {
    let known = *facts;
    facts.complete_from(from);
    let mut tell = |name, before: bool, after: bool| {
        if !before && after {
            state(name, source);
        }
    };
    tell("country", known.country.is_some(), facts.country.is_some());
    tell("continent", known.continent.is_some(), facts.continent.is_some());
    tell("asn", known.asn.is_some(), facts.asn.is_some());
    tell("coordinates", known.coordinates.is_some(), facts.coordinates.is_some());
}
