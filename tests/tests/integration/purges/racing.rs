//! Purges among reads and fills.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::within;
use tokio::sync::watch;

use super::{get, orders, purge, url};

#[tokio::test]
async fn what_is_on_its_way_goes_to_those_who_asked_before_the_purge_alone() {
    let origin = Origin::start().await;
    let edge = Arc::new(Edge::start(&EdgeConfig::to(&origin)).await);
    let mut number = 0;
    for protocol in Protocol::SECURE {
        for kind in 0..6 {
            number += 1;
            let (folder, tag) = (format!("/f{number}/"), format!("t{number}"));
            let path = format!("{folder}one?v=1");
            let (kind, what) = orders(&path, &folder, &tag).swap_remove(kind);
            let page = |version: &str| {
                let page = Script::status(200).text(version).field("cache-control", "max-age=600");
                page.field("surrogate-key", &tag)
            };
            let (head, end) = (format!("head{number}"), format!("end{number}"));
            let held = page("old").before(Step::Gate(head.clone())).pausing_after(1, &end);
            origin.on(&format!("{folder}one"), held);
            let asking = tokio::spawn({
                let (edge, path) = (Arc::clone(&edge), path.clone());
                async move { get(&edge, protocol, &path).await.text() }
            });
            origin.gate(&head).reached().await;
            origin.on(&format!("{folder}one"), page("new"));
            purge(&edge, what).await;
            let after = tokio::spawn({
                let (edge, path) = (Arc::clone(&edge), path.clone());
                async move { get(&edge, protocol, &path).await.text() }
            });
            origin.gate(&head).open();
            origin.gate(&end).reached().await;
            // Its head is here, and with it its tags; its body is not.
            assert_eq!(after.await.unwrap(), "new", "{protocol:?} {kind}");
            origin.gate(&end).open();
            assert_eq!(asking.await.unwrap(), "old", "{protocol:?} {kind}");
            edge.until_fills_end().await;
            assert_eq!(get(&edge, protocol, &path).await.text(), "new", "{protocol:?} {kind}: what came late was kept");
        }
    }
}

/// A live playlist as it comes to the second part of segment 7, by its version.
fn at_part(version: &str) -> Script {
    let text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-PART-INF:PART-TARGET=0.2\n\
         #EXT-X-MEDIA-SEQUENCE:6\n#EXTINF:2,\n{version}.mp4\n#EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n\
         #EXT-X-PART:DURATION=0.2,URI=\"p7.1.mp4\"\n"
    );
    let playlist = Script::status(200).field("content-type", "application/vnd.apple.mpegurl").text(&text);
    playlist.field("cache-control", "max-age=600").field("surrogate-key", "live")
}

#[tokio::test]
async fn reload_that_was_held_back_across_a_purge_is_for_those_who_waited_alone() {
    let origin = Origin::start().await;
    let edge = Arc::new(Edge::start(&EdgeConfig::to(&origin)).await);
    let orders: [fn(&str) -> Value; 4] = [
        // As operators name a playlist: what was said to those who waited goes with it.
        |path| json!({ "url": url(path) }),
        |path| json!({ "url": url(&format!("{path}?_HLS_msn=7&_HLS_part=1")) }),
        |_| json!({ "tag": "live" }),
        |path| json!({ "prefix": url(path) }),
    ];
    for (number, protocol) in Protocol::SECURE.into_iter().enumerate() {
        for (kind, order) in orders.into_iter().enumerate() {
            let (path, gate) = (format!("/live/{number}-{kind}.m3u8"), format!("part{number}-{kind}"));
            origin.on(&path, at_part("old").before(Step::Gate(gate.clone())));
            let ask = || {
                let (edge, target) = (Arc::clone(&edge), format!("{path}?_HLS_msn=7&_HLS_part=1"));
                tokio::spawn(async move { get(&edge, protocol, &target).await.text() })
            };
            let before = ask();
            origin.gate(&gate).reached().await;
            origin.on(&path, at_part("new"));
            purge(&edge, order(&path)).await;
            let after = ask();
            origin.gate(&gate).open();
            let about = format!("{protocol:?} {kind}");
            assert!(after.await.unwrap().contains("new.mp4"), "{about}");
            assert!(before.await.unwrap().contains("old.mp4"), "{about}");
            edge.until_fills_end().await;
            assert!(ask().await.unwrap().contains("new.mp4"), "{about}: what came late was kept");
        }
    }
}

