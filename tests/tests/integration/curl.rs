//! curl over HTTP/1.1 and HTTP/2: a client that is not ours.

use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Origin, Script};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::programs::Program;

const SIZE: u64 = 300_007;

/// What `--write-out` printed, and the body.
struct Answer {
    status: String,
    version: String,
    body: Vec<u8>,
}

async fn edge_and_origin() -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(SIZE).field("etag", "\"v1\""));
    origin.on("/echo", Script::status(200).body(Body::Echo));
    (Edge::start(&EdgeConfig::to(&origin)).await, origin)
}

async fn curl(edge: &Edge, path: &str, arguments: &[&str]) -> Answer {
    let place = edge.place();
    let output_file = tempfile::NamedTempFile::new().unwrap();
    let mut command = tokio::process::Command::new(Program::Curl.path());
    command.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "%{http_code} %{http_version}"]);
    command.arg("--cacert").arg(edge.authority_file());
    command.args(["--resolve", &format!("{HOST}:{}:{}", place.https, place.address)]);
    command.arg("--output").arg(output_file.path()).args(arguments);
    command.arg(format!("https://{HOST}:{}{path}", place.https));
    let output = command.output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, version) = written.split_once(' ').unwrap();
    let body = std::fs::read(output_file.path()).unwrap();
    Answer { status: status.to_owned(), version: version.to_owned(), body }
}

async fn speaks(option: &str, version: &str) {
    let (edge, origin) = edge_and_origin().await;
    for what in ["a miss", "a hit"] {
        let answer = curl(&edge, "/a", &[option]).await;
        assert_eq!((answer.status.as_str(), answer.version.as_str()), ("200", version), "{what}");
        assert_eq!(Pattern::new(0).check(0, &answer.body), Ok(()), "{what}");
        assert_eq!(answer.body.len() as u64, SIZE, "{what}");
    }
    let answer = curl(&edge, "/a", &[option, "--range", "1000-1999"]).await;
    assert_eq!((answer.status.as_str(), answer.body.len()), ("206", 1000));
    assert_eq!(Pattern::new(0).check(1000, &answer.body), Ok(()));
    let answer = curl(&edge, "/a", &[option, "--head"]).await;
    assert_eq!(answer.status, "200");
    let answer = curl(&edge, "/a", &[option, "--header", "If-None-Match: \"v1\""]).await;
    assert_eq!((answer.status.as_str(), answer.body.len()), ("304", 0));
    assert_eq!(origin.requests("/a").len(), 1);
    let upload = tempfile::NamedTempFile::new().unwrap();
    let sent = Pattern::new(9).bytes(0, 5_000_000);
    std::fs::write(upload.path(), &sent).unwrap();
    let data = format!("@{}", upload.path().display());
    let answer = curl(&edge, "/echo", &[option, "--data-binary", &data]).await;
    assert_eq!((answer.status.as_str(), answer.version.as_str()), ("200", version));
    assert!(answer.body == sent, "{} of {} bytes came back", answer.body.len(), sent.len());
}

#[tokio::test]
async fn curl_speaks_http1() {
    speaks("--http1.1", "1.1").await;
}

#[tokio::test]
async fn curl_speaks_http2() {
    speaks("--http2", "2").await;
}
