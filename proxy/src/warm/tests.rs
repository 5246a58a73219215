//! What a job follows and how it is bounded.

use std::collections::HashMap;

use super::*;

/// A site whose every answer the test says.
#[derive(Default)]
struct Site {
    bodies: HashMap<&'static str, (Option<PlaylistKind>, String)>,
    asked: Mutex<Vec<String>>,
    running: Mutex<(usize, usize)>,
    /// What there is of these in the end; all of the others.
    kept: HashMap<&'static str, Kept>,
}

/// A cache of 1000 bytes.
const ROOM: Room = Room { bytes: 860, capacity: 1000 };

impl Asker for Site {
    fn ask<'a>(&'a self, _: &'a WarmSite, target: &'a str, reading: &'a Reading) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            self.asked.lock().push(target.to_owned());
            {
                let mut running = self.running.lock();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            if target.starts_with("/endless") {
                reading.expect(Some(1000));
                reading.came(300);
                reading.came(100);
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            self.running.lock().0 -= 1;
            reading.came(self.bodies.get(target).map_or(0, |(_, body)| body.len()));
            match self.bodies.get(target) {
                None => Reply { warmed: Warmed::Failed("404 by the origin".to_owned()), playlist: None },
                Some((None, body)) => Reply { warmed: Warmed::Fetched(body.len() as u64), playlist: None },
                Some((Some(kind), body)) => {
                    Reply { warmed: Warmed::Present, playlist: Some((*kind, body.clone().into_bytes())) }
                }
            }
        })
    }

    fn room(&self) -> Room {
        ROOM
    }

    fn kept(&self, _: &WarmSite, target: &str) -> Kept {
        self.kept.get(target).copied().unwrap_or(Kept::Whole)
    }
}

