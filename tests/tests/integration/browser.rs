//! Chromium plays the demonstration through an edge, driven by `tests/browser/play.mjs`; the built-in origin serves it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tidegate_origin::{OriginOptions, Root};
use tidegate_tests::PATIENCE;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::programs::Program;
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

/// Plays this source until `until` seconds, after a seek when there is one; what the player saw.
async fn play(edge: &Edge, transport: Transport, source: &str, until: &str, seek: Option<&str>) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(directory.join("node_modules").is_dir(), "run `npm ci` in {}", directory.display());
    let place = edge.place();
    let mut command = tokio::process::Command::new(Program::Node.path());
    command.arg(directory.join("play.mjs")).args(["--url", &format!("https://{HOST}:{}/", place.https)]);
    command.args(["--source", source, "--until", until, "--spki", edge.public_key_sha256()]);
    command.args(["--map", &format!("{HOST}={}", place.address)]);
    if let Some(seek) = seek {
        command.args(["--seek", seek]);
    }
    if transport == Transport::Http3 {
        command.args(["--quic-origin", &format!("{HOST}:{}", place.https)]);
    }
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE * 5, running).await.expect("the browser ends in time").unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let outcome = serde_json::from_slice(&output.stdout);
    let outcome: Value = outcome.unwrap_or_else(|error| panic!("play.mjs printed no JSON ({error}): {told}"));
    assert!(output.status.success(), "{outcome:#} {told}");
    outcome
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
