//! Clients of a fleet come from one machine, and from two parts of the world all the same.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, text};

/// Asks from this address of the machine.
fn ask_from(source: &str, edge: &str) {
    let url = format!("{edge}/?from={source}");
    let arguments = ["--interface", source, "--fail", "--silent", "--max-time", "10", url.as_str()];
    let ran = Command::new("curl").args(arguments).output().expect("curl runs");
    assert!(ran.status.success() && !ran.stdout.is_empty(), "{url}: {:?}", ran.status);
}

#[test]
fn loopback_addresses_count_as_clients_of_both_regions() {
    let (fleet, ready) = Fleet::start(&[]);
    let places = [
        ("127.0.1.5", json!(["DE", "EU", "eu"])),
        ("127.0.2.5", json!(["US", "NA", "us"])),
        ("127.0.3.5", json!([null, null, null])),
    ];
    for (source, _) in &places {
        ask_from(source, text(&ready, "/edges/0/http"));
    }
    let log = fleet.data_directory().join(format!("{}.access.log", text(&ready, "/edges/0/name")));
    for (source, expected) in places {
        // The log is written beside the requests.
        let found = (0..500).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let lines = std::fs::read_to_string(&log).unwrap_or_default();
            let mut entries = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            entries.find(|entry| entry["client"] == source)
        });
        let entry = found.unwrap_or_else(|| panic!("no line of {source} in {}", log.display()));
        assert_eq!(json!([entry["country"], entry["continent"], entry["client_region"]]), expected, "{source}");
    }
}
