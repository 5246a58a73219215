//! Memory that is warm again after a restart, by the list of what it held.

use std::fs;

use serde_json::json;

use super::*;

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

#[tokio::test]
async fn memory_is_warmed_to_four_fifths_and_the_rest_is_left_to_clients() {
    /// Of what `capacity: 4MiB` is.
    const CAPACITY: u64 = 4 << 20;
    let origin = Origin::start().await;
    let paths = || (0..40).map(|number| format!("/v/{number}"));
    for path in paths() {
        origin.on(&path, Script::cacheable(100_000));
    }
    let mut config = EdgeConfig::to(&origin).on_disk();
    config.cache.push("capacity: 4MiB".to_owned());
    let mut edge = Edge::start(&config).await;
    fill(&edge, paths()).await;
    let before = stats(&edge).await["memory"]["bytes"].as_u64().unwrap();
    assert!(before > CAPACITY / 10 * 9, "{before}");
    edge.restart().await;
    let told = within("what was told", edge.stderr_with("memory was warmed from disk")).await;
    assert!(told.contains("memory_full"), "{told}");
    let warm = stats(&edge).await["memory"]["bytes"].as_u64().unwrap();
    assert!((CAPACITY / 10 * 8..CAPACITY / 10 * 9 + 400_000).contains(&warm) && warm < before, "{warm} of {before}");
    assert!(edge.metric("tidegate_disk_warmed_keys_total", &["outcome=\"left_out\""]).await > 0.0);
}

#[tokio::test]
async fn list_that_is_damaged_is_told_and_costs_nothing_but_the_warmth() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(2000));
    let harms: [fn(Vec<u8>) -> Vec<u8>; 3] =
        [|list| vec![b'x'; list.len()], |list| list[..list.len() / 2].to_vec(), |_| b"no list at all".to_vec()];
    let mut edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    for harm in harms {
        fill(&edge, ["/a".to_owned()]).await;
        edge.restart_after(|edge| {
            let path = edge.file("disk").join("state").join("hot");
            fs::write(&path, harm(fs::read(&path).unwrap())).unwrap();
        })
        .await;
        within("what was told", edge.stderr_with("the list of what memory held before is damaged")).await;
        fill(&edge, ["/a".to_owned()]).await;
        assert_eq!(origin.requests("/a").len(), 1, "it is on disk all the same");
    }
}
