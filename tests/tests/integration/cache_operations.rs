//! What operators arrange on disk: shares of sites, and memory that is warm again after a restart.

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

async fn stats(edge: &Edge) -> Value {
    let response = within("sums", edge.admin("GET", "/cache/stats")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

async fn fill(edge: &Edge, paths: impl IntoIterator<Item = String>) {
    let client = edge.client(Protocol::Http2).await;
    for path in paths {
        assert_eq!(within("an answer", client.request(Request::get(&path))).await.unwrap().status, 200, "{path}");
    }
    edge.until_fills_end().await;
    edge.until_written().await;
}

async fn until_warm(edge: &Edge, loaded: f64) {
    let warmed = async {
        while edge.metric("tidegate_disk_warmed_keys_total", &["outcome=\"loaded\""]).await < loaded {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("warm memory", warmed).await;
}

#[tokio::test]
async fn memory_is_warm_again_after_a_restart_without_asking_origins() {
    let origin = Origin::start().await;
    let paths = || (0..20).map(|number| format!("/v/{number}"));
    for path in paths() {
        origin.on(&path, Script::cacheable(2000).field("vary", "accept-language"));
    }
    let mut edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    fill(&edge, paths()).await;
    edge.restart().await;
    // Each key has a rule and a variant.
    until_warm(&edge, 40.0).await;
    let warm = stats(&edge).await;
    assert_eq!(warm["memory"]["objects"], 20, "{warm}");
    let told = edge.stderr_with("memory was warmed from disk").await;
    assert!(told.contains("loaded") && told.contains("40"), "{told}");
    fill(&edge, paths()).await;
    assert!(paths().all(|path| origin.requests(&path).len() == 1), "nothing is asked for again");
    let after = stats(&edge).await;
    let reads = |stats: &Value| stats["disk"]["devices"][0]["counted"]["reads"]["found"].as_u64();
    assert_eq!(reads(&after), reads(&warm), "all of it came from memory");
}

#[tokio::test]
async fn what_was_purged_meanwhile_does_not_come_back_by_warming() {
    let origin = Origin::start().await;
    for path in ["/a", "/b"] {
        origin.on(path, Script::cacheable(2000));
    }
    let mut edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    fill(&edge, ["/a".to_owned(), "/b".to_owned()]).await;
    edge.restart().await;
    until_warm(&edge, 2.0).await;
    let order = json!({ "url": format!("https://{HOST}/a") }).to_string();
    assert_eq!(edge.admin_request(Request::new("POST", "/cache/purge").body(order)).await.status, 200);
    // The list of before this is the one that is read.
    edge.kill_and_restart().await;
    until_warm(&edge, 1.0).await;
    fill(&edge, ["/a".to_owned(), "/b".to_owned()]).await;
    let asked = ["/a", "/b"].map(|path| origin.requests(path).len());
    assert_eq!(asked, [2, 1], "what was purged is fetched");
}

/// Two sites: that of all tests, and one whose share of the disk is small.
fn two_sites(origin: &Origin, shares: &str) -> EdgeConfig {
    let other = "kind: site\nname: other\nhosts: [other.test]\nroutes:\n  - { name: all, origin_pool: origins, cache_policy: tested }";
    let mut config = EdgeConfig::to(origin).on_disk().extra_documents(other);
    config.cache.push(format!("  shares: {shares}"));
    config
}

#[tokio::test]
async fn site_has_no_more_of_the_disk_than_its_share_and_the_share_changes_with_a_reload() {
    let origin = Origin::start().await;
    let paths = |from: u32| (from..from + 12).map(|number| format!("/v/{number}"));
    for path in paths(0).chain(paths(100)) {
        origin.on(&path, Script::cacheable(500_000));
    }
    let tight = two_sites(&origin, "[{ site: media, ceiling: 5% }, { site: other, floor: 20%, ceiling: 90% }]");
    let edge = Edge::start(&tight).await;
    fill(&edge, paths(0)).await;
    let on_disk = |stats: &Value| {
        stats["sites"].as_array().unwrap().iter().find(|site| site["site"] == "media").unwrap()["disk"].clone()
    };
    let tightly = stats(&edge).await;
    let (bytes, ceiling) =
        (on_disk(&tightly)["bytes"].as_u64().unwrap(), on_disk(&tightly)["ceiling_bytes"].as_u64().unwrap());
    assert!(bytes <= ceiling && bytes > ceiling / 2, "{bytes} of {ceiling}");
    assert!(
        tightly["disk"]["devices"][0]["counted"]["not_written"]["above_ceiling"].as_u64().unwrap() >= 5,
        "{tightly}"
    );
    edge.rewrite(&two_sites(&origin, "[{ site: media, ceiling: 50% }]"));
    edge.sighup();
    within("a reload", edge.stderr_with("the configuration was reloaded")).await;
    fill(&edge, paths(100)).await;
    let widely = stats(&edge).await;
    assert!(on_disk(&widely)["bytes"].as_u64().unwrap() > 12 * 500_000, "{widely}");
}

/// Pins, or lets go, by these arguments of the query; status and answer.
async fn pins(edge: &Edge, method: &str, path: &str, more: &str) -> (u16, Value) {
    let url: String = format!("https://{HOST}{path}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = within("an answer", edge.admin(method, &format!("/cache/pins?url={url}{more}"))).await;
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

async fn is_pinned(edge: &Edge, path: &str) -> Value {
    let url: String = format!("https://{HOST}{path}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = within("an answer", edge.admin("GET", &format!("/cache/explain?url={url}"))).await;
    serde_json::from_slice::<Value>(&response.body).unwrap()["stored"]["pinned"].clone()
}

/// More than memory has room for, and often enough that it would be kept in the stead of what nobody asks for.
async fn flood(edge: &Edge, origin: &Origin, count: u32, size: u64) {
    let paths = || (0..count).map(|number| format!("/flood/{number}"));
    for path in paths() {
        origin.on(&path, Script::cacheable(size));
    }
    for _ in 0..3 {
        fill(edge, paths()).await;
    }
}

#[tokio::test]
async fn pinned_object_stays_in_memory_whatever_else_wants_its_room() {
    let origin = Origin::start().await;
    for path in ["/a", "/b"] {
        origin.on(path, Script::cacheable(400_000).field("vary", "accept-language"));
    }
    let mut config = EdgeConfig::to(&origin);
    config.cache.push("capacity: 4MiB".to_owned());
    let edge = Edge::start(&config).await;
    assert_eq!(pins(&edge, "POST", "/a", "").await.0, 404, "nothing is stored");
    fill(&edge, ["/a".to_owned(), "/b".to_owned()]).await;
    let (status, answer) = pins(&edge, "POST", "/a", "").await;
    assert_eq!((status, &answer["pinned_in"]), (200, &json!("memory")), "{answer}");
    assert_eq!(is_pinned(&edge, "/a").await, true);
    flood(&edge, &origin, 30, 300_000).await;
    fill(&edge, ["/a".to_owned(), "/b".to_owned()]).await;
    let asked = ["/a", "/b"].map(|path| origin.requests(path).len());
    assert_eq!(asked, [1, 2], "the other one was driven out");
    // Not by a purge.
    let order = json!({ "url": format!("https://{HOST}/a") }).to_string();
    assert_eq!(edge.admin_request(Request::new("POST", "/cache/purge").body(order)).await.status, 200);
    fill(&edge, ["/a".to_owned()]).await;
    assert_eq!(origin.requests("/a").len(), 2);
    flood(&edge, &origin, 30, 300_000).await;
    fill(&edge, ["/a".to_owned()]).await;
    assert_eq!(origin.requests("/a").len(), 2, "what was fetched then is pinned again");
    assert_eq!(is_pinned(&edge, "/a").await, true);
    assert_eq!(pins(&edge, "DELETE", "/a", "").await.0, 200);
    assert_eq!(pins(&edge, "DELETE", "/a", "").await.0, 404);
    assert_ne!(is_pinned(&edge, "/a").await, true);
}

#[tokio::test]
async fn no_more_is_pinned_in_memory_than_its_share() {
    let origin = Origin::start().await;
    let paths = ["/a", "/b", "/c", "/d"].map(str::to_owned);
    for path in &paths {
        origin.on(path, Script::cacheable(400_000));
    }
    let mut config = EdgeConfig::to(&origin);
    config.cache.push("capacity: 4MiB".to_owned());
    let edge = Edge::start(&config).await;
    fill(&edge, paths).await;
    for path in ["/a", "/b"] {
        assert_eq!(pins(&edge, "POST", path, "").await.0, 200, "{path}");
    }
    let (status, answer) = pins(&edge, "POST", "/c", "").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("too_much_pinned_in_memory")), "{answer}");
    assert_eq!(pins(&edge, "DELETE", "/a", "").await.0, 200);
    assert_eq!(pins(&edge, "POST", "/c", "").await.0, 200, "there is room again");
    let listed = within("a list", edge.admin("GET", "/cache/pins")).await;
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    let urls: Vec<_> = listed["pins"].as_array().unwrap().iter().map(|pin| pin["url"].clone()).collect();
    assert_eq!(urls, [json!(format!("https://{HOST}/b")), json!(format!("https://{HOST}/c"))]);
}

#[tokio::test]
async fn pinned_object_outlives_a_crash_and_what_fills_the_disk() {
    let origin = Origin::start().await;
    for path in ["/a", "/b"] {
        origin.on(path, Script::cacheable(400_000));
    }
    let mut config = EdgeConfig::to(&origin).on_disk();
    config.cache.push("capacity: 4MiB".to_owned());
    let mut edge = Edge::start(&config).await;
    fill(&edge, ["/a".to_owned(), "/b".to_owned()]).await;
    let (status, answer) = pins(&edge, "POST", "/a", "").await;
    assert_eq!((status, &answer["pinned_in"], &answer["durable"]["on"]), (200, &json!("disk"), &json!(1)), "{answer}");
    edge.kill_and_restart().await;
    let pinned = async {
        while stats(&edge).await["disk"]["pinned_bytes"].as_u64() < Some(400_000) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the pin after the crash", pinned).await;
    // Three times what the disk has.
    flood(&edge, &origin, 60, 1_000_000).await;
    flood_anew(&edge, &origin).await;
    fill(&edge, ["/a".to_owned()]).await;
    assert_eq!(origin.requests("/a").len(), 1, "{}", stats(&edge).await);
    assert_eq!(pins(&edge, "DELETE", "/a", "").await.0, 200);
    assert_eq!(stats(&edge).await["disk"]["pinned_bytes"], 0);
}

/// Others than before, asked for often enough to be stored where room is scarce.
async fn flood_anew(edge: &Edge, origin: &Origin) {
    let paths = || (0..120).map(|number| format!("/anew/{number}"));
    for path in paths() {
        origin.on(&path, Script::cacheable(1_000_000));
    }
    for path in paths() {
        fill(edge, [path.clone(), path]).await;
    }
}
