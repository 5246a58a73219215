//! What a scrape shows.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;

use super::*;
use crate::listener::{ConnectionObserver, HandshakeOutcome, Protocol, Refusal};

fn figures() -> RequestFigures {
    RequestFigures {
        protocol: Protocol::Http2,
        status: StatusCode::PARTIAL_CONTENT,
        cache: CacheOutcome::Hit,
        duration: Duration::from_millis(30),
        time_to_first_byte: Some(Duration::from_micros(700)),
        request_bytes: 0,
        response_bytes: 1_024,
    }
}

fn check(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
}

fn name<T>(parse: fn(&str) -> Result<T, tidegate_config::ids::InvalidName>, text: &str) -> T {
    parse(text).unwrap()
}

#[test]
fn a_request_is_counted_by_site_protocol_status_and_cache() {
    let metrics = Metrics::new("1.2.3");
    let site = metrics.site_handles(&name(SiteName::parse, "demo"));
    site.record(&figures());
    site.record(&figures());
    metrics.no_site().record(&RequestFigures {
        protocol: Protocol::Http1,
        status: StatusCode::NOT_FOUND,
        cache: CacheOutcome::None,
        time_to_first_byte: None,
        request_bytes: 5,
        ..figures()
    });
    for line in [
        r#"tidegate_requests_total{cache="hit",protocol="h2",site="demo",status="2xx"} 2"#,
        r#"tidegate_requests_total{cache="none",protocol="h1",site="_none",status="4xx"} 1"#,
        r#"tidegate_response_bytes_total{protocol="h2",site="demo"} 2048"#,
        r#"tidegate_request_bytes_total{protocol="h1",site="_none"} 5"#,
        r#"tidegate_time_to_first_byte_seconds_bucket{protocol="h2",site="demo",le="0.0005"} 0"#,
        r#"tidegate_time_to_first_byte_seconds_bucket{protocol="h2",site="demo",le="0.001"} 2"#,
        r#"tidegate_time_to_first_byte_seconds_count{protocol="h1",site="_none"} 0"#,
        r#"tidegate_request_duration_seconds_bucket{protocol="h2",site="demo",le="0.05"} 2"#,
        r#"tidegate_request_duration_seconds_count{protocol="h2",site="demo"} 2"#,
        r#"tidegate_build_info{version="1.2.3"} 1"#,
    ] {
        check(&metrics, line);
    }
}

