//! Operators have what a playlist lists fetched: `tidegate warm` and the routes behind it.

use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, tidegate_binary};
use tidegate_tests::origin::{Origin, Script, Step};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};

use super::{edge_of, playlist};

const MAIN: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n";
const LOW: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\ns0.m4s\n#EXTINF:4,\n\
    s1.m4s\n#EXT-X-ENDLIST\n";

fn serve(origin: &Origin) {
    origin.on("/vod/main.m3u8", playlist(MAIN));
    origin.on("/vod/low/index.m3u8", playlist(LOW));
    for name in ["init.mp4", "s0.m4s", "s1.m4s"] {
        let segment = Script::status(200).field("content-type", "video/iso.segment").pattern(0, 1000);
        origin.on(&format!("/vod/low/{name}"), segment);
    }
}

async fn warm(edge: &Edge, target: &str, more: &[&str]) -> Output {
    tidegate_tests::within("tidegate warm", command(edge, target, more).output()).await.unwrap()
}

fn command(edge: &Edge, target: &str, more: &[&str]) -> Command {
    let url = format!("https://{HOST}{target}");
    let node = format!("http://{}", edge.admin_address());
    let mut command = Command::new(tidegate_binary());
    command.args(["warm", &url, "--node", &node]).args(more).kill_on_drop(true);
    command
}

