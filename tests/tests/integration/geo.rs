//! Where clients are: by their address, by what overrides it, and by databases that change and break.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::mmdb::{self, Mmdb, text};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

const LOOPBACK: &str = "
    kind: geo
    name: loopback
    overrides:
      - {networks: [127.0.1.0/24], region: eu, country: DE, continent: EU}
      - {networks: [127.0.2.0/24], region: us, country: US, continent: NA, asn: 64496}
    ";

/// A city database that knows one network, in Frankfurt.
fn city(network: &str, prefix: u8) -> Vec<u8> {
    let code =
        |name, code| (name, mmdb::Value::Map(vec![(if name == "country" { "iso_code" } else { "code" }, text(code))]));
    let location = vec![("latitude", mmdb::Value::Double(50.1)), ("longitude", mmdb::Value::Double(8.7))];
    let location = ("location", mmdb::Value::Map(location));
    let mut database = Mmdb::new("GeoLite2-City", 1_700_000_000);
    let network: IpAddr = network.parse().unwrap();
    database.insert(network, prefix, &mmdb::Value::Map(vec![code("country", "DE"), code("continent", "EU"), location]));
    database.to_bytes()
}

fn put(file: &Path, content: &[u8]) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

/// Sends a request from this address of the machine.
async fn get_from(source: &str, edge: SocketAddr, path: &str) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(edge).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

fn place(entry: &Value) -> Value {
    json!([entry["client"], entry["country"], entry["continent"], entry["asn"], entry["client_region"]])
}

#[tokio::test]
async fn the_access_log_says_where_clients_are_for_misses_and_hits_alike() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(100));
    let edge = Edge::start(&EdgeConfig::to(&origin).extra_documents(LOOPBACK)).await;
    let address = edge.target(Protocol::PlainHttp1).address;
    for (source, expected) in [
        ("127.0.1.5", json!(["127.0.1.5", "DE", "EU", null, "eu"])),
        ("127.0.2.5", json!(["127.0.2.5", "US", "NA", 64496, "us"])),
        ("127.0.3.5", json!(["127.0.3.5", null, null, null, null])),
    ] {
        let path = format!("/a?{source}");
        within("a miss", get_from(source, address, &path)).await;
        within("a hit", get_from(source, address, &path)).await;
        let entries = edge.access_log(2, |entry| entry["client"] == source).await;
        let found: Vec<_> = entries.iter().map(|entry| (entry["cache"].clone(), place(entry))).collect();
        assert_eq!(found, [(json!("miss"), expected.clone()), (json!("hit"), expected)]);
    }
}

#[tokio::test]
async fn places_come_from_a_database_over_every_protocol() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(100));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("city.mmdb");
    put(&file, &city("203.0.113.0", 24));
    let config = EdgeConfig::to(&origin)
        .node_yaml("trusted_proxies: [127.0.0.0/8]")
        .region_yaml("eu", "coordinates: {latitude: 52.5, longitude: 13.4}")
        .extra_documents(&format!("kind: geo\nname: city\ndatabases: [{}]", file.display()));
    let edge = Edge::start(&config).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let request = Request::get(&format!("/a?{protocol:?}")).field("x-forwarded-for", "203.0.113.9");
        within("an answer", client.request(request)).await.unwrap();
        let entries = edge.access_log(1, |entry| entry["path"] == "/a" && entry["protocol"] == protocol.label()).await;
        let expected = json!(["203.0.113.9", "DE", "EU", null, "eu"]);
        assert_eq!(place(&entries[0]), expected, "{protocol:?}");
    }
}

