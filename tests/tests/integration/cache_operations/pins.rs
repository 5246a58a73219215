//! What is pinned stays, within bounds.

use serde_json::json;

use super::*;

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

#[tokio::test]
async fn no_more_of_a_device_is_pinned_than_half_of_it() {
    const MIB: u64 = 1 << 20;
    let origin = Origin::start().await;
    let paths: Vec<String> = (0..40).map(|number| format!("/v/{number}")).collect();
    for path in &paths {
        origin.on(path, Script::cacheable(900_000));
    }
    let edge = Edge::start(&EdgeConfig::to(&origin).on_disk()).await;
    fill(&edge, paths.clone()).await;
    let mut pinned = 0;
    let refused = loop {
        let (status, answer) = pins(&edge, "POST", &paths[pinned], "").await;
        if status != 200 {
            break (status, answer["error"]["code"].clone());
        }
        assert_eq!(answer["pinned_in"], "disk", "{answer}");
        pinned += 1;
    };
    assert_eq!(refused, (409, json!("too_much_pinned_on_disk")), "after {pinned}");
    let told = || async { stats(&edge).await["disk"]["pinned_bytes"].as_u64().unwrap() };
    let before = told().await;
    assert!((10 * MIB..=32 * MIB).contains(&before), "{before} of 64 MiB");
    assert_eq!(pins(&edge, "DELETE", &paths[0], "").await.0, 200);
    assert_eq!(pins(&edge, "POST", &paths[pinned], "").await.0, 200, "there is room again");
    assert_eq!(told().await, before);
}