fn site(bodies: &[(&'static str, &str)]) -> Arc<Site> {
    let kind = |target: &str| target.ends_with(".m3u8").then_some(PlaylistKind::Hls);
    let bodies = bodies.iter().map(|(target, body)| (*target, (kind(target), (*body).to_owned()))).collect();
    Arc::new(Site { bodies, ..Site::default() })
}

const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n\
    https://elsewhere.example/high.m3u8\n";
const LOW: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n\
    #EXTINF:4,\n3.m4s\n#EXT-X-ENDLIST\n";

/// Runs a job to its end and shows it.
async fn run(site: &Arc<Site>, order: &str) -> Value {
    let jobs = WarmJobs::new(Handle::current());
    jobs.set_asker(Arc::clone(site) as _);
    let begun = jobs.begin(WarmOrder::parse(order.as_bytes()).unwrap()).unwrap();
    let id = begun["id"].as_str().unwrap().to_owned();
    for _ in 0..10_000 {
        let shown = jobs.show(&id).unwrap();
        if shown["state"] != "running" {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the job does not end");
}

#[tokio::test]
async fn playlist_leads_to_its_renditions_and_their_pieces_on_the_own_host() {
    let site = site(&[
        ("/v/main.m3u8", MULTIVARIANT),
        ("/v/low.m3u8", LOW),
        ("/v/init.mp4", "init"),
        ("/v/1.m4s", "one"),
        ("/v/3.m4s", "three"),
    ]);
    let shown = run(&site, r#"{"url": "https://media.example:8443/v/main.m3u8", "concurrency": 2}"#).await;
    for (field, expected) in [("found", 6), ("fetched", 3), ("present", 2), ("failed", 1), ("bytes", 12)] {
        assert_eq!(shown[field], expected, "{field} of {shown}");
    }
    assert_eq!(shown["failures"][0]["target"], "/v/2.m4s");
    assert_eq!(shown["left_out"]["other_host"], 1);
    let asked = site.asked.lock().clone();
    assert_eq!(asked, ["/v/main.m3u8", "/v/low.m3u8", "/v/init.mp4", "/v/1.m4s", "/v/2.m4s", "/v/3.m4s"]);
    assert!(site.running.lock().1 <= 2, "no more at a time than asked for");
}

#[tokio::test]
async fn job_ends_at_its_limit_and_says_so() {
    let site = site(&[("/v/low.m3u8", LOW), ("/v/init.mp4", "i"), ("/v/1.m4s", "1")]);
    let shown = run(&site, r#"{"url": "http://media.example/v/low.m3u8", "limit": 3}"#).await;
    assert_eq!((&shown["found"], &shown["failed"]), (&3.into(), &0.into()));
    assert_eq!(shown["left_out"]["beyond_limits"], 2);
}

#[tokio::test]
async fn playlist_that_cannot_be_read_is_a_failure() {
    let body = "\n".repeat(9 << 20);
    let site = site(&[("/large.m3u8", &body)]);
    let shown = run(&site, r#"{"url": "http://media.example/large.m3u8"}"#).await;
    assert_eq!(shown["failures"][0]["reason"], "the playlist is larger than 8 MiB");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_cache_in_the_end_is_a_failure_with_its_reason() {
    let check = async |kept: Kept, body: &str, failure: Option<&str>, is_full: bool| {
        let mut site = site(&[
            ("/v/low.m3u8", LOW),
            ("/v/init.mp4", "i"),
            ("/v/1.m4s", body),
            ("/v/2.m4s", "2"),
            ("/v/3.m4s", "3"),
        ]);
        Arc::get_mut(&mut site).unwrap().kept.insert("/v/1.m4s", kept);
        let shown = run(&site, r#"{"url": "http://media.example/v/low.m3u8"}"#).await;
        let fetched = if failure.is_some() { (3, 3) } else { (4, 3 + body.len()) };
        assert_eq!((&shown["fetched"], &shown["bytes"]), (&fetched.0.into(), &fetched.1.into()), "{shown}");
        let reason = shown["failures"][0]["reason"].as_str();
        assert_eq!((reason, &shown["failed"]), (failure, &usize::from(failure.is_some()).into()), "{kept:?}");
        let full = if is_full { serde_json::json!({ "bytes": 860, "capacity": 1000 }) } else { Value::Null };
        assert_eq!(shown["full"], full, "{kept:?}");
    };
    let large = "x".repeat(100);
    check(Kept::Whole, &large, None, false).await;
    check(Kept::Arriving, &large, None, false).await;
    let part = Kept::Slices { stored: 3, all: 10 };
    check(part, &large, Some("evicted: the cache is full; 3 of 10 slices are stored"), true).await;
    check(Kept::Nothing, &large, Some("evicted: the cache is full; nothing of it is stored"), true).await;
    check(Kept::Nothing, "x", Some("made invalid or replaced meanwhile; nothing of it is stored"), false).await;
}

const ENDLESS: &str = r#"{"url": "http://media.example/endless"}"#;

/// Begins a job for what never ends, and waits until it is asked for.
async fn endless(jobs: &WarmJobs, order: &str) -> String {
    endless_of(jobs, &site(&[]), order).await
}

async fn endless_of(jobs: &WarmJobs, site: &Arc<Site>, order: &str) -> String {
    jobs.set_asker(Arc::clone(site) as _);
    let begun = jobs.begin(WarmOrder::parse(order.as_bytes()).unwrap()).unwrap();
    while site.asked.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    begun["id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn job_that_is_cancelled_ends_at_once_whatever_it_waits_for() {
    let jobs = WarmJobs::new(Handle::current());
    let id = endless(&jobs, ENDLESS).await;
    assert_eq!(jobs.show(&id).unwrap()["state"], "running");
    jobs.cancel(&id).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(jobs.show(&id).unwrap()["state"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn job_that_is_cancelled_says_what_is_kept_of_what_it_was_reading() {
    let check = async |kept: Kept, expected: Value| {
        let jobs = WarmJobs::new(Handle::current());
        let site = Site { kept: HashMap::from([("/endless?a", kept)]), ..Site::default() };
        let id = endless_of(&jobs, &Arc::new(site), r#"{"url": "http://media.example/endless?a"}"#).await;
        jobs.cancel(&id).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let shown = jobs.show(&id).unwrap();
        assert_eq!((&shown["state"], &shown["kept"]), (&"cancelled".into(), &expected), "{kept:?}");
    };
    check(Kept::Nothing, serde_json::json!([])).await;
    let slices = serde_json::json!([{ "target": "/endless", "slices": { "stored": 2, "all": 9 }, "arriving": false }]);
    check(Kept::Slices { stored: 2, all: 9 }, slices).await;
    let arriving = serde_json::json!([{ "target": "/endless", "slices": null, "arriving": true }]);
    check(Kept::Arriving, arriving).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_being_read_is_shown_in_bytes_and_no_more_once_it_is_over() {
    let jobs = WarmJobs::new(Handle::current());
    let id = endless(&jobs, r#"{"url": "http://media.example/endless?token=secret"}"#).await;
    let shown = jobs.show(&id).unwrap();
    let expected = serde_json::json!([{ "target": "/endless", "bytes": 400, "length": 1000 }]);
    assert_eq!((&shown["reading"], &shown["bytes"]), (&expected, &0.into()));
    jobs.cancel(&id).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(jobs.show(&id).unwrap()["reading"], serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn job_that_is_followed_ends_once_nobody_asks_about_it() {
    for (order, ends) in [
        (r#"{"url": "http://media.example/endless", "followed": true}"#, true),
        (r#"{"url": "http://media.example/endless"}"#, false),
    ] {
        let jobs = WarmJobs::new(Handle::current());
        let id = endless(&jobs, order).await;
        for _ in 0..5 {
            tokio::time::sleep(UNFOLLOWED - Duration::from_secs(1)).await;
            assert_eq!(jobs.show(&id).unwrap()["state"], "running", "{order}");
        }
        tokio::time::sleep(UNFOLLOWED + Duration::from_secs(1)).await;
        let state = if ends { "cancelled" } else { "running" };
        assert_eq!(jobs.show(&id).unwrap()["state"], state, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn target_that_never_ends_is_given_up() {
    let jobs = WarmJobs::new(Handle::current());
    let id = endless(&jobs, ENDLESS).await;
    tokio::time::sleep(MAX_TARGET_TIME + Duration::from_secs(1)).await;
    let shown = jobs.show(&id).unwrap();
    assert_eq!((&shown["state"], &shown["failed"]), (&"done".into(), &1.into()), "{shown}");
}

#[tokio::test]
async fn playlists_that_name_each_other_are_asked_for_once() {
    let to = |other: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}\n");
    let site = site(&[("/a.m3u8", &to("b.m3u8")), ("/b.m3u8", &to("a.m3u8"))]);
    let shown = run(&site, r#"{"url": "http://media.example/a.m3u8"}"#).await;
    assert_eq!((&shown["found"], &shown["present"]), (&2.into(), &2.into()));
}

#[test]
fn orders_are_bounded() {
    let check = |order: &str, expected: &str| {
        let error = WarmOrder::parse(order.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{error} of {order}");
    };
    check("", "the body");
    check(r#"{"url": "ftp://a.test/"}"#, "http://HOST/PATH");
    check(r#"{"url": "https:///a"}"#, "no valid host");
    check(r#"{"url": "https://a.test/ b"}"#, "no URL has");
    check(r#"{"url": "https://a.test/", "concurrency": 33}"#, "1 to 32");
    check(r#"{"url": "https://a.test/", "limit": 0}"#, "1 to 100000");
    check(r#"{"url": "https://a.test/", "speed": 1}"#, "unknown field");
    let order = WarmOrder::parse(br#"{"url": "HTTPS://a.test:8443?x=1#y"}"#).unwrap();
    assert_eq!((order.site.authority.as_str(), order.target.as_str()), ("a.test:8443", "/?x=1"));
}
