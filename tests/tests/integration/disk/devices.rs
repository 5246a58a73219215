//! Devices that fill, turn read-only, are missing, or belong to somebody else, and are well again: the node serves all the
//! time, says what is wrong, and writes again when it can.

use serde_json::Value;

use super::failing::assert_right;
use super::*;

/// More than there is room for in the segments that are there: others are needed.
async fn serve_new_things(edge: &Edge, origin: &Origin, about: &str) {
    for number in 0..4 {
        let path = format!("/new/{about}/{number}");
        origin.on(&path, kept(4 * MIB));
        assert_whole(&get(edge, Protocol::Http2, &path).await, 4 * MIB, &path);
    }
    edge.until_fills_end().await;
}

/// What operators are told of the first device.
async fn state_in_stats(edge: &Edge) -> Value {
    let stats: Value = serde_json::from_slice(&edge.admin("GET", "/cache/stats").await.body).unwrap();
    stats["disk"]["devices"][0]["state"].clone()
}

async fn records(edge: &Edge) -> f64 {
    edge.metric("tidegate_disk_records", &[]).await
}

#[tokio::test]
async fn file_system_that_is_filled_by_others_is_told_and_what_is_there_is_gone_on_with() {
    let origin = Origin::start().await;
    let edge = filled(EdgeConfig::to(&origin).on_disks(&["disk"], "128MiB").on_a_file_system_of("160m"), &origin).await;
    edge.run_inside("head -c 400000000 /dev/zero > \"$1/disk/filler\" 2>/dev/null; test -s \"$1/disk/filler\"");
    serve_new_things(&edge, &origin, "full").await;
    assert!(edge.stderr_with("the file system has no room for").await.contains("configure less"), "{}", edge.stderr());
    assert!(edge.metric("tidegate_disk_roomless_bytes", &[]).await > 0.0);
    assert_right(&edge, "full").await;
    edge.run_inside("rm \"$1/disk/filler\"");
    edge.until_disk_is("disk", "working").await;
    serve_new_things(&edge, &origin, "again").await;
    edge.until_written().await;
    assert_right(&edge, "after it was mended").await;
}

#[tokio::test]
async fn directory_that_cannot_be_opened_is_told_and_used_as_soon_as_it_can() {
    let check = async |name: &str, prepare: &str, says: &str, mend: &str| {
        let origin = Origin::start().await;
        let mut config = EdgeConfig::to(&origin).on_disks(&[name], "64MiB");
        config = config.on_a_file_system_of("80m").prepared_by(prepare);
        let edge = Edge::start(&config).await;
        edge.until_disk_is(name, "failed").await;
        assert!(edge.stderr_with("is not used any more").await.contains(says), "{}", edge.stderr());
        assert_eq!(state_in_stats(&edge).await, "failed");
        serve_new_things(&edge, &origin, "memory").await;
        edge.run_inside(mend);
        edge.until_disk_is(name, "working").await;
        serve_new_things(&edge, &origin, "disk").await;
        edge.until_written().await;
        assert!(records(&edge).await >= 4.0, "{name}");
    };
    tokio::join!(
        check("disk/missing/disk", "true", "does not exist and cannot be made", "mkdir \"$1/disk/missing\""),
        check("disk/open", "mkdir -m 777 \"$1/disk/open\"", "everybody may write", "chmod 700 \"$1/disk/open\""),
        check("disk", "mount -o remount,ro \"$1/disk\"", "Read-only file system", "mount -o remount,rw \"$1/disk\""),
    );
}
