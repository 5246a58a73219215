//! What sites have of the disk for sure, and at most.

use super::*;

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

/// Asks for these of the second site.
async fn fill_other(edge: &Edge, paths: impl IntoIterator<Item = String>) {
    let client = edge.client(Protocol::PlainHttp1).await;
    for path in paths {
        let request = Request::get(&path).authority("other.test");
        assert_eq!(within("an answer", client.request(request)).await.unwrap().status, 200, "{path}");
    }
    edge.until_fills_end().await;
    edge.until_written().await;
}

/// How many of ten objects of the second site are still there after the first one has sent three times of what the disk has
/// through it. Nobody has read them meanwhile.
async fn left_of_other_after_a_flood(shares: &str) -> usize {
    let origin = Origin::start().await;
    let others = || (0..10).map(|number| format!("/other/{number}"));
    for path in others() {
        origin.on(&path, Script::cacheable(300_000));
    }
    let mut config = two_sites(&origin, shares);
    config.cache.push("capacity: 4MiB".to_owned());
    let edge = Edge::start(&config).await;
    fill_other(&edge, others()).await;
    for group in 0..10 {
        let paths = || (0..20).map(|number| format!("/flood/{group}/{number}"));
        paths().for_each(|path| origin.on(&path, Script::cacheable(1_000_000)));
        // What is asked for once is not stored where room is scarce; memory has forgotten it when it is asked for again.
        fill(&edge, paths().chain(paths())).await;
    }
    let evicted = edge.metric("tidegate_disk_evictions_total", &["cause=\"capacity\""]).await;
    assert!(evicted > 100.0, "{evicted}");
    fill_other(&edge, others()).await;
    others().filter(|path| origin.requests(path).len() == 1).count()
}

#[tokio::test]
async fn site_below_its_floor_keeps_what_it_has_under_the_flood_of_another() {
    assert_eq!(left_of_other_after_a_flood("[{ site: other, floor: 20% }]").await, 10);
}

#[tokio::test]
async fn site_without_a_floor_gives_way_to_what_is_asked_for() {
    assert_eq!(left_of_other_after_a_flood("[]").await, 0);
}
