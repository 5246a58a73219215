//! Layouts of databases, what overrides them, and files that change or break.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use maxminddb::Reader;
use proptest::prelude::*;
use tempfile::TempDir;
use tidegate_config::ids::RegionName;
use tidegate_config::model::{Continent, CountryCode};
use tidegate_steering::Coordinates;

use super::database::{Database, FileMark, look_up};
use super::mmdb::{Mmdb, Value, text};
use super::overrides::{Overrides, Stated};
use super::record::Facts;
use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn region(name: &str) -> RegionName {
    RegionName::parse(name).unwrap()
}

fn map(fields: &[(&'static str, Value)]) -> Value {
    Value::Map(fields.to_vec())
}

/// GeoLite2's city, as far as it matters here, in Frankfurt.
fn frankfurt() -> Value {
    let names = map(&[("en", text("Frankfurt am Main")), ("de", text("Frankfurt am Main"))]);
    map(&[
        ("city", map(&[("geoname_id", Value::Number(2_925_533)), ("names", names)])),
        ("continent", map(&[("code", text("EU")), ("geoname_id", Value::Number(6_255_148))])),
        ("country", map(&[("iso_code", text("DE")), ("is_in_european_union", Value::Boolean(true))])),
        (
            "location",
            map(&[
                ("accuracy_radius", Value::Number(20)),
                ("latitude", Value::Double(50.1155)),
                ("longitude", Value::Double(8.6842)),
            ]),
        ),
        ("registered_country", map(&[("iso_code", text("NL"))])),
        ("subdivisions", Value::List(vec![map(&[("iso_code", text("HE"))])])),
    ])
}

fn asn(number: u32) -> Value {
    map(&[("autonomous_system_number", Value::Number(number)), ("autonomous_system_organization", text("Example"))])
}

fn database(database_type: &str, networks: &[(&str, u8, Value)]) -> Vec<u8> {
    let mut database = Mmdb::new(database_type, 1_700_000_000);
    for (network, prefix, record) in networks {
        database.insert(address(network), *prefix, record);
    }
    database.to_bytes()
}

/// A folder with databases, and who reads them.
struct Files {
    folder: TempDir,
    databases: Arc<GeoDatabases>,
}

impl Files {
    fn new(contents: &[(&str, Vec<u8>)]) -> Self {
        let files = Self { folder: TempDir::new().unwrap(), databases: Arc::default() };
        for (name, content) in contents {
            files.put(name, content);
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// In place by renaming, as operators should.
    fn put(&self, name: &str, content: &[u8]) {
        let new = self.path("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    fn locator(&self, names: &[&str], overrides: Overrides) -> GeoLocator {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        let at = |latitude, longitude| Coordinates::new(latitude, longitude).unwrap();
        let locator = GeoLocator {
            files: self.databases.open(&paths).map_err(|(file, error)| format!("{file:?}: {error}")).unwrap(),
            databases: Arc::clone(&self.databases),
            overrides,
            regions: vec![
                (region("asia"), at(1.35, 103.8)),
                (region("eu"), at(50.1, 8.7)),
                (region("us"), at(39.0, -77.5)),
            ],
        };
        locator.put_in_force();
        locator
    }
}

fn overrides(entries: &[(&str, Stated)]) -> Overrides {
    let mut overrides = Overrides::default();
    for (network, stated) in entries {
        overrides.add(&network.parse().unwrap(), stated);
    }
    overrides
}

fn country(code: &str) -> Facts {
    Facts { country: CountryCode::parse(code), ..Facts::default() }
}

/// Country, continent, autonomous system and coordinates.
type Expected<'a> = (Option<&'a str>, Option<&'a str>, Option<u32>, Option<(f64, f64)>);

#[test]
fn facts_are_read_from_the_layouts_of_all_makers() {
    let check = |record: Value, expected: Expected<'_>| {
        let bytes = database("Test", &[("192.0.2.0", 24, record.clone())]);
        let facts = look_up(&Reader::from_source(bytes).unwrap(), address("192.0.2.7")).unwrap().unwrap();
        let found = (
            facts.country.map(|country| country.as_str().to_owned()),
            facts.continent.map(Continent::as_str),
            facts.asn,
            facts.coordinates.map(|at| (at.latitude(), at.longitude())),
        );
        let (country, continent, asn, coordinates) = expected;
        assert_eq!(found, (country.map(str::to_owned), continent, asn, coordinates), "{record:?}");
    };
    check(frankfurt(), (Some("DE"), Some("EU"), None, Some((50.1155, 8.6842))));
    check(asn(64_496), (None, None, Some(64_496), None));
    check(map(&[("registered_country", map(&[("iso_code", text("NL"))]))]), (Some("NL"), None, None, None));
    check(map(&[("traits", map(&[("autonomous_system_number", Value::Number(7))]))]), (None, None, Some(7), None));
    // IPinfo's free and lite databases, and its databases of places.
    let lite = [
        ("asn", text("AS64497")),
        ("as_name", text("Example")),
        ("continent", text("North America")),
        ("continent_code", text("NA")),
        ("country", text("United States")),
        ("country_code", text("US")),
    ];
    check(map(&lite), (Some("US"), Some("NA"), Some(64_497), None));
    let country = [("continent", text("EU")), ("continent_name", text("Europe")), ("country", text("DE"))];
    check(map(&country), (Some("DE"), Some("EU"), None, None));
    let place = [("country", text("DE")), ("lat", text("50.1155")), ("lng", text(" 8.6842 "))];
    check(map(&place), (Some("DE"), None, None, Some((50.1155, 8.6842))));
    check(map(&[("loc", text("-33.86,151.2"))]), (None, None, None, Some((-33.86, 151.2))));
    check(
        map(&[("latitude", Value::Double(1.5)), ("longitude", Value::Double(2.5))]),
        (None, None, None, Some((1.5, 2.5))),
    );
    let place = [("lat", Value::Double(1.5)), ("lon", Value::Double(2.5)), ("as_number", Value::Number(64_499))];
    check(map(&place), (None, None, Some(64_499), Some((1.5, 2.5))));
    check(map(&[("asn", Value::Number(64_498))]), (None, None, Some(64_498), None));
}

#[test]
fn what_cannot_be_a_fact_is_none() {
    let nothing = |record: Value| {
        let bytes = database("Test", &[("192.0.2.0", 24, record.clone())]);
        let facts = look_up(&Reader::from_source(bytes).unwrap(), address("192.0.2.7")).unwrap();
        assert_eq!(facts, Some(Facts::default()), "{record:?}");
    };
    nothing(map(&[]));
    nothing(map(&[("country", text("de")), ("continent", text("Europe")), ("asn", text("64496x"))]));
    nothing(map(&[("country", map(&[("iso_code", Value::Number(49))])), ("asn", Value::Number(0))]));
    nothing(map(&[("country", Value::List(vec![text("DE")])), ("asn", Value::Double(1.5)), ("loc", text("50.1"))]));
    nothing(map(&[("latitude", text("91")), ("longitude", text("8"))]));
    nothing(map(&[("latitude", Value::Double(f64::NAN)), ("longitude", Value::Double(8.0))]));
    nothing(map(&[("latitude", Value::Double(50.0))]));
    nothing(map(&[("country", map(&[("code", map(&[("code", text("DE"))]))]))]));
}

#[test]
fn a_fact_is_taken_from_the_first_database_that_has_it_and_the_region_is_the_nearest() {
    let no_place = map(&[("country", map(&[("iso_code", text("FR"))]))]);
    let other =
        map(&[("country", map(&[("iso_code", text("NL"))])), ("autonomous_system_number", Value::Number(64_501))]);
    let city = [("192.0.2.0", 24, frankfurt()), ("192.0.2.128", 25, no_place), ("198.51.100.0", 24, frankfurt())];
    let city = database("GeoLite2-City", &city);
    let networks = [("192.0.0.0", 16, asn(64_496)), ("2001:db8::", 32, asn(64_500)), ("198.51.100.0", 24, other)];
    let networks = database("GeoLite2-ASN", &networks);
    let files = Files::new(&[("city.mmdb", city), ("asn.mmdb", networks)]);
    let locator = files.locator(&["city.mmdb", "asn.mmdb"], Overrides::default());
    let check = |client: &str, country: Option<&str>, asn: Option<u32>, near: Option<&str>| {
        let location = locator.locate(address(client));
        let found = (location.country.map(|country| country.as_str().to_owned()), location.asn, location.region);
        assert_eq!(found, (country.map(str::to_owned), asn, near.map(region)), "{client}");
    };
    check("192.0.2.7", Some("DE"), Some(64_496), Some("eu"));
    check("::ffff:192.0.2.7", Some("DE"), Some(64_496), Some("eu"));
    check("192.0.2.200", Some("FR"), Some(64_496), None);
    check("198.51.100.7", Some("DE"), Some(64_501), Some("eu"));
    check("2001:db8::7", None, Some(64_500), None);
    check("203.0.113.7", None, None, None);
}

#[test]
fn the_longest_prefix_wins_fact_by_fact_over_databases() {
    let files = Files::new(&[("city.mmdb", database("City", &[("192.0.2.0", 24, frankfurt())]))]);
    let us = Stated { region: Some(region("us")), facts: country("US") };
    let only_asn = Stated { facts: Facts { asn: Some(64_499), ..Facts::default() }, region: None };
    let entries = [
        ("192.0.2.64/26", us.clone()),
        ("192.0.2.65/32", only_asn),
        ("192.0.0.0/16", Stated { facts: country("CH"), region: None }),
        ("::/0", Stated { facts: country("SE"), region: None }),
        ("192.0.2.64/26", Stated { facts: country("FR"), region: Some(region("asia")) }),
    ];
    let locator = files.locator(&["city.mmdb"], overrides(&entries));
    let check = |client: &str, country: &str, asn: Option<u32>, near: Option<&str>| {
        let found = locator.locate(address(client));
        let expected = (CountryCode::parse(country), asn, near.map(region));
        assert_eq!((found.country, found.asn, found.region), expected, "{client}");
    };
    check("192.0.2.64", "US", None, Some("us"));
    check("192.0.2.65", "US", Some(64_499), Some("us"));
    check("::ffff:192.0.2.65", "US", Some(64_499), Some("us"));
    check("192.0.2.1", "CH", None, Some("eu"));
    check("192.0.9.1", "CH", None, None);
    check("2001:db8::1", "SE", None, None);
    assert_eq!(locator.locate(address("198.51.100.1")), NOWHERE, "IPv6 networks hold no IPv4 address");
    let Located { sources, .. } = locator.explain(address("192.0.2.65"));
    let city = FactSource::Database(files.path("city.mmdb"));
    for (fact, source) in [
        ("country", FactSource::Override),
        ("asn", FactSource::Override),
        ("region", FactSource::Override),
        ("continent", city.clone()),
        ("coordinates", city),
    ] {
        assert!(sources.contains(&(fact, source)), "{fact} in {sources:?}");
    }
    assert_eq!(locator.explain(address("192.0.2.1")).sources.last(), Some(&("region", FactSource::NearestRegion)));
}

#[test]
fn a_changed_file_is_used_and_a_broken_one_keeps_the_one_before() {
    let (old, new) =
        (database("City", &[("192.0.2.0", 24, frankfurt())]), database("City", &[("0.0.0.0", 0, frankfurt())]));
    let files = Files::new(&[("city.mmdb", old.clone())]);
    let locator = files.locator(&["city.mmdb"], Overrides::default());
    let known = |client| locator.locate(address(client)).country.is_some();
    let status = || files.databases.status().remove(0);
    assert!(known("192.0.2.7") && !known("203.0.113.7"));
    files.databases.refresh();
    assert_eq!((status().reloads, status().failure), (0, None));
    let mut damaged = old.clone();
    let separator = old.windows(16).position(|window| window == [0; 16]).unwrap();
    damaged[separator + 16..separator + 40].fill(0xff);
    let broken: [(&str, &[u8]); 5] = [
        ("cut short", &old[..old.len() - 100]),
        ("without its first half", &old[old.len() / 2..]),
        ("empty", b""),
        ("foreign", b"\x1f\x8b\x08 not a database"),
        ("damaged", &damaged),
    ];
    for (number, (what, content)) in broken.into_iter().enumerate() {
        files.put("city.mmdb", content);
        files.databases.refresh();
        files.databases.refresh();
        let status = status();
        assert!(status.failure.is_some_and(|reason| reason.contains("mmdb")), "{what}");
        assert_eq!((status.failures, status.reloads), (number as u64 + 1, 0), "{what} is read once");
        assert!(known("192.0.2.7"), "{what}");
    }
    std::fs::remove_file(files.path("city.mmdb")).unwrap();
    files.databases.refresh();
    assert!(known("192.0.2.7") && status().failure.is_some_and(|reason| reason.contains("cannot be read")));
    files.put("city.mmdb", &new);
    files.databases.refresh();
    assert!(known("203.0.113.7"));
    assert_eq!((status().reloads, status().failures, status().failure), (1, 6, None));
}

#[test]
fn a_file_that_is_missing_or_no_database_is_told_at_the_start() {
    let files = Files::new(&[("foreign.mmdb", b"hello".to_vec())]);
    let check = |name: &str, expected: &str| {
        let Err((file, error)) = files.databases.open(&[files.path(name)]) else { panic!("{name} was opened") };
        assert_eq!(file, files.path(name));
        assert!(error.to_string().contains(expected), "{name}: {error}");
    };
    check("missing.mmdb", "cannot be read: No such file");
    check("foreign.mmdb", "is no whole database in MaxMind's format (mmdb)");
    check("", "is no regular file");
}

#[test]
fn the_same_file_is_read_once_for_all_configurations() {
    let files = Files::new(&[("city.mmdb", database("City", &[("192.0.2.0", 24, frankfurt())]))]);
    let first = files.locator(&["city.mmdb"], Overrides::default());
    let second = files.locator(&["city.mmdb"], Overrides::default());
    assert!(Arc::ptr_eq(&first.files[0], &second.files[0]));
    let without = files.locator(&[], Overrides::default());
    assert_eq!((files.databases.status(), without.files.len()), (Vec::new(), 0));
    assert!(first.locate(address("192.0.2.7")).country.is_some(), "requests under way keep theirs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is in a file: it is refused, or look-ups answer or fail. Nothing panics, nothing runs for ever.
    #[test]
    fn damaged_bytes_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        clients in prop::collection::vec(any::<u128>(), 8)
    ) {
        let mut bytes = database("City", &[("192.0.2.0", 24, frankfurt()), ("198.51.100.0", 24, asn(7)), ("2001:db8::", 32, frankfurt())]);
        for (index, byte) in flips {
            let length = bytes.len();
            bytes[index.index(length)] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        drop(Database::from_bytes(bytes.clone(), FileMark::default()));
        if let Ok(reader) = Reader::from_source(bytes) {
            let known = [address("192.0.2.1"), address("198.51.100.1"), address("2001:db8::1")];
            let random = clients.iter().flat_map(|bits| [IpAddr::from(bits.to_be_bytes()), IpAddr::from((*bits as u32).to_be_bytes())]);
            for client in known.into_iter().chain(random) {
                drop(look_up(&reader, client));
            }
        }
    }
}
