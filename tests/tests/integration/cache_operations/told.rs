//! What operators are told of what is on disk.

use super::*;

async fn explain(edge: &Edge, path: &str) -> Value {
    let url: String = format!("https://{HOST}{path}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = within("an answer", edge.admin("GET", &format!("/cache/explain?url={url}"))).await;
    serde_json::from_slice(&response.body).unwrap()
}

#[tokio::test]
async fn explain_knows_what_is_on_disk_alone() {
    let origin = Origin::start().await;
    origin.on("/plain", Script::cacheable(2000).field("surrogate-key", "one two"));
    origin.on("/varying", Script::cacheable(2000).field("vary", "accept-language"));
    let paths = || ["/plain", "/varying"].map(str::to_owned);
    let mut edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    fill(&edge, paths()).await;
    let before = explain(&edge, "/plain").await;
    assert_eq!((&before["stored"]["tier"], &before["on_disk"]), (&"memory".into(), &true.into()), "{before}");
    // Before the list of what memory held is written for the first time.
    edge.kill_and_restart().await;
    for path in paths() {
        let told = explain(&edge, &path).await;
        assert_eq!(told["stored"]["tier"], "disk", "{told}");
        assert_eq!((&told["decision"]["action"], &told["purged"]), (&"serve".into(), &Value::Null), "{told}");
    }
    assert_eq!(explain(&edge, "/plain").await["stored"]["tags"], 2);
    assert_eq!(explain(&edge, "/nothing").await["stored"], Value::Null);
    fill(&edge, paths()).await;
    assert!(paths().iter().all(|path| origin.requests(path).len() == 1));
}

#[tokio::test]
async fn room_of_a_device_that_is_away_is_shown_all_the_same() {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin).on_disk();
    config.cache.push("  shares: [{ site: media, floor: 50% }]".to_owned());
    let mut edge = Edge::start(&config).await;
    let before = stats(&edge).await;
    edge.restart_after(|edge| {
        std::fs::remove_dir_all(edge.file("disk")).unwrap();
        std::fs::write(edge.file("disk"), "no directory").unwrap();
    })
    .await;
    let after = stats(&edge).await;
    assert_eq!(after["disk"]["devices"][0]["state"], "failed", "{after}");
    assert_eq!(after["disk"]["capacity_bytes"], 64 << 20);
    for of_site in [&before, &after].map(|stats| &stats["sites"][0]["disk"]) {
        assert_eq!(of_site["floor_bytes"].as_u64().unwrap() >> 20, 31, "{of_site}");
        assert_eq!(of_site["ceiling_bytes"], 64 << 20, "{of_site}");
    }
}

#[tokio::test]
async fn every_series_of_a_device_is_there_from_the_start() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    let device = format!("device=\"{}\"", edge.file("disk").display());
    let metrics = edge.metrics().await;
    for series in [
        "tidegate_disk_corrupt_records_total{",
        "tidegate_disk_read_duration_seconds_count{",
        "tidegate_disk_write_duration_seconds_count{",
        "tidegate_disk_reclaimed_age_seconds_count{",
        "tidegate_disk_file_written_bytes_total{",
        "tidegate_disk_recovered_records_total{",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(series) && line.contains(&device)), "{series}");
    }
    for (series, label) in [
        ("tidegate_disk_evictions_total{", "cause=\"capacity\""),
        ("tidegate_disk_discarded_total{", "reason=\"damaged_entry\""),
        ("tidegate_disk_not_written_total{", "reason=\"device_away\""),
        ("tidegate_disk_refused_total{", "reason=\"not_admitted\""),
    ] {
        let is_it = |line: &str| line.starts_with(series) && line.contains(label) && line.ends_with(" 0");
        assert!(metrics.lines().any(is_it), "{series} {label}");
    }
}