#[test]
fn sites_and_origins_beyond_the_bound_share_one_series() {
    let metrics = Metrics::new("1");
    let site = |number: usize| metrics.site_handles(&name(SiteName::parse, &format!("s{number}")));
    let origin = |number: usize| {
        let origin = name(OriginName::parse, &format!("o{number}"));
        metrics.origin_handles(&name(PoolName::parse, "films"), &origin)
    };
    for number in 0..MAX_SITES.max(MAX_ORIGINS) + 2 {
        site(number).record(&figures());
        origin(number).connect_failed();
    }
    site(0).record(&figures());
    origin(0).connect_failed();
    check(&metrics, r#"tidegate_requests_total{cache="hit",protocol="h2",site="s0",status="2xx"} 2"#);
    check(&metrics, r#"tidegate_requests_total{cache="hit",protocol="h2",site="s999",status="2xx"} 1"#);
    check(&metrics, r#"tidegate_requests_total{cache="hit",protocol="h2",site="_other",status="2xx"} 2"#);
    check(&metrics, r#"tidegate_origin_connect_failures_total{origin="o0",pool="films"} 2"#);
    check(&metrics, r#"tidegate_origin_connect_failures_total{origin="_other",pool="_other"} 2"#);
}

#[test]
fn origins_without_series_of_their_own_raise_no_alarm() {
    let text = Metrics::new("1").render();
    let verdicts = ["tidegate_origin_healthy{", "tidegate_origin_effective_weight_ratio{"];
    assert!(!verdicts.iter().any(|name| text.contains(name)), "{text}");
}

#[test]
fn every_status_class_has_its_label() {
    for (status, label) in [(101, "1xx"), (200, "2xx"), (308, "3xx"), (499, "4xx"), (500, "5xx"), (999, "5xx")] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(StatusClass::from(status).label(), label);
        assert_eq!(OriginOutcome::from(status).label(), label);
    }
}

#[test]
fn connections_are_counted_while_open_and_in_all() {
    let metrics = Metrics::new("1");
    metrics.opened(Protocol::Http3);
    metrics.opened(Protocol::Http3);
    metrics.closed(Protocol::Http3);
    metrics.handshake(true, HandshakeOutcome::Completed);
    metrics.handshake(false, HandshakeOutcome::TimedOut);
    metrics.refused(Refusal::ConnectionsPerAddress);
    assert_eq!(metrics.open_connections(), [("h1", 0), ("h2", 0), ("h3", 1)]);
    check(&metrics, r#"tidegate_connections_open{protocol="h3"} 1"#);
    check(&metrics, r#"tidegate_connections_total{protocol="h3"} 2"#);
    check(&metrics, r#"tidegate_handshakes_total{outcome="completed",transport="quic"} 1"#);
    check(&metrics, r#"tidegate_handshakes_total{outcome="timed_out",transport="tcp"} 1"#);
    check(&metrics, r#"tidegate_connections_refused_total{reason="connections_per_address"} 1"#);
}

#[test]
fn a_fill_ends_once_with_its_outcome_and_as_failed_when_its_task_dies() {
    let metrics = Metrics::new("1");
    let (first, second) = (metrics.fills().start(), metrics.fills().start());
    assert_eq!(metrics.fills().in_flight(), 2);
    first.finish(FillOutcome::Stored);
    drop(second);
    metrics.fills().fetched(4_096);
    metrics.fills().joined();
    metrics.fills().resumed(ResumeOutcome::Denied);
    let waiter = metrics.fills().wait();
    check(&metrics, "tidegate_fill_waiters 1");
    drop(waiter);
    for line in [
        "tidegate_fills_started_total 2",
        r#"tidegate_fills_finished_total{outcome="stored"} 1"#,
        r#"tidegate_fills_finished_total{outcome="failed"} 1"#,
        "tidegate_fills_in_flight 0",
        "tidegate_fill_bytes_total 4096",
        "tidegate_collapsed_requests_total 1",
        r#"tidegate_fill_resumes_total{outcome="denied"} 1"#,
        "tidegate_fill_waiters 0",
    ] {
        check(&metrics, line);
    }
}

#[test]
fn cache_usage_is_read_at_each_scrape() {
    let metrics = Metrics::new("1");
    assert_eq!(metrics.cache().usage(), CacheUsage::default());
    metrics.cache().read_usage_from(|| CacheUsage { bytes: 10, entries: 2, capacity: 100 });
    metrics.cache().evicted(EvictionCause::Capacity);
    metrics.cache().missed(MissReason::VaryMiss);
    check(&metrics, "tidegate_cache_bytes 10");
    check(&metrics, "tidegate_cache_entries 2");
    check(&metrics, "tidegate_cache_capacity_bytes 100");
    check(&metrics, r#"tidegate_cache_misses_total{reason="vary_miss"} 1"#);
    check(&metrics, r#"tidegate_cache_evictions_total{cause="capacity"} 1"#);
}

#[test]
fn reloads_and_the_generation_are_shown() {
    let metrics = Metrics::new("1");
    metrics.config_read(ReloadOutcome::Applied, Generation(3));
    metrics.config_read(ReloadOutcome::Rejected, Generation(3));
    assert_eq!(metrics.generation(), Generation(3));
    check(&metrics, "tidegate_snapshot_generation 3");
    check(&metrics, r#"tidegate_config_reloads_total{outcome="applied"} 1"#);
    check(&metrics, r#"tidegate_config_reloads_total{outcome="rejected"} 1"#);
}

#[test]
fn the_process_shows_its_memory_and_descriptors() {
    let metrics = Metrics::new("1");
    let text = metrics.render();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} is missing"));
        line.trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 100_000.0);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_threads ") >= 1.0);
    assert!(value("process_start_time_seconds ") > 1_700_000_000.0);
}

#[test]
fn cpu_time_is_found_behind_any_command_name() {
    let stat = "12 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
    assert_eq!(process::processor_seconds(stat), Some(2.0));
    assert_eq!(process::processor_seconds("12 (x) S"), None);
}

/// Names of metrics that stand in operators' documents.
fn documented() -> BTreeSet<String> {
    const DOCUMENT: &str = include_str!("../../../../docs/operators.md");
    let is_of_name = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    let words = DOCUMENT.split(|it| !is_of_name(it));
    words.filter(|word| word.starts_with("tidegate_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let _metrics = Metrics::new("1");
    let registered: BTreeSet<String> = family::REGISTERED.with_borrow(|names| names.iter().cloned().collect());
    let documented = documented();
    assert!(registered.len() > 60, "{registered:?}");
    assert_eq!(&registered - &documented, BTreeSet::new(), "not in docs/operators.md");
    assert_eq!(&documented - &registered, BTreeSet::new(), "in docs/operators.md, but not there");
}

#[test]
fn refusals_are_counted_from_nothing() {
    let metrics = Metrics::new("1");
    for protocol in ["h1", "h2", "h3"] {
        check(&metrics, &format!("tidegate_requests_refused_total{{protocol=\"{protocol}\",status=\"400\"}} 0"));
    }
    metrics.rejected(Protocol::Http2, 400);
    check(&metrics, r#"tidegate_requests_refused_total{protocol="h2",status="400"} 1"#);
}

#[test]
fn kill_switches_that_are_off_again_are_shown_as_none() {
    let metrics = Metrics::new("1");
    metrics.kill_switches().set([(("demo", "block"), 2), (("demo", "maintenance"), 1)].into_iter());
    check(&metrics, r#"tidegate_kill_switches_active{action="block",site="demo"} 2"#);
    metrics.kill_switches().set([(("demo", "maintenance"), 1)].into_iter());
    check(&metrics, r#"tidegate_kill_switches_active{action="block",site="demo"} 0"#);
    check(&metrics, r#"tidegate_kill_switches_active{action="maintenance",site="demo"} 1"#);
}

#[test]
fn every_family_follows_the_naming_rules() {
    let metrics = Metrics::new("1");
    metrics.site_handles(&name(SiteName::parse, "demo")).record(&figures());
    metrics.origin_handles(&name(PoolName::parse, "films"), &name(OriginName::parse, "one")).connect_failed();
    metrics.disk().begin(["/disk"].into_iter());
    let text = metrics.render();
    assert!(text.contains("tidegate_disk_corrupt_records_total{device=\"/disk\"} 0"), "{text}");
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.len() > 20, "{families:?}");
    for family in families {
        let (name, kind) = family.split_once(' ').unwrap();
        assert_eq!(name.ends_with("_total"), kind == "counter", "{family}");
        assert!(name.starts_with("tidegate_") || name.starts_with("process_"), "{family}");
        assert!(text.contains(&format!("# HELP {name} ")), "{family}");
    }
}
