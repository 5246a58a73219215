//! `tidegate origin` without a fleet.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::calling::{call, tidegate};
use crate::fleet::{ask, send, text};

#[test]
fn a_directory_is_served_until_the_signal() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("song.mp3"), "not really").unwrap();
    let mut origin = tidegate()
        .args(["origin", ".", "--listen", "127.0.0.1:0", "--name", "eu-origin", "--output", "json"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(origin.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let serving: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(text(&serving, "/name"), "eu-origin");
    let answer = ask(text(&serving, "/url"), "GET", "/song.mp3", "localhost");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("not really"), "{answer}");
    send(origin.id(), Signal::TERM);
    assert_eq!(origin.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_named() {
    let ended = call(&["origin", "/nonexistent", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot serve the directory /nonexistent: No such file"), "{}", ended.stderr);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = call(&["origin", "--listen", &busy.local_addr().unwrap().to_string()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("choose another address with --listen"), "{}", ended.stderr);
}
