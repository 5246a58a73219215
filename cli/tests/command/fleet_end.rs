//! However a fleet ends, nothing of it is left.

use rustix::process::Signal;
use serde_json::Value;

use crate::fleet::{Fleet, assert_all_end, node_pids, pid_of, send};

fn check_clean_stop(signal: Signal) {
    let (mut fleet, ready) = Fleet::start(&[]);
    fleet.signal(signal);
    assert_eq!(fleet.ended().code(), Some(0), "{}", fleet.stderr());
    assert_all_end(&node_pids(&ready));
    assert!(!fleet.ready_file().exists());
}

#[test]
fn ctrl_c_stops_everything_cleanly() {
    check_clean_stop(Signal::INT);
}

#[test]
fn a_supervisor_stops_everything_cleanly() {
    check_clean_stop(Signal::TERM);
}

#[test]
fn a_closed_terminal_stops_everything_cleanly() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut fleet = Fleet::spawn_telling(folder, &[], std::process::Stdio::piped());
    fleet.close_stderr();
    let ready = fleet.await_ready();
    fleet.signal(Signal::HUP);
    assert_eq!(fleet.ended().code(), Some(0));
    assert_all_end(&node_pids(&ready));
}

fn check_killed_node(kind: &str, index: usize, name: &str) {
    let (mut fleet, ready) = Fleet::start(&[]);
    send(pid_of(&ready[kind][index]), Signal::KILL);
    assert_eq!(fleet.ended().code(), Some(1), "{}", fleet.stderr());
    assert_all_end(&node_pids(&ready));
    assert!(!fleet.ready_file().exists());
    let said = fleet.stderr();
    assert!(said.contains(&format!("error: {name} (process ")) && said.contains("signal: 9"), "{said}");
}

#[test]
fn a_killed_edge_node_takes_the_fleet_down() {
    check_killed_node("edges", 1, "us-1");
}

#[test]
fn a_killed_origin_takes_the_fleet_down() {
    check_killed_node("origins", 0, "eu-origin");
}

#[test]
fn a_killed_command_leaves_no_node_behind() {
    let (mut fleet, ready) = Fleet::start(&[]);
    fleet.signal(Signal::KILL);
    fleet.ended();
    assert_all_end(&node_pids(&ready));
}

#[test]
fn a_second_signal_stops_a_node_that_does_not_answer() {
    let (mut fleet, ready) = Fleet::start(&[]);
    let pids = node_pids(&ready);
    send(pids[0], Signal::STOP);
    fleet.signal(Signal::INT);
    while !fleet.stderr().contains("stopping") {
        assert!(crate::fleet::is_running(fleet.pid()));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    fleet.signal(Signal::INT);
    assert_eq!(fleet.ended().code(), Some(0), "{}", fleet.stderr());
    assert_all_end(&pids);
}

#[test]
fn a_stale_ready_file_does_not_outlive_a_start() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("ready.json"), "{\"version\":0}").unwrap();
    std::fs::create_dir_all(folder.path().join("data/eu-origin.log")).unwrap();
    let mut fleet = Fleet::spawn_in(folder, &[]);
    assert_eq!(fleet.ended().code(), Some(1));
    let said = fleet.stderr();
    assert!(said.contains("cannot start eu-origin"), "{said}");
    let left: Option<Value> =
        std::fs::read(fleet.ready_file()).ok().and_then(|text| serde_json::from_slice(&text).ok());
    assert_eq!(left, None);
}
