//! A device that is away when the node starts, and comes later: what operators and memory had there counts then.

use std::fs;
use std::time::Duration;

use super::*;

/// A device that is away is tried again every ten seconds.
const LATE: Duration = Duration::from_secs(40);

fn listed(answer: &Value) -> Vec<(&str, &str)> {
    let pins = answer["pins"].as_array().unwrap().iter();
    pins.map(|pin| (pin["url"].as_str().unwrap(), pin["pinned_in"].as_str().unwrap_or("nowhere"))).collect()
}

async fn list(edge: &Edge) -> Value {
    serde_json::from_slice(&within("a list", edge.admin("GET", "/cache/pins")).await.body).unwrap()
}

#[tokio::test]
async fn pins_and_warmth_of_a_device_that_comes_late_count() {
    let origin = Origin::start().await;
    let paths: Vec<String> = (0..8).map(|number| format!("/v/{number}")).collect();
    for path in paths.iter().chain(&["/new".to_owned()]) {
        origin.on(path, Script::cacheable(2000));
    }
    let mut edge = Edge::start(&EdgeConfig::to(&origin).on_disks(&["one", "two"], "64MiB")).await;
    fill(&edge, paths.clone()).await;
    for path in &paths {
        assert_eq!(pins(&edge, "POST", path, "").await.0, 200);
    }
    // The second device has nothing of what the first one has written down, but what was purged.
    edge.restart_after(|edge| {
        fs::rename(edge.file("one"), edge.file("away")).unwrap();
        fs::write(edge.file("one"), "no directory").unwrap();
        for name in ["pins", "hot"] {
            fs::remove_file(edge.file("two").join("state").join(name)).unwrap();
        }
    })
    .await;
    assert_eq!(listed(&list(&edge).await), [], "nobody knows of them");
    fill(&edge, ["/new".to_owned()]).await;
    let (status, answer) = pins(&edge, "POST", "/new", "").await;
    assert_eq!((status, &answer["durable"]["on"]), (200, &Value::from(1)), "{answer}");
    fs::remove_file(edge.file("one")).unwrap();
    fs::rename(edge.file("away"), edge.file("one")).unwrap();
    let url = |path: &String| format!("https://{HOST}{path}");
    let all: Vec<String> = paths.iter().chain(&["/new".to_owned()]).map(url).collect();
    let expected: Vec<(&str, &str)> = all.iter().map(|url| (url.as_str(), "disk")).collect();
    let come = async {
        while listed(&list(&edge).await) != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(LATE, come).await;
    assert!(in_time.is_ok(), "{}\n{}", list(&edge).await, edge.stderr());
    within("what was told", edge.stderr_with("memory was warmed from disk")).await;
    fill(&edge, paths.clone()).await;
    assert!(paths.iter().all(|path| origin.requests(path).len() == 1), "nothing is asked for again");
    // Both lists are one on each device now.
    edge.restart_after(|edge| fs::remove_file(edge.file("one").join("state").join("pins")).unwrap()).await;
    let read = async {
        while listed(&list(&edge).await) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the list", read).await;
}
