//! Where places are, how far they lie from each other, and the order of regions as seen from one of them.

/// Mean radius of the Earth in kilometres (IUGG). The sphere is wrong by half a percent at most, which changes no
/// order of regions that anyone would notice.
const EARTH_RADIUS: f64 = 6_371.0;

/// A point on the Earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

impl Coordinates {
    /// From degrees: north and east are positive. None where there is no such point.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let valid = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        valid.then_some(Self { latitude, longitude })
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// Great-circle distance in kilometres (haversine formula).
    #[must_use]
    pub fn kilometres_to(self, other: Self) -> f64 {
        2.0 * EARTH_RADIUS * self.haversine_to(other).sqrt().asin()
    }

    /// The square of half the chord between two points of a sphere with radius 1.
    fn haversine_to(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_north = ((to - from) / 2.0).sin();
        let half_east = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let haversine = half_north * half_north + from.cos() * to.cos() * half_east * half_east;
        // Rounding may lift antipodes above 1, where there is no arcsine.
        haversine.clamp(0.0, 1.0)
    }
}

/// A region with what is known of where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it lies.
    pub coordinates: Option<Coordinates>,
}

/// All regions as seen from `own`, nearest first: itself, then its fail-over list, then by distance where both have
/// coordinates, then by name. Each name once, whatever the lists repeat.
#[must_use]
pub fn rank_regions<'a>(own: &'a str, failover: &[&'a str], regions: &[Place<'a>]) -> Vec<&'a str> {
    let here = regions.iter().find(|region| region.name == own).and_then(|region| region.coordinates);
    let mut others: Vec<(bool, f64, &str)> = regions
        .iter()
        .map(|region| match here.zip(region.coordinates) {
            Some((here, there)) => (false, here.kilometres_to(there), region.name),
            None => (true, 0.0, region.name),
        })
        .collect();
    others.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.cmp(other.2)));
    let mut ranked = Vec::with_capacity(regions.len() + 1);
    for name in [own].iter().chain(failover).chain(others.iter().map(|(.., name)| name)) {
        if !ranked.contains(name) {
            ranked.push(*name);
        }
    }
    ranked
}

/// The nearest place to a point; the first of several that are equally near.
#[must_use]
pub fn nearest_region<T>(point: Coordinates, regions: impl IntoIterator<Item = (T, Coordinates)>) -> Option<T> {
    // Which is least needs no distance, only what grows with it.
    let compared = regions.into_iter().map(|(region, at)| (point.haversine_to(at), region));
    compared.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, region)| region)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::new(latitude, longitude).unwrap()
    }

    fn frankfurt() -> Coordinates {
        at(50.11, 8.68)
    }

    fn regions() -> [Place<'static>; 6] {
        let place = |name, coordinates| Place { name, coordinates };
        [
            place("africa", None),
            place("asia", Some(at(1.35, 103.82))),
            place("elsewhere", None),
            place("eu", Some(frankfurt())),
            place("us-east", Some(at(39.04, -77.49))),
            place("us-west", Some(at(45.84, -119.7))),
        ]
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let check = |one: Coordinates, other: Coordinates, kilometres: f64| {
            let found = one.kilometres_to(other);
            assert!((found - kilometres).abs() <= kilometres * 0.005 + 0.001, "found {found}, expected {kilometres}");
            assert!((other.kilometres_to(one) - found).abs() < 1e-6);
        };
        check(frankfurt(), frankfurt(), 0.0);
        check(frankfurt(), at(40.71, -74.01), 6_200.0); // New York
        check(at(0.0, 179.5), at(0.0, -179.5), 111.2); // over the date line
        check(at(90.0, 0.0), at(-90.0, 0.0), 20_015.0);
        check(at(45.0, 0.0), at(-45.0, 180.0), 20_015.0); // antipodes
    }

    #[test]
    fn points_that_do_not_exist_are_refused() {
        for (latitude, longitude) in
            [(90.1, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, -f64::INFINITY)]
        {
            assert_eq!(Coordinates::new(latitude, longitude), None);
        }
    }

    #[test]
    fn regions_rank_own_first_then_failover_then_distance_then_name() {
        let check = |own, failover: &[&'static str], expected: &[&str]| {
            assert_eq!(rank_regions(own, failover, &regions()), expected, "from {own}, fail-over {failover:?}");
        };
        check("eu", &[], &["eu", "us-east", "us-west", "asia", "africa", "elsewhere"]);
        check("eu", &["elsewhere", "asia"], &["eu", "elsewhere", "asia", "us-east", "us-west", "africa"]);
        check("us-west", &[], &["us-west", "us-east", "eu", "asia", "africa", "elsewhere"]);
        check("elsewhere", &["eu"], &["elsewhere", "eu", "africa", "asia", "us-east", "us-west"]);
        check("eu", &["eu", "asia", "asia"], &["eu", "asia", "us-east", "us-west", "africa", "elsewhere"]);
        check("undeclared", &[], &["undeclared", "africa", "asia", "elsewhere", "eu", "us-east", "us-west"]);
    }

    #[test]
    fn nearest_region_is_found_by_coordinates_alone() {
        let known = || regions().into_iter().filter_map(|region| Some((region.name, region.coordinates?)));
        assert_eq!(nearest_region(at(48.85, 2.35), known()), Some("eu"));
        assert_eq!(nearest_region(at(37.77, -122.42), known()), Some("us-west"));
        assert_eq!(nearest_region(at(-17.7, 178.0), known()), Some("asia"), "Fiji, beside the date line");
        assert_eq!(nearest_region(at(48.85, 2.35), [("a", frankfurt()), ("b", frankfurt())]), Some("a"));
        assert_eq!(nearest_region::<&str>(at(48.85, 2.35), []), None);
    }
}
