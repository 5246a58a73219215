//! Several fleets and busy ports.

use std::net::TcpListener;
use std::time::Duration;

use tempfile::TempDir;

use crate::calling::{call_in, tidegate};
use crate::fleet::{Fleet, text};

#[test]
fn a_busy_port_moves_the_whole_fleet_and_is_told() {
    let busy = make_busy("127.0.12.1:8080");
    let (fleet, ready) = Fleet::start(&[]);
    let ports: Vec<&str> =
        ["/edges/0/http", "/edges/1/http"].map(|edge| text(&ready, edge).rsplit_once(':').unwrap().1).into();
    assert_eq!(ports[0], ports[1]);
    assert_ne!(ports[0], "8080");
    assert!(fleet.stderr().contains("8080 is busy; the whole fleet moves"), "{}", fleet.stderr());
    drop(busy);
}

/// Takes a port. Another test's fleet that has it ends soon; a user's own does not, and then it is just as busy.
fn make_busy(address: &str) -> Option<TcpListener> {
    for _ in 0..200 {
        match TcpListener::bind(address) {
            Ok(listener) => return Some(listener),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    None
}

#[test]
fn two_fleets_run_at_once() {
    let (mut first, mut second) = (Fleet::spawn(&[]), Fleet::spawn(&[]));
    let (one, other) = (first.await_ready(), second.await_ready());
    assert_ne!(text(&one, "/edges/0/http"), text(&other, "/edges/0/http"));
    assert_ne!(text(&one, "/edges/0/https"), text(&other, "/edges/0/https"));
}

#[test]
fn a_data_folder_in_use_is_refused() {
    let (fleet, _) = Fleet::start(&[]);
    let elsewhere = TempDir::new().unwrap();
    let data = fleet.data_directory();
    let ended = call_in(elsewhere.path(), &["dev", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use by another `tidegate dev`"), "{}", ended.stderr);
}

#[test]
fn a_node_whose_parent_is_gone_does_not_start() {
    // Process 1 did not start it.
    let mut child = tidegate().args(["origin", "--listen", "127.0.0.1:0", "--end-with-parent", "1"]).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
