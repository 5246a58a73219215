//! Chromium plays the demonstration through an edge, driven by `tests/browser/play.mjs`; the built-in origin serves it.

mod failover;

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tidegate_origin::{OriginOptions, Root};
use tidegate_tests::PATIENCE;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::programs::Program;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;

/// How the browser reaches the edge.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Http2,
    Http3,
}

/// An edge before the built-in origin.
async fn edge() -> Edge {
    let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = OriginOptions::new("eu-origin".parse().unwrap());
    // It ends with the test's runtime.
    tokio::spawn(tidegate_origin::serve(listener, Root::Embedded, options, std::future::pending()));
    Edge::start(&EdgeConfig::to_url(&url)).await
}

/// A browser that plays.
struct Player {
    process: tokio::process::Child,
    /// What it says on standard error.
    told: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

/// Plays this source until `until` seconds.
fn player(edge: &Edge, transport: Transport, source: &str, until: &str, more: &[&str]) -> Player {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(directory.join("node_modules").is_dir(), "run `npm ci` in {}", directory.display());
    let place = edge.place();
    let mut command = tokio::process::Command::new(Program::Node.path());
    command.arg(directory.join("play.mjs")).args(["--url", &format!("https://{HOST}:{}/", place.https)]);
    command.args(["--source", source, "--until", until, "--spki", edge.public_key_sha256()]);
    command.args(["--map", &format!("{HOST}={}", place.address)]).args(more);
    if transport == Transport::Http3 {
        command.args(["--quic-origin", &format!("{HOST}:{}", place.https)]);
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().expect("node starts");
    let told = BufReader::new(process.stderr.take().expect("it is piped")).lines();
    Player { process, told }
}

impl Player {
    /// Waits until playback has passed this second; needs `--progress`.
    async fn reaches(&mut self, second: u32) {
        let wanted = format!("position {second}");
        let reading = async {
            while let Some(line) = self.told.next_line().await.unwrap() {
                if line == wanted {
                    return true;
                }
            }
            false
        };
        let reached = tokio::time::timeout(PATIENCE * 3, reading).await.expect("playback goes on");
        if !reached {
            panic!("playback ended before second {second}");
        }
    }

    /// What the player saw, once it has ended.
    async fn outcome(mut self) -> Value {
        let mut output = String::new();
        let mut told = Vec::new();
        let ending = async {
            let mut stdout = self.process.stdout.take().expect("it is piped");
            let reading = stdout.read_to_string(&mut output);
            let listening = async {
                while let Ok(Some(line)) = self.told.next_line().await {
                    told.push(line);
                }
            };
            let (read, ()) = tokio::join!(reading, listening);
            read.unwrap();
            self.process.wait().await.unwrap()
        };
        let status = tokio::time::timeout(PATIENCE * 5, ending).await.expect("the browser ends in time");
        let told = told.join("\n");
        let outcome = serde_json::from_str(&output);
        let outcome: Value = outcome.unwrap_or_else(|error| panic!("play.mjs printed no JSON ({error}): {told}"));
        assert!(status.success(), "{outcome:#} {told}");
        outcome
    }
}

/// Plays this source until `until` seconds, after a seek when there is one; what the player saw.
async fn play(edge: &Edge, transport: Transport, source: &str, until: &str, seek: Option<&str>) -> Value {
    let seek = seek.map(|seek| ["--seek", seek]);
    player(edge, transport, source, until, seek.as_ref().map_or(&[], |seek| seek)).outcome().await
}

fn current_time(outcome: &Value) -> f64 {
    outcome["currentTime"].as_f64().unwrap_or_default()
}

#[tokio::test]
async fn browser_plays_hls_over_http3() {
    let edge = edge().await;
    let outcome = play(&edge, Transport::Http3, "hls", "5.05", None).await;
    assert!(current_time(&outcome) > 5.0, "{outcome:#}");
    let segments = outcome["segments"].as_array().unwrap();
    assert!(!segments.is_empty(), "{outcome:#}");
    assert!(segments.iter().all(|segment| segment["protocol"] == "h3"), "{segments:#?}");
    assert!(segments.iter().all(|segment| segment["edge"] == "eu-a-1"), "{segments:#?}");
}

#[tokio::test]
async fn browser_plays_hls_over_http2() {
    let edge = edge().await;
    let outcome = play(&edge, Transport::Http2, "hls", "5.05", None).await;
    assert!(current_time(&outcome) > 5.0, "{outcome:#}");
    let protocols = outcome["protocols"].as_array().unwrap();
    // Alt-Svc may move a later part to HTTP/3.
    assert!(protocols.iter().any(|protocol| protocol == "h2"), "{outcome:#}");
}

#[tokio::test]
async fn browser_plays_dash() {
    let edge = edge().await;
    let outcome = play(&edge, Transport::Http3, "dash", "3", None).await;
    assert!(current_time(&outcome) >= 3.0, "{outcome:#}");
}

#[tokio::test]
async fn browser_plays_mp3_with_a_seek() {
    let edge = edge().await;
    let outcome = play(&edge, Transport::Http3, "mp3", "6", Some("5")).await;
    assert!(current_time(&outcome) >= 6.0, "{outcome:#}");
}
