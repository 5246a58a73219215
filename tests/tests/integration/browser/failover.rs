//! A player goes on while the near origin is killed, comes back, is stopped, goes on and is slowed: real processes and
//! a real browser, on HTTP/3.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry, tidegate_binary};

use super::{Transport, current_time, player};

/// The built-in media origin in a process of its own, on a port that it keeps over restarts.
struct MediaOrigin {
    name: &'static str,
    address: SocketAddr,
    process: Child,
}

impl MediaOrigin {
    async fn start(name: &'static str) -> Self {
        let address = tidegate_tests::address::loopback();
        let [port] = tidegate_tests::address::free_ports(address);
        let address = SocketAddr::new(address, port);
        let origin = Self { name, address, process: spawn(name, address) };
        origin.await_listening().await;
        origin
    }

    fn entry(&self, region: &str) -> OriginEntry {
        OriginEntry::new(region, &format!("http://{}", self.address)).named(self.name)
    }

    fn kill(&mut self) {
        self.process.kill().expect("the origin runs");
        self.process.wait().expect("the origin can be waited for");
    }

    async fn restart(&mut self) {
        self.process = spawn(self.name, self.address);
        self.await_listening().await;
    }

    async fn await_listening(&self) {
        let connecting = async {
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tidegate_tests::within("the origin listens", connecting).await;
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("the origin runs");
    }

    /// Slow, not dead: it runs a fifth of the time.
    async fn crawl(&self, turns: usize) {
        for _ in 0..turns {
            self.signal(Signal::STOP);
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.signal(Signal::CONT);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for MediaOrigin {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            let _status = self.process.wait();
        }
    }
}

fn spawn(name: &str, address: SocketAddr) -> Child {
    Command::new(tidegate_binary())
        .args(["origin", "--name", name, "--listen", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the origin starts")
}

/// Names of the origins that answered, in order, without repeats.
async fn origins(edge: &Edge) -> Vec<String> {
    let lines = edge.access_log(1, |line| line["origin"].is_string() && line["status"] == 200).await;
    let mut names: Vec<String> = lines.iter().filter_map(|line| line["origin"].as_str().map(str::to_owned)).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn player_goes_on_while_the_near_origin_dies_returns_stalls_and_crawls() {
    let (mut near, far) = (MediaOrigin::start("near").await, MediaOrigin::start("far").await);
    let health = "health: {probe: {http: {path: /vod/demo/master.m3u8}}, interval: 500ms, timeout: 400ms, fall: 2, \
                  rise: 1, slow_start: 0s}";
    let config = EdgeConfig::with_origins(vec![near.entry("eu"), far.entry("us")]).pool_yaml(health);
    let edge = Edge::start(&config.pool_yaml("timeouts: {connect: 500ms, read: 500ms}")).await;
    // Little in reserve, so that every trouble is the player's at once.
    let mut player = player(&edge, Transport::Http3, "hls", "23", &["--ahead", "3", "--progress"]);
    player.reaches(2).await;
    near.kill();
    player.reaches(6).await;
    near.restart().await;
    player.reaches(11).await;
    near.signal(Signal::STOP);
    player.reaches(15).await;
    near.signal(Signal::CONT);
    player.reaches(18).await;
    near.crawl(12).await;
    let outcome: Value = player.outcome().await;
    assert!(current_time(&outcome) >= 23.0, "{outcome:#}");
    assert!(outcome["error"].is_null(), "{outcome:#}");
    let asked = origins(&edge).await;
    assert_eq!(asked.first().map(String::as_str), Some("near"), "{asked:?}");
    let returned = asked.windows(2).any(|pair| pair == ["far", "near"]);
    assert!(returned, "traffic moved to the far origin and came back: {asked:?}");
    let failed = edge.access_log(0, |line| line["status"].as_u64().is_some_and(|status| status >= 500)).await;
    assert!(failed.is_empty(), "no viewer's request failed: {failed:#?}");
}
