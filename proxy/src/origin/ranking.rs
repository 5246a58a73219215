//! How near each region is as seen from this node. The order is steering's; the facts are the model's.

use std::collections::HashMap;

use tidegate_config::ids::RegionName;
use tidegate_config::model::{Model, Region};
use tidegate_steering::{Coordinates, Place, Proximity, rank_regions};

/// Ranks of regions, 0 this node's own.
#[derive(Debug)]
pub struct RegionRanks(HashMap<RegionName, Proximity>);

impl RegionRanks {
    /// As seen from the model's node.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let own = &model.node.region;
        let places: Vec<Place<'_>> = model.regions.values().map(place).collect();
        let failover: Vec<&str> =
            model.regions.get(own).iter().flat_map(|region| &region.failover).map(RegionName::as_str).collect();
        let ranked = rank_regions(own.as_str(), &failover, &places);
        let named = |rank: usize, name: &str| Some((RegionName::parse(name).ok()?, proximity(rank)));
        Self(ranked.into_iter().enumerate().filter_map(|(rank, name)| named(rank, name)).collect())
    }

    /// How near an origin of this region is; one that is not declared comes after all others.
    #[must_use]
    pub fn proximity(&self, region: &RegionName) -> Proximity {
        self.0.get(region).copied().unwrap_or(proximity(self.0.len()))
    }
}

fn proximity(rank: usize) -> Proximity {
    Proximity(u32::try_from(rank).unwrap_or(u32::MAX))
}

fn place(region: &Region) -> Place<'_> {
    let coordinates = region.coordinates.and_then(|(latitude, longitude)| Coordinates::new(latitude, longitude));
    Place { name: region.name.as_str(), coordinates }
}
