//! Regions and points of presence: where things are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the world with origins and nodes of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionDocument {
    /// Its name.
    pub name: String,
    /// Where it lies. Default: unknown; distances to it are then not known either.
    #[serde(default)]
    pub coordinates: Option<CoordinateFields>,
    /// Other regions, nearest first, that take over when no origin of this one answers. Default: none named; those
    /// not named follow in alphabetical order, so that every region is somebody's last resort.
    #[serde(default)]
    pub failover: Vec<String>,
}

/// A place on the globe, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoordinateFields {
    /// Degrees north, -90 to 90.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: f64,
}

/// A point of presence: a place with nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PopDocument {
    /// Its name.
    pub name: String,
    /// The region it lies in.
    pub region: String,
}
