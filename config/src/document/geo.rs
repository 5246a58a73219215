//! How clients are located: databases, and what is known better.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::region::CoordinateFields;

/// How clients are located. A configuration has at most one; without it no client's place is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoDocument {
    /// Its name, in messages.
    pub name: String,
    /// Files in MaxMind's format (mmdb), such as those of GeoLite2, DB-IP or IPinfo, at most 8; a fact is taken from the
    /// first that has it. Read again when they change; one that cannot be read leaves the one before in force. A
    /// relative path starts at this file's folder. Default: none.
    #[serde(default)]
    pub databases: Vec<PathBuf>,
    /// What is known better than by a database: of all networks that hold a client's address, the one with the longest
    /// prefix wins, fact by fact over the databases. Default: none.
    #[serde(default)]
    pub overrides: Vec<GeoOverrideFields>,
}

/// What is known of clients in some networks; at least one fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoOverrideFields {
    /// The networks, such as `192.0.2.0/24` or `2001:db8::/32`, at least one.
    pub networks: Vec<String>,
    /// Country by its two letters (ISO 3166-1), such as `DE`. Default: what a database says.
    #[serde(default)]
    pub country: Option<String>,
    /// Continent by its two letters: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`. Default: what a database says.
    #[serde(default)]
    pub continent: Option<String>,
    /// Number of the autonomous system, 1 to 4294967295. Default: what a database says.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub asn: Option<u32>,
    /// Region of this fleet. Default: the nearest by coordinates.
    #[serde(default)]
    pub region: Option<String>,
    /// Where the clients are. Default: what a database says.
    #[serde(default)]
    pub coordinates: Option<CoordinateFields>,
}
