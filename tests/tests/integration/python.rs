//! HTTP/3 by a client that is not ours: aioquic. See `tests/python/http3_client.py`.

use std::path::Path;

use serde_json::Value;
use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Origin, Outcome, Script};
use tidegate_tests::programs::Program;
use tidegate_tests::within;

const SIZE: u64 = 100_003;
const FIVE_MEGABYTES: u64 = 5_000_000;

async fn edge_and_origin() -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(SIZE).field("etag", "\"v1\""));
    origin.on("/large", Script::cacheable(20_000_000));
    origin.on("/echo", Script::status(200).body(Body::Echo));
    (Edge::start(&EdgeConfig::to(&origin)).await, origin)
}

/// Runs one scenario and returns what it printed.
async fn scenario(edge: &Edge, arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/http3_client.py");
    let place = edge.place();
    let mut command = tokio::process::Command::new(Program::Python.path());
    command.arg(script).args(["--address", &place.address.to_string(), "--port", &place.https.to_string()]);
    command.args(["--name", HOST, "--ca"]).arg(edge.authority_file()).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(tidegate_tests::PATIENCE * 4, command.output()).await;
    let output = output.expect("aioquic ends in time").unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told}"))
}

/// What our own client over HTTP/1.1 gets; the scenarios must get the same bytes.
async fn length_of(edge: &Edge, path: &str) -> usize {
    let client = edge.client(Protocol::Http1).await;
    within("an answer", client.get(path)).await.unwrap().body.len()
}

#[tokio::test]
async fn aioquic_gets_misses_and_hits() {
    let (edge, origin) = edge_and_origin().await;
    let miss = scenario(&edge, &["get", "/a"]).await;
    let hit = scenario(&edge, &["get", "/a"]).await;
    for answer in [&miss, &hit] {
        assert_eq!((&answer["status"], &answer["end"]), (&200.into(), &"clean".into()), "{answer}");
        assert_eq!(answer["length"], SIZE, "{answer}");
        assert_eq!(answer["fields"]["etag"], "\"v1\"", "{answer}");
        assert_eq!(answer["sha256"], miss["sha256"]);
    }
    assert_eq!(length_of(&edge, "/a").await as u64, SIZE);
    assert_eq!(origin.requests("/a").len(), 1);
}

#[tokio::test]
async fn aioquic_asks_for_heads_and_ranges() {
    let (edge, _origin) = edge_and_origin().await;
    let head = scenario(&edge, &["head", "/a"]).await;
    assert_eq!((&head["status"], &head["length"], &head["end"]), (&200.into(), &0.into(), &"clean".into()), "{head}");
    assert_eq!(head["fields"]["content-length"], SIZE.to_string(), "{head}");
    for (range, status, length) in [("bytes=0-99", 206, 100), ("bytes=-7", 206, 7), ("bytes=100003-", 416, -1)] {
        let answer = scenario(&edge, &["range", "/a", range]).await;
        assert_eq!(answer["status"], status, "{range} {answer}");
        assert!(length < 0 || answer["length"] == length, "{range} {answer}");
        assert!(answer["fields"]["content-range"].is_string(), "{range} {answer}");
    }
    let several = scenario(&edge, &["range", "/a", "bytes=0-1,50000-50001"]).await;
    let kind = several["fields"]["content-type"].as_str().unwrap_or_default();
    assert!(several["status"] == 206 && kind.starts_with("multipart/byteranges"), "{several}");
}

#[tokio::test]
async fn aioquic_posts_five_megabytes_and_gets_them_back() {
    let (edge, origin) = edge_and_origin().await;
    let answer = scenario(&edge, &["echo", "/echo", &FIVE_MEGABYTES.to_string()]).await;
    assert_eq!((&answer["status"], &answer["same"], &answer["end"]), (&200.into(), &true.into(), &"clean".into()));
    assert_eq!(origin.requests("/echo")[0].body.len() as u64, FIVE_MEGABYTES);
}

#[tokio::test]
async fn aioquic_cancels_mid_body_and_goes_on_with_the_connection() {
    let (edge, origin) = edge_and_origin().await;
    let answer = scenario(&edge, &["cancel", "/large", "50000"]).await;
    assert!(answer["read"].as_u64().is_some_and(|read| (50_000..20_000_000).contains(&read)), "{answer}");
    assert_eq!((&answer["after"]["status"], &answer["after"]["length"]), (&200.into(), &20_000_000.into()), "{answer}");
    assert_eq!(origin.ended("/large", 1).await[0].outcome, Outcome::Written, "the fill went on");
}

#[tokio::test]
async fn aioquic_has_a_hundred_streams_at_once() {
    let (edge, origin) = edge_and_origin().await;
    let answer = scenario(&edge, &["parallel", "/a", "100"]).await;
    assert_eq!(answer["count"], 100);
    let answers = answer["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 1, "all alike: {answer}");
    assert_eq!((&answers[0][0], &answers[0][2]), (&200.into(), &"clean".into()), "{answer}");
    assert_eq!(origin.requests("/a").len(), 1);
}
