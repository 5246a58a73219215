//! What reaches the log and what does not.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::time::UNIX_EPOCH;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegate_config::ids::{Generation, RegionName, SiteName};
use tidegate_config::model::{Continent, CountryCode};

use super::*;
use crate::listener::Protocol;
use crate::telemetry::{CacheOutcome, Metrics, RequestIdSource};

const PATIENCE: Duration = Duration::from_secs(10);

fn record(path: &str) -> AccessRecord {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_millis(1),
        request_id: RequestIdSource::from_seed(1, 0).next_id(),
        trace_id: 0xabc,
        client: IpAddr::from(Ipv4Addr::new(192, 0, 2, 7)),
        connection_peer: None,
        country: CountryCode::parse("DE"),
        continent: Some(Continent::Europe),
        asn: Some(64_496),
        client_region: Some(RegionName::parse("eu").unwrap()),
        protocol: Protocol::Http3,
        tls_version: Some("TLSv1.3"),
        method: Method::GET,
        host: Some(BoundedText::new("media.example")),
        path: BoundedText::new(path),
        has_query: true,
        status: StatusCode::OK,
        bytes_sent: 10,
        bytes_received: 0,
        duration: Duration::from_micros(1_500),
        time_to_first_byte: Some(Duration::from_micros(900)),
        cache: CacheOutcome::Hit,
        site: Some(SiteName::parse("demo").unwrap()),
        route: None,
        origin: None,
        attempts: Box::default(),
        error: None,
        user_agent: Some(BoundedText::new("a \"quoted\" agent\n")),
        referer: None,
        generation: Generation(4),
    }
}

fn edge() -> NodeName {
    NodeName::parse("eu-1").unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-access-log-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn paths(lines: &str) -> Vec<String> {
    let path = |line: &str| serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
    lines.lines().map(path).collect()
}

/// Takes one write at a time: tells of each, then waits for the test to let it through.
struct Gate {
    entered: Sender<()>,
    open: Receiver<io::Result<()>>,
}

fn gate() -> (Receiver<()>, Sender<io::Result<()>>, writer::Output) {
    let (entered, enters) = mpsc::channel();
    let (opener, open) = mpsc::channel();
    (enters, opener, writer::Output::Sink(Box::new(Gate { entered, open })))
}

impl Write for Gate {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.entered.send(()).unwrap_or_default();
        self.open.recv().unwrap_or(Ok(())).map(|()| lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_says_all_there_is_to_say() {
    let mut line = Vec::new();
    record("/vod/a").append_line(&edge(), &mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let expected = json!({
        "time": "1970-01-01T00:00:00.001Z", "request_id": "00000000000000010000000000000000",
        "trace_id": "00000000000000000000000000000abc", "edge": "eu-1", "client": "192.0.2.7", "connection_peer": null, "country": "DE",
        "continent": "EU", "asn": 64496, "client_region": "eu", "protocol": "h3",
        "tls_version": "TLSv1.3", "method": "GET", "host": "media.example", "path": "/vod/a", "query": true,
        "status": 200, "bytes_sent": 10, "bytes_received": 0, "duration_us": 1500, "ttfb_us": 900, "cache": "hit",
        "site": "demo", "route": null, "origin": null, "attempts": [], "error": null, "user_agent": "a \"quoted\" agent\n",
        "referer": null, "generation": 4,
    });
    assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), expected);
}

#[test]
fn text_from_clients_is_bounded_and_always_valid() {
    let check = |text: &[u8], expected: &str| assert_eq!(BoundedText::<4>::new(text).as_str(), expected, "{text:?}");
    check(b"", "");
    check(b"abcd", "abcd");
    check(b"abcde", "abcd");
    check("äöü".as_bytes(), "äö");
    check("aäöü".as_bytes(), "aä");
    check(b"\xff\xff\xff\xff", "\u{fffd}");
    check(b"a\xff", "a\u{fffd}");
}

#[test]
fn records_are_in_the_file_after_a_flush() {
    let folder = Folder::new("flush");
    let path = folder.0.join("access.log");
    let counters = Metrics::new("1").access_log();
    let log = AccessLog::start(&Target::File(path.clone()), &edge(), counters.clone()).unwrap();
    assert!(log.is_on());
    log.record(record("/1"));
    log.record(record("/2"));
    assert!(log.flush(PATIENCE));
    assert_eq!(paths(&fs::read_to_string(&path).unwrap()), ["/1", "/2"]);
    assert_eq!((counters.written.get(), counters.dropped.get()), (2, 0));
}

#[test]
fn a_rotated_file_keeps_what_came_before_and_the_new_one_gets_the_rest() {
    let folder = Folder::new("rotate");
    let (path, rotated) = (folder.0.join("access.log"), folder.0.join("access.log.1"));
    let log = AccessLog::start(&Target::File(path.clone()), &edge(), Metrics::new("1").access_log()).unwrap();
    log.record(record("/before"));
    fs::rename(&path, &rotated).unwrap();
    log.reopen();
    assert!(log.flush(PATIENCE));
    log.record(record("/after"));
    assert!(log.flush(PATIENCE));
    assert_eq!(paths(&fs::read_to_string(&rotated).unwrap()), ["/before"]);
    assert_eq!(paths(&fs::read_to_string(&path).unwrap()), ["/after"]);
}

#[test]
fn a_full_queue_drops_and_counts_and_never_blocks() {
    let (enters, opener, output) = gate();
    let counters = Metrics::new("1").access_log();
    let log = AccessLog::start_with(output, &edge(), counters.clone(), 2).unwrap();
    log.record(record("/held"));
    enters.recv_timeout(PATIENCE).unwrap();
    // The writer is held at the gate: two wait in the queue, the others are dropped.
    for _ in 0..10 {
        log.record(record("/"));
    }
    assert_eq!(counters.dropped.get(), 8);
    drop(opener);
    assert!(log.flush(PATIENCE));
    assert_eq!((counters.written.get(), counters.dropped.get()), (3, 8));
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_later_ones_are_written() {
    let (_enters, opener, output) = gate();
    let counters = Metrics::new("1").access_log();
    let log = AccessLog::start_with(output, &edge(), counters.clone(), 8).unwrap();
    opener.send(Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap();
    log.record(record("/lost"));
    assert!(log.flush(PATIENCE));
    assert_eq!((counters.written.get(), counters.dropped.get()), (0, 1));
    opener.send(Ok(())).unwrap();
    log.record(record("/kept"));
    assert!(log.flush(PATIENCE));
    assert_eq!((counters.written.get(), counters.dropped.get()), (1, 1));
}

#[test]
fn a_flush_behind_a_stuck_writer_gives_up_in_time() {
    let (_enters, _opener, output) = gate();
    let log = AccessLog::start_with(output, &edge(), Metrics::new("1").access_log(), 8).unwrap();
    log.record(record("/"));
    assert!(!log.flush(Duration::from_millis(50)));
}

#[test]
fn a_log_that_is_off_takes_nothing_and_a_folder_that_is_missing_is_an_error() {
    let log = AccessLog::start(&Target::Off, &edge(), Metrics::new("1").access_log()).unwrap();
    log.record(record("/"));
    log.reopen();
    assert!(!log.is_on() && log.flush(Duration::ZERO));
    let missing = Target::File(PathBuf::from("/nonexistent/access.log"));
    assert!(AccessLog::start(&missing, &edge(), Metrics::new("1").access_log()).is_err());
}
