//! Purges of what is on disk: at once, and after the node was stopped or killed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

use super::{get, orders, purge, url};

fn page(version: &str, tags: &str) -> Script {
    let page = Script::status(200).text(version).field("cache-control", "max-age=600").field("surrogate-key", tags);
    page.field("etag", &format!("\"{version}\"")).resource()
}

async fn edge() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let config = EdgeConfig::to(&origin).on_disks(&["one", "two"], "64MiB");
    (Edge::start(&config).await, origin)
}

/// Stores the old version of these paths on disk, and has the origin give the new one from then on.
async fn store(edge: &Edge, origin: &Origin, paths: &[&str]) {
    for (version, asks) in [("old", true), ("new", false)] {
        for path in paths {
            origin.on(path.split('?').next().unwrap(), page(version, "t"));
            if asks {
                assert_eq!(get(edge, Protocol::Http2, path).await.text(), version);
            }
        }
        edge.until_fills_end().await;
    }
    edge.until_written().await;
}

#[tokio::test]
async fn purge_outlasts_stop_and_kill_and_leaves_the_rest_on_disk() {
    for kind in 0..6 {
        let (mut edge, origin) = edge().await;
        store(&edge, &origin, &["/f/one?v=1", "/other"]).await;
        let (kind, what) = orders("/f/one?v=1", "/f/", "t").swap_remove(kind);
        let answer = purge(&edge, what).await;
        assert_eq!(answer["durable"], json!({ "on": 2, "devices": 2 }), "{kind}");
        if matches!(kind, "url" | "tag") {
            edge.restart().await
        } else {
            edge.kill_and_restart().await
        }
        assert_eq!(get(&edge, Protocol::Http3, "/f/one?v=1").await.text(), "new", "{kind}");
        let all = matches!(kind, "host" | "everything" | "tag");
        assert_eq!(get(&edge, Protocol::Http1, "/other").await.text(), if all { "new" } else { "old" }, "{kind}");
    }
}

#[tokio::test]
async fn purge_reaches_what_is_on_disk_alone() {
    let (mut edge, origin) = edge().await;
    store(&edge, &origin, &["/hard", "/soft", "/kept"]).await;
    edge.kill_and_restart().await;
    purge(&edge, json!({ "url": url("/hard") })).await;
    purge(&edge, json!({ "url": url("/soft"), "soft": true })).await;
    for (path, version, condition) in
        [("/hard", "new", None), ("/soft", "new", Some("\"old\"")), ("/kept", "old", None)]
    {
        assert_eq!(get(&edge, Protocol::Http2, path).await.text(), version, "{path}");
        let asked = origin.requests(path).pop().unwrap();
        assert_eq!(asked.field("if-none-match"), condition, "{path}");
    }
}

#[tokio::test]
async fn unsafe_methods_are_remembered_after_a_restart() {
    let (mut edge, origin) = edge().await;
    store(&edge, &origin, &["/a"]).await;
    let client = edge.client(Protocol::Http2).await;
    let posted = client.request(Request::new("POST", "/a").body("x")).await.unwrap();
    assert_eq!(posted.status, 200);
    drop(client);
    edge.restart().await;
    assert_eq!(get(&edge, Protocol::Http2, "/a").await.text(), "new");
}

/// All files of a directory whose path names the record of purges.
fn records(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap().to_string_lossy().contains("purges") {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_served_from_disk_whose_purges_are_not_known() {
    let harms: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, b"foreign").unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().for_each(|byte| *byte ^= 1);
            fs::write(path, bytes).unwrap();
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let (mut edge, origin) = edge().await;
        store(&edge, &origin, &["/purged", "/other"]).await;
        purge(&edge, json!({ "url": url("/purged") })).await;
        edge.restart_after(|edge| {
            for directory in ["one", "two"] {
                let records = records(&edge.file(directory));
                assert!(!records.is_empty(), "there is no record of purges in {directory}");
                records.iter().for_each(|path| harm(path));
            }
        })
        .await;
        for path in ["/purged", "/other"] {
            assert_eq!(get(&edge, Protocol::Http2, path).await.text(), "new", "{path} after harm {number}");
        }
    }
}