/// The last line, which says what came of it.
fn json(output: &Output) -> serde_json::Value {
    let last = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(last).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

#[tokio::test]
async fn warmed_playlist_and_its_segments_are_hits_for_the_first_player() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    serve(&origin);
    let first = warm(&edge, "/vod/main.m3u8", &["--output", "json", "--concurrency", "2"]).await;
    assert!(first.status.success(), "{first:?}");
    let job = json(&first);
    for (field, expected) in [("found", 5), ("fetched", 5), ("present", 0), ("failed", 0)] {
        assert_eq!(job[field], expected, "{field} of {job}");
    }
    let client = edge.client(Protocol::Http2).await;
    for target in ["/vod/low/index.m3u8", "/vod/low/init.mp4", "/vod/low/s0.m4s", "/vod/low/s1.m4s"] {
        let answer = client.get(target).await.unwrap();
        assert!(answer.field("cache-status").unwrap().contains("; hit"), "{target}: {answer:?}");
        assert_eq!(origin.requests(target).len(), 1);
    }
    let again = warm(&edge, "/vod/low/index.m3u8", &["--output", "json"]).await;
    assert_eq!(json(&again)["present"], 4, "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_warmed_is_named_and_the_exit_code_says_so() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    serve(&origin);
    origin.on("/vod/low/s0.m4s", Script::status(404));
    origin.on("/vod/low/s1.m4s", Script::status(200).field("cache-control", "no-store").pattern(0, 10));
    let output = warm(&edge, "/vod/main.m3u8", &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    for expected in ["2 failed", "/vod/low/s0.m4s: 404 by the origin", "/vod/low/s1.m4s: it is not stored: no-store"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let elsewhere = warm(&edge, "/none/such", &[]).await;
    assert_eq!(elsewhere.status.code(), Some(1));
}

/// One film whose origin stops in the midst of it.
#[tokio::test]
async fn progress_of_one_film_is_told_in_bytes_and_a_command_that_is_interrupted_ends_the_job() {
    const THERE: u64 = 512 << 10;
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    let film = Script::status(200).field("cache-control", "max-age=60").field("content-type", "video/mp4");
    origin.on("/film.mp4", film.pattern(0, 1 << 20).then(Step::Send(512 << 10)).then(Step::Hang));
    let mut child = command(&edge, "/film.mp4", &["--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tidegate_tests::within("a line that tells of them", async {
        loop {
            let job: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            if job["reading"][0]["bytes"] == THERE {
                return job;
            }
        }
    });
    let job = line.await;
    assert_eq!((&job["state"], &job["bytes"]), (&"running".into(), &0.into()), "{job}");
    assert_eq!((&job["reading"][0]["target"], &job["reading"][0]["length"]), (&"/film.mp4".into(), &(1 << 20).into()));
    let mut text = command(&edge, "/film.mp4", &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(text.stderr.take().unwrap()).lines();
    let expected = "0 of 1 found: 0 fetched (0.0 MiB), 0 there already, 0 failed; 1 on the way: 0.5 of 1.0 MiB";
    tidegate_tests::within("the same for people", async { while next(&mut told).await != expected {} }).await;
    for (child, signal) in [(&mut child, Signal::INT), (&mut text, Signal::TERM)] {
        kill_process(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(), signal).unwrap();
        let ended = tidegate_tests::within("the command", child.wait()).await.unwrap();
        assert_eq!(ended.code(), Some(1), "{signal:?}");
    }
    let mut last = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        last = Some(line);
    }
    let last: serde_json::Value = serde_json::from_str(&last.unwrap()).unwrap();
    assert_eq!((&last["state"], &last["reading"]), (&"cancelled".into(), &serde_json::json!([])), "{last}");
    // A small file is fetched to its end.
    let kept = serde_json::json!([{ "target": "/film.mp4", "slices": null, "arriving": true }]);
    assert_eq!(last["kept"], kept, "{last}");
}

async fn next(lines: &mut Lines<BufReader<ChildStderr>>) -> String {
    lines.next_line().await.unwrap().expect("a further line")
}

#[tokio::test]
async fn film_that_a_full_cache_has_turned_away_is_a_failure_that_says_how_much_is_there() {
    const CAPACITY: u64 = 32 << 20;
    let origin = Origin::start().await;
    let small = "cache: {capacity: 32MiB, max_object: 8MiB}";
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml("blocking_reload: null").node_yaml(small)).await;
    let film = Script::cacheable(CAPACITY + (16 << 20)).pattern(0, CAPACITY + (16 << 20));
    origin.on("/film.mp4", film.field("etag", "\"v1\"").field("content-type", "video/mp4").resource());
    let output = warm(&edge, "/film.mp4", &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let stored = told.split("failed: /film.mp4: evicted: the cache is full; ").nth(1).expect(&told);
    let stored: u64 = stored.split(" of 24 slices are stored").next().unwrap().parse().expect(&told);
    assert!((1..16).contains(&stored), "{told}");
    for expected in ["done: 0 fetched (0.0 MiB), 0 there already, 1 failed", " of 32.0 MiB: give it more memory"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let url: String = format!("https://{HOST}/film.mp4").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let seen = edge.admin("GET", &format!("/cache/explain?url={url}")).await.text();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["decision"]["action"], "fetch", "{seen}");
    assert_eq!(seen["decision"]["why"], format!("{} of 24 slices are missing", 24 - stored), "{seen}");
}

#[tokio::test]
async fn body_without_an_end_that_is_not_stored_holds_no_job() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    let endless = Script::status(200).field("content-type", "audio/mpeg").field("cache-control", "no-store");
    origin.on("/radio", endless.pattern(0, 1 << 20).then(Step::Send(1 << 19)).then(Step::Hang));
    let output = warm(&edge, "/radio", &["--output", "json"]).await;
    assert_eq!(json(&output)["failures"][0]["reason"], "it is not stored: no-store", "{output:?}");
}

#[tokio::test]
async fn warming_asks_no_address_but_the_sites_own() {
    let (origin, inner) = (Origin::start().await, Origin::start().await);
    let edge = edge_of(&origin, "blocking_reload: null").await;
    inner.on("/secret", Script::cacheable(10));
    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}/secret\n#EXT-X-ENDLIST\n", inner.url());
    origin.on("/v.m3u8", playlist(&body));
    let job = json(&warm(&edge, "/v.m3u8", &["--output", "json"]).await);
    assert_eq!((&job["found"], &job["left_out"]["other_host"]), (&1.into(), &1.into()));
    // Nor can the URL itself name one: it is looked up among the sites.
    let order = format!("{{\"url\": \"{}/secret\"}}", inner.url());
    let begun = edge.admin_request(Request::new("POST", "/cache/warm").body(order)).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let id = serde_json::from_str::<serde_json::Value>(&begun.text()).unwrap()["id"].as_str().unwrap().to_owned();
    let done = tidegate_tests::within("the job", async {
        loop {
            let job = edge.admin("GET", &format!("/cache/warm/{id}")).await.text();
            if !job.contains("\"running\"") {
                return job;
            }
        }
    });
    assert!(done.await.contains("this node would answer 421"), "an unknown host is misdirected");
    assert!(inner.requests("/secret").is_empty());
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    for (body, status) in [("", 400), ("{\"url\": \"ftp://a/\"}", 400), ("{\"url\": \"http://a/\", \"limit\": 0}", 400)]
    {
        let answer = edge.admin_request(Request::new("POST", "/cache/warm").body(body.to_owned())).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(edge.admin("GET", "/cache/warm/w999").await.status, 404);
    assert_eq!(edge.admin("DELETE", "/cache/warm/w999").await.status, 404);
}
