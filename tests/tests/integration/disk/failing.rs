//! Devices that are damaged, gone, or somebody else's: clients get what is right, and the log says why.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Everything is answered as the origin has it, from wherever.
pub(super) async fn assert_right(edge: &Edge, what: &str) {
    for protocol in [Protocol::PlainHttp1, Protocol::Http2] {
        for (path, size) in SIZES {
            assert_whole(&get(edge, protocol, path).await, size, what);
        }
    }
}

/// What happens to the bytes of a file.
type Harm = fn(&mut Vec<u8>);

#[tokio::test]
async fn damage_anywhere_in_the_files_costs_hits_and_nothing_else() {
    let harms: [(&str, Harm); 4] = [
        ("bits flipped", |bytes| bytes.iter_mut().step_by(4099).for_each(|byte| *byte ^= 1)),
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("zeros", |bytes| bytes.iter_mut().for_each(|byte| *byte = 0)),
        ("doubled", |bytes| bytes.extend_from_within(..bytes.len().min(1 << 20))),
    ];
    for (what, harm) in harms {
        let origin = Origin::start().await;
        let mut edge = filled(EdgeConfig::to(&origin).on_disk(), &origin).await;
        edge.restart_after(|edge| {
            for path in files(&edge.file("disk")) {
                let mut bytes = fs::read(&path).unwrap();
                harm(&mut bytes);
                fs::write(&path, bytes).unwrap();
            }
        })
        .await;
        assert_right(&edge, what).await;
    }
}

#[tokio::test]
async fn directory_that_cannot_be_used_leaves_a_node_that_serves() {
    let check = async |prepare: fn(&Path), says: &str| {
        let origin = Origin::start().await;
        let mut edge = filled(EdgeConfig::to(&origin).on_disks(&["disk", "other"], "64MiB"), &origin).await;
        edge.restart_after(|edge| {
            fs::remove_dir_all(edge.file("disk")).unwrap();
            prepare(&edge.file("disk"));
        })
        .await;
        assert_right(&edge, says).await;
        let directory = edge.file("disk").display().to_string();
        let device = format!("device=\"{directory}\"");
        assert_eq!(edge.metric("tidegate_disk_device_state", &[&device, "state=\"failed\""]).await, 1.0);
        assert!(edge.stderr_with(&directory).await.contains(says), "{}", edge.stderr());
    };
    check(|path| fs::write(path, b"no directory").unwrap(), "File exists").await;
    check(|path| std::os::unix::fs::symlink("/proc/version", path).unwrap(), "File exists").await;
}

#[tokio::test]
async fn directory_of_another_process_is_left_to_it() {
    let origin = Origin::start().await;
    let first = filled(EdgeConfig::to(&origin).on_disk(), &origin).await;
    let shared = first.file("disk").display().to_string();
    let second = Edge::start(&EdgeConfig::to(&origin).on_disks(&[shared.as_str()], "64MiB")).await;
    second.stderr_with("in use by another process").await;
    assert_right(&second, "the second").await;
    assert_right(&first, "the first").await;
    first.sigterm();
    second.until_disk_is(&shared, "working").await;
    assert_right(&second, "the second, with what the first has left").await;
}

#[tokio::test]
async fn files_that_go_while_a_node_runs_cost_hits_and_nothing_else() {
    let origin = Origin::start().await;
    let edge = filled(EdgeConfig::to(&origin).on_disk(), &origin).await;
    fs::remove_dir_all(edge.file("disk")).unwrap();
    assert_right(&edge, "without files").await;
    for number in 0..20 {
        let path = format!("/new/{number}");
        origin.on(&path, kept(200_000));
        assert_whole(&get(&edge, Protocol::Http3, &path).await, 200_000, &path);
    }
}