/// The answer of `GET /geo` once it is as wanted.
async fn geo_once(edge: &Edge, wanted: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        loop {
            let answer: Value = serde_json::from_slice(&edge.admin("GET", "/geo").await.body).unwrap();
            if wanted(&answer["databases"][0]) {
                return answer["databases"][0].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("a change of the database", asking).await
}

#[tokio::test]
async fn a_database_is_replaced_in_service_and_a_broken_one_changes_nothing() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("city.mmdb");
    put(&file, &city("203.0.113.0", 24));
    let config = EdgeConfig::to(&origin).extra_documents(&format!(
        "kind: geo\nname: city\ndatabases: [{}]\noverrides:\n  - {{networks: [198.51.100.0/24], country: FR}}",
        file.display()
    ));
    let edge = Edge::start(&config).await;
    let country = async |address: &str| {
        let answer = edge.admin("GET", &format!("/geo?address={address}")).await;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        json!([answer["country"], answer["sources"]["country"]])
    };
    let from_file = json!(["DE", file.display().to_string()]);
    assert_eq!(country("203.0.113.9").await, from_file);
    assert_eq!(country("::ffff:203.0.113.9").await, from_file);
    assert_eq!(country("198.51.100.9").await, json!(["FR", "override"]));
    assert_eq!(country("192.0.2.9").await, json!([null, null]));
    let first = geo_once(&edge, |_| true).await;
    assert_eq!((&first["type"], &first["built"]), (&json!("GeoLite2-City"), &json!("2023-11-14T22:13:20.000Z")));
    assert_eq!((&first["state"], &first["networks"]), (&json!("current"), &json!(1)));

    let failures = "tidegate_geo_database_reload_failures_total";
    put(&file, b"this is no database");
    edge.sighup();
    let broken = geo_once(&edge, |database| database["state"] == "stale").await;
    assert!(broken["failure"].as_str().unwrap().contains("mmdb"), "{broken}");
    assert_eq!(country("203.0.113.9").await, from_file, "the one before stays in use");
    assert_eq!(edge.metric(failures, &[]).await, 1.0);
    edge.stderr_with("the geographical database in use stays").await;

    put(&file, &city("192.0.2.0", 24));
    edge.sighup();
    geo_once(&edge, |database| database["state"] == "current" && database["reloads"] == 1).await;
    assert_eq!(country("192.0.2.9").await, from_file);
    assert_eq!(country("203.0.113.9").await, json!([null, null]));
    let built = edge.metric("tidegate_geo_database_build_timestamp_seconds", &[]).await;
    assert_eq!((built, edge.metric(failures, &[]).await), (1_700_000_000.0, 1.0));
    for query in ["address=", "address=nowhere", "x=1"] {
        assert_eq!(edge.admin("GET", &format!("/geo?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_configuration_that_names_a_missing_database_is_refused_in_words() {
    let origin = Origin::start().await;
    let config = EdgeConfig::to(&origin);
    let edge = Edge::start(&config).await;
    edge.rewrite(&config.clone().extra_documents("kind: geo\nname: city\ndatabases: [missing.mmdb]"));
    edge.sighup();
    let said = edge.stderr_with("missing.mmdb").await;
    let line = said.lines().find(|line| line.contains("missing.mmdb")).unwrap();
    assert!(line.contains("No such file") && line.contains("mmdb"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_cut_short_or_gone_holds_up_no_other_change_and_a_new_one_needs_no_signal() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("city.mmdb");
    let whole = city("203.0.113.0", 24);
    put(&file, &whole);
    let config = |country: &str| {
        EdgeConfig::to(&origin).extra_documents(&format!(
            "kind: geo\nname: city\ndatabases: [{}]\noverrides:\n  - {{networks: [198.51.100.0/24], country: {country}}}",
            file.display()
        ))
    };
    let edge = Edge::start(&config("FR")).await;
    let country = async |address: &str| {
        let answer = edge.admin("GET", &format!("/geo?address={address}")).await;
        serde_json::from_slice::<Value>(&answer.body).unwrap()["country"].clone()
    };
    let cut_short = || put(&file, &whole[..whole.len() - 40]);
    let gone = || fs::remove_file(&file).unwrap();
    let breaks: [(&dyn Fn(), &str, &str); 2] =
        [(&cut_short, "no whole database", "ES"), (&gone, "cannot be read", "IT")];
    for (damage, failure, changed) in breaks {
        damage();
        edge.rewrite(&config(changed));
        edge.sighup();
        let stale =
            geo_once(&edge, |database| database["failure"].as_str().is_some_and(|it| it.contains(failure))).await;
        assert_eq!(stale["state"], "stale", "{stale}");
        assert_eq!(country("203.0.113.9").await, "DE", "{failure}: the database from before");
        assert_eq!(country("198.51.100.9").await, changed, "{failure}: and everything else of the document");
    }
    put(&file, &city("192.0.2.0", 24));
    geo_once(&edge, |database| database["state"] == "current" && database["reloads"] == 1).await;
    assert_eq!((country("192.0.2.9").await, country("203.0.113.9").await), (json!("DE"), Value::Null));
}