/// What readers ask for: plain, varying, for many queries, large, and a live playlist.
const PATHS: [&str; 5] = ["/r/plain", "/r/varies", "/r/shared?utm=1", "/r/large", "/r/live.m3u8"];

const LARGE: u64 = 6 << 20;

/// How often the origin changes.
const VERSIONS: u64 = 150;

fn put_version(origin: &Origin, version: u64) {
    let etag = format!("\"{version}\"");
    let page = |text: String| {
        let page = Script::status(200).text(&text).field("cache-control", "max-age=600, stale-if-error=600");
        page.field("surrogate-key", "all").field("etag", &etag).field("x-version", &version.to_string()).resource()
    };
    origin.on("/r/plain", page(version.to_string()));
    origin.on("/r/varies", page(version.to_string()).field("vary", "accept-language"));
    origin.on("/r/shared", page(version.to_string()).field("no-vary-search", "params=(\"utm\")"));
    origin.on("/r/large", page(String::new()).pattern(version, LARGE));
    let playlist =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{version}\n#EXTINF:4,\n{version}.ts\n");
    origin.on("/r/live.m3u8", page(playlist).field("content-type", "application/vnd.apple.mpegurl"));
}

/// What readers and the one who purges know of each other.
#[derive(Default)]
struct Race {
    /// The version that the origin had when the last purge began that was answered.
    purged: AtomicU64,
    over: AtomicBool,
    reads: watch::Sender<u64>,
}

/// A reader of one protocol: nothing it gets is older than what was purged before it asked.
async fn read(client: Client, race: Arc<Race>, seed: u64) {
    let mut chance = seed;
    while !race.over.load(Ordering::SeqCst) {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let path = PATHS[(chance >> 33) as usize % PATHS.len()];
        let mut request = Request::get(path).field("accept-language", ["de", "en"][(chance >> 40) as usize % 2]);
        let from = (chance >> 20) % (LARGE - 1000);
        let ranged = path == "/r/large";
        if ranged {
            request = request.field("range", &format!("bytes={from}-{}", from + 999));
        }
        let least = race.purged.load(Ordering::SeqCst);
        let response = within("an answer", client.request(request)).await.unwrap();
        let version: u64 =
            response.field("x-version").unwrap_or_else(|| panic!("{path}: {}", response.status)).parse().unwrap();
        assert!(version >= least, "{path}: version {version} after {least} was purged, seed {seed}");
        if ranged && response.status == 206 {
            assert_eq!(Pattern::new(version).check(from, &response.body), Ok(()), "bytes of another version");
        } else if path == "/r/plain" {
            assert_eq!(response.text(), version.to_string());
        }
        race.reads.send_modify(|reads| *reads += 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_purge_is_answered_no_older_byte_is_served_on_any_protocol() {
    let origin = Origin::start().await;
    put_version(&origin, 1);
    let policy = "slices: {threshold: 2MiB, size: 1MiB}\nstale: {while_revalidate: 10s}";
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    let race = Arc::new(Race::default());
    let mut readers = tokio::task::JoinSet::new();
    for (number, protocol) in Protocol::SECURE.into_iter().chain(Protocol::SECURE).enumerate() {
        let client = edge.client(protocol).await;
        readers.spawn(read(client, Arc::clone(&race), 77 + number as u64));
    }
    for version in 2..=VERSIONS {
        put_version(&origin, version);
        purge(&edge, what(version)).await;
        race.purged.store(version, Ordering::SeqCst);
        // A few reads later, in the midst of others.
        let until = *race.reads.borrow() + version * 7 % 17;
        let mut reads = race.reads.subscribe();
        tokio::select! {
            reached = within("reads", reads.wait_for(|reads| *reads >= until)) => drop(reached.unwrap()),
            ended = readers.join_next() => panic!("a reader has ended: {ended:?}"),
        }
    }
    race.over.store(true, Ordering::SeqCst);
    while let Some(ended) = readers.join_next().await {
        ended.unwrap();
    }
}

/// All of [`PATHS`], one way or another.
fn what(version: u64) -> Value {
    match version % 5 {
        0 => json!({ "everything": true }),
        1 => json!({ "host": HOST }),
        2 => json!({ "prefix": url("/r/") }),
        3 => json!({ "tag": "all" }),
        _ => json!({ "url": PATHS.map(url) }),
    }
}
