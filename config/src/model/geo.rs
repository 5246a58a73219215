//! Where clients are: databases, what overrides them, and the words for places.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::ids::RegionName;

/// How clients are located.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Geo {
    /// Databases in MaxMind's format (mmdb); a fact is taken from the first that has it.
    pub databases: Vec<PathBuf>,
    /// What is known better than by a database; the longest prefix wins, fact by fact over the databases.
    pub overrides: Vec<GeoOverride>,
}

/// What is known of clients in some networks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GeoOverride {
    /// The networks.
    pub networks: Vec<IpNet>,
    /// Country, when stated.
    pub country: Option<CountryCode>,
    /// Continent, when stated.
    pub continent: Option<Continent>,
    /// Autonomous system, when stated.
    pub asn: Option<u32>,
    /// Region of the fleet, when stated; else the nearest by coordinates.
    pub region: Option<RegionName>,
    /// Latitude and longitude in degrees, when stated.
    pub coordinates: Option<(f64, f64)>,
}

/// A country by its two letters of ISO 3166-1, in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// From two letters in upper case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

/// A continent by the two letters that geographical databases use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// `AF`.
    Africa,
    /// `AN`.
    Antarctica,
    /// `AS`.
    Asia,
    /// `EU`.
    Europe,
    /// `NA`.
    NorthAmerica,
    /// `OC`.
    Oceania,
    /// `SA`.
    SouthAmerica,
}

impl Continent {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
    ];

    /// From its two letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|continent| continent.as_str() == text)
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Antarctica => "AN",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }
}
