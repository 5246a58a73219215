//! What is known better than by a database: of the networks that hold an address the longest prefix wins, fact by
//! fact.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use tidegate_config::ids::RegionName;
use tidegate_config::model::GeoOverride;
use tidegate_steering::Coordinates;

use super::record::Facts;

/// What one network states.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stated {
    pub(super) facts: Facts,
    pub(super) region: Option<RegionName>,
}

/// All overrides, by family and prefix length: an address is looked up once for each length there is.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    v4: Lengths,
    v6: Lengths,
}

/// Longest prefix first.
type Lengths = Vec<(u8, HashMap<u128, Stated>)>;

impl Overrides {
    /// Where a network is named twice, the first to state a fact wins.
    pub(super) fn compile(overrides: &[GeoOverride]) -> Self {
        let mut compiled = Self::default();
        for entry in overrides {
            for network in &entry.networks {
                compiled.add(network, &stated(entry));
            }
        }
        compiled
    }

    pub(super) fn add(&mut self, network: &IpNet, stated: &Stated) {
        let lengths = match network {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        };
        let prefix = network.prefix_len();
        let at = lengths.binary_search_by(|(length, _)| prefix.cmp(length)).unwrap_or_else(|at| {
            lengths.insert(at, (prefix, HashMap::new()));
            at
        });
        let entry = lengths[at].1.entry(masked(network.network(), prefix)).or_default();
        entry.facts.complete_from(&stated.facts);
        entry.region = entry.region.take().or_else(|| stated.region.clone());
    }

    /// How many networks there are.
    pub(super) fn networks(&self) -> usize {
        self.v4.iter().chain(&self.v6).map(|(_, networks)| networks.len()).sum()
    }

    /// What is stated of an address, the longest prefix first.
    pub(super) fn of(&self, address: IpAddr) -> impl Iterator<Item = &Stated> {
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        lengths.iter().filter_map(move |(prefix, networks)| networks.get(&masked(address, *prefix)))
    }
}

fn stated(entry: &GeoOverride) -> Stated {
    let coordinates = entry.coordinates.and_then(|(latitude, longitude)| Coordinates::new(latitude, longitude));
    let facts = Facts { country: entry.country, continent: entry.continent, asn: entry.asn, coordinates };
    Stated { facts, region: entry.region.clone() }
}

/// The address with all bits behind the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let rest = width - u32::from(prefix).min(width);
    bits.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0)
}
