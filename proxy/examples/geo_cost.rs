//! What locating clients costs, with a database as large as those of cities:
//! `cargo run --release -p tidegate-proxy --example geo_cost [FILE.mmdb]`. Without a file it makes one with 3 million
//! networks. Figures belong to a machine and a day.

#[path = "../../tests/src/mmdb.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with the harness of the integration tests")]
mod mmdb;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use mmdb::{Mmdb, Value, text};
use tidegate_proxy::geo::{GeoDatabases, GeoLocator};

const V4_NETWORKS: u32 = 2_500_000;
const V6_NETWORKS: u32 = 500_000;
/// Places, which networks share.
const PLACES: u32 = 120_000;
const LOOKUPS: u32 = 2_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(file) = std::env::args_os().nth(1) {
        return measure(Path::new(&file));
    }
    let folder = std::env::temp_dir().join(format!("tidegate-geo-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // In a process of its own, whose memory nothing else has been in.
    let measured = city(&folder).and_then(|file| Command::new(std::env::current_exe()?).arg(file).status());
    std::fs::remove_dir_all(&folder)?;
    Ok(measured.map(drop)?)
}

fn measure(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let model = tidegate_config::load_texts(&[("edge.yaml".into(), documents(file))]).map_err(|all| all.to_string())?;
    let (before, started) = (resident(), Instant::now());
    let databases = Arc::new(GeoDatabases::default());
    let locator = GeoLocator::compile(&model, &databases).map_err(|(_, error)| error)?;
    locator.put_in_force();
    let (status, loaded) = (databases.status().remove(0), started.elapsed());
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    println!("{} networks, file {:.1} MiB", status.networks, mebibytes(status.bytes));
    println!("resident memory for it {:.1} MiB, read and tried in {loaded:.2?}", mebibytes(resident() - before));
    let v4 = |number: u32| IpAddr::from(Ipv4Addr::from(number.wrapping_mul(2_654_435_761)));
    report("random IPv4 addresses", &locator, v4);
    report("random IPv6 addresses", &locator, |number| {
        IpAddr::from(v6(number.wrapping_mul(2_654_435_761) % V6_NETWORKS))
    });
    report("a thousand IPv4 addresses again and again", &locator, |number| v4(number % 1_000));
    report("overridden", &locator, |number| IpAddr::from(Ipv4Addr::new(127, 0, 1, number as u8)));
    Ok(())
}

fn report(name: &str, locator: &GeoLocator, client: impl Fn(u32) -> IpAddr) {
    let started = Instant::now();
    let known = (0..LOOKUPS).filter(|number| black_box(locator.locate(client(*number))).country.is_some()).count();
    let each = started.elapsed().as_nanos() as f64 / f64::from(LOOKUPS);
    println!("{each:>6.0} ns a look-up, {name} ({} % known)", known * 100 / LOOKUPS as usize);
}

fn city(folder: &Path) -> Result<PathBuf, std::io::Error> {
    let places: Vec<Value> = (0..PLACES).map(place).collect();
    let place = |number: u32| &places[(number.wrapping_mul(40_503) % PLACES) as usize];
    let mut database = Mmdb::new("Example-City", 1_700_000_000);
    for number in 0..V4_NETWORKS {
        let network = number.wrapping_mul(6) << 8;
        database.insert(IpAddr::from(Ipv4Addr::from(network)), 24 - (number % 2) as u8, place(number));
    }
    for number in 0..V6_NETWORKS {
        database.insert(IpAddr::from(v6(number)), 40, place(number));
    }
    let file = folder.join("city.mmdb");
    std::fs::write(&file, database.to_bytes())?;
    Ok(file)
}

fn v6(number: u32) -> Ipv6Addr {
    Ipv6Addr::from(0x2a00_u128 << 112 | u128::from(number) << 88)
}

fn place(number: u32) -> Value {
    let code = |code: &'static str, value: &str| {
        let names = Value::Map(vec![("en", text("Somewhere")), ("de", text("Irgendwo")), ("fr", text("Quelque part"))]);
        Value::Map(vec![(code, text(value)), ("geoname_id", Value::Number(6_255_148)), ("names", names)])
    };
    let names = Value::Map(vec![("en", text(&format!("City {number}"))), ("de", text(&format!("Stadt {number}")))]);
    let at = |range: u32| Value::Double(f64::from(number % range) - f64::from(range / 2));
    Value::Map(vec![
        ("city", Value::Map(vec![("geoname_id", Value::Number(number)), ("names", names)])),
        ("continent", code("code", "EU")),
        ("country", code("iso_code", "DE")),
        (
            "location",
            Value::Map(vec![("latitude", at(170)), ("longitude", at(350)), ("time_zone", text("Europe/Berlin"))]),
        ),
        ("postal", Value::Map(vec![("code", text(&number.to_string()))])),
    ])
}

fn documents(file: &Path) -> String {
    let region = |name: &str, latitude: f64, longitude: f64| {
        format!("kind: region\nname: {name}\ncoordinates: {{latitude: {latitude}, longitude: {longitude}}}\n---\n")
    };
    [
        "kind: node\nname: eu-a-1\npop: eu-a\nlisteners: [{address: \"127.0.0.1:8080\", protocol: http, plaintext: serve}]\n---\n",
        "kind: pop\nname: eu-a\nregion: eu\n---\n",
        &region("asia", 1.35, 103.8),
        &region("eu", 50.1, 8.7),
        &region("us", 39.0, -77.5),
        "kind: origin_pool\nname: origins\norigins: [{name: a, url: \"http://127.0.0.1:9\", region: eu}]\n---\n",
        "kind: site\nname: media\nhosts: [\"*\"]\nroutes: [{name: all, path: /*, origin_pool: origins}]\n---\n",
        &format!("kind: geo\nname: city\ndatabases: [{}]\n", file.display()),
        "overrides: [{networks: [127.0.1.0/24], country: DE, continent: EU, region: eu}]\n",
    ]
    .concat()
}

/// Bytes of memory that this process has now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_ascii_whitespace().next().and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
