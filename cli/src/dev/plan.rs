//! What the fleet consists of: regions, nodes, addresses. Pure.

use std::fmt;
use std::net::Ipv4Addr;

use super::own_origin::OwnOrigin;

/// Name of the demonstration site.
pub(super) const SITE_HOST: &str = "media.tidegate.test";

/// A region of the development fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Region {
    /// Europe.
    Eu,
    /// The United States.
    Us,
}

impl Region {
    /// All, in the order of their names.
    pub(super) const ALL: [Self; 2] = [Self::Eu, Self::Us];

    /// Its name in documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Us => "us",
        }
    }

    /// Its one point of presence.
    pub(super) fn pop(self) -> String {
        format!("{}-a", self.name())
    }

    /// The address of its nth edge node, counted from 1: 127.0.11.N and 127.0.12.N.
    fn address(self, number: u8) -> Ipv4Addr {
        match self {
            Self::Eu => Ipv4Addr::new(127, 0, 11, number),
            Self::Us => Ipv4Addr::new(127, 0, 12, number),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One edge node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EdgePlan {
    pub(super) name: String,
    pub(super) region: Region,
    pub(super) address: Ipv4Addr,
}

/// What stands behind the edge nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// The built-in origins with the demonstration clip, one a region.
    Demonstration,
    /// The user's origins, at least one.
    Own(Vec<OwnOrigin>),
}

/// The fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fleet {
    /// By region, then by name; names end in one digit, so this is the order of numbers too.
    pub(super) edges: Vec<EdgePlan>,
    pub(super) content: Content,
}

/// An origin and where it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedOrigin {
    pub(super) name: String,
    pub(super) region: Region,
    pub(super) url: String,
    /// Its process, unless it is the user's.
    pub(super) pid: Option<u32>,
}

impl Fleet {
    /// So many edge nodes in each region, before these origins or, without any, the built-in ones.
    pub(super) fn planned(edges_per_region: u8, own_origins: Vec<OwnOrigin>) -> Self {
        let edge = |region: Region, number: u8| EdgePlan {
            name: format!("{region}-{number}"),
            region,
            address: region.address(number),
        };
        let edges = Region::ALL.into_iter().flat_map(|region| (1..=edges_per_region).map(move |n| edge(region, n)));
        let content = if own_origins.is_empty() { Content::Demonstration } else { Content::Own(own_origins) };
        Self { edges: edges.collect(), content }
    }

    /// The addresses of all edge nodes.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.edges.iter().map(|edge| edge.address)
    }
}

/// The user's origins under names of their own: `eu-origin`, and `eu-origin-2` for a second one in eu.
pub(super) fn place_own(origins: &[OwnOrigin]) -> Vec<PlacedOrigin> {
    let place = |(index, origin): (usize, &OwnOrigin)| {
        let before = origins[..index].iter().filter(|other| other.region == origin.region).count();
        let suffix = if before == 0 { String::new() } else { format!("-{}", before + 1) };
        let name = format!("{}-origin{suffix}", origin.region);
        PlacedOrigin { name, region: origin.region, url: origin.url.clone(), pid: None }
    };
    let mut placed: Vec<PlacedOrigin> = origins.iter().enumerate().map(place).collect();
    placed.sort_by_key(|origin| origin.region);
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_have_an_address_of_their_own_by_region_and_number() {
        let fleet = Fleet::planned(2, Vec::new());
        let edges: Vec<(String, String)> =
            fleet.edges.iter().map(|edge| (edge.name.clone(), edge.address.to_string())).collect();
        let expected = [("eu-1", "127.0.11.1"), ("eu-2", "127.0.11.2"), ("us-1", "127.0.12.1"), ("us-2", "127.0.12.2")];
        assert_eq!(edges, expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
        assert_eq!(fleet.content, Content::Demonstration);
    }

    #[test]
    fn own_origins_are_named_by_region_and_order() {
        let origins: Vec<OwnOrigin> =
            ["us=http://a", "eu=http://b", "us=http://c"].into_iter().map(|text| text.parse().unwrap()).collect();
        let names: Vec<(String, String)> =
            place_own(&origins).into_iter().map(|origin| (origin.name, origin.url)).collect();
        let expected = [("eu-origin", "http://b"), ("us-origin", "http://a"), ("us-origin-2", "http://c")];
        assert_eq!(names, expected.map(|(name, url)| (name.to_owned(), url.to_owned())));
    }
}
