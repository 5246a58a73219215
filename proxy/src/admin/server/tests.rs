//! The operator's listener as its clients see it.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tidegate_config::ids::Generation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::telemetry::{CacheUsage, ReloadOutcome};

const PATIENCE: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    state: Arc<AdminState>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new("1.2.3");
    let state = Arc::new(AdminState {
        metrics: Arc::clone(&metrics),
        lifecycle: Arc::new(Lifecycle::new()),
        node: NodeName::parse("eu-1").unwrap(),
        region: RegionName::parse("eu").unwrap(),
        pop: PopName::parse("eu-a").unwrap(),
        version: "1.2.3",
        started: Instant::now(),
        geo: ArcSwapOption::empty(),
        origins: ArcSwapOption::empty(),
        token: ArcSwapOption::empty(),
        debug_token: Arc::default(),
        cache: OnceLock::new(),
        purger: OnceLock::new(),
        contents: OnceLock::new(),
        pins: OnceLock::new(),
        kill_switches: Arc::new(KillSwitches::new(metrics.kill_switches().clone())),
        warm: WarmJobs::new(tokio::runtime::Handle::current()),
    });
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve(listener, Arc::clone(&state), stopped));
    Running { address, state, stop, server }
}

struct Seen {
    status: u16,
    head: String,
    body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Running {
    /// Sends bytes and reads until the server closes.
    async fn exchange(&self, request: &str) -> Seen {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut response)).await.unwrap().unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {response:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Seen { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    async fn request(&self, method: &str, target: &str, fields: &str) -> Seen {
        let host = self.address;
        let close = "connection: close";
        self.exchange(&format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n{close}\r\n{fields}\r\n")).await
    }

    async fn check(&self, method: &str, target: &str, status: u16, pointer: &str, expected: impl Into<Value>) {
        let seen = self.request(method, target, "").await;
        assert_eq!(seen.status, status, "{method} {target}: {}", seen.body);
        assert_eq!(seen.json().pointer(pointer), Some(&expected.into()), "{method} {target}: {}", seen.body);
        assert!(seen.head.contains("cache-control: no-store"), "{}", seen.head);
    }
}

#[tokio::test]
async fn readiness_follows_drains_and_liveness_does_not() {
    let running = start().await;
    running.check("GET", "/ready", 503, "/state", "starting").await;
    running.state.lifecycle.started();
    running.check("GET", "/ready", 200, "/ready", true).await;
    running.check("POST", "/drain", 200, "/state", "dns_out").await;
    running.check("GET", "/ready", 503, "/ready", false).await;
    running.check("GET", "/live", 200, "/live", true).await;
    assert!(!*running.state.lifecycle.signals().drain.borrow());
    running.check("POST", "/drain?phase=connections", 200, "/state", "connection_drain").await;
    assert!(*running.state.lifecycle.signals().drain.borrow());
    running.check("POST", "/undrain", 200, "/ready", true).await;
    running.check("GET", "/ready", 200, "/node", "eu-1").await;
    running.state.lifecycle.stop();
    running.check("POST", "/undrain", 409, "/state", "stopping").await;
}

#[tokio::test]
async fn status_shows_the_node() {
    let running = start().await;
    running.state.lifecycle.started();
    running.state.metrics.config_read(ReloadOutcome::Applied, Generation(7));
    running.state.metrics.cache().read_usage_from(|| CacheUsage { bytes: 5, entries: 1, capacity: 9 });
    running.check("GET", "/status", 200, "/region", "eu").await;
    running.check("GET", "/status", 200, "/pop", "eu-a").await;
    running.check("GET", "/status", 200, "/generation", 7).await;
    running.check("GET", "/status", 200, "/state", "active").await;
    running.check("GET", "/status", 200, "/connections/h3", 0).await;
    running.check("GET", "/status", 200, "/cache/bytes", 5).await;
}

#[tokio::test]
async fn metrics_come_in_prometheus_text_format() {
    let running = start().await;
    let seen = running.request("GET", "/metrics", "").await;
    assert_eq!(seen.status, 200);
    assert!(seen.head.contains("content-type: text/plain; version=0.0.4"), "{}", seen.head);
    assert!(seen.body.contains("tidegate_build_info{version=\"1.2.3\"} 1"), "{}", seen.body);
}

#[tokio::test]
async fn errors_are_json_and_change_nothing() {
    let running = start().await;
    running.check("GET", "/nothing", 404, "/error/code", "not_found").await;
    running.check("GET", "/drain", 405, "/error/code", "method_not_allowed").await;
    running.check("DELETE", "/metrics", 405, "/error/code", "method_not_allowed").await;
    running.check("POST", "/drain?phase=all", 400, "/error/code", "invalid_query").await;
    let seen = running.request("GET", "/drain", "").await;
    assert!(seen.head.contains("allow: post"), "{}", seen.head);
    let seen = running.request("HEAD", "/status", "").await;
    assert_eq!((seen.status, seen.body.as_str()), (200, ""));
    assert_eq!(running.state.lifecycle.state().label(), "starting");
}

#[tokio::test]
async fn pages_and_foreign_hosts_are_refused_before_anything_is_done() {
    let running = start().await;
    running.state.lifecycle.started();
    let seen = running.request("POST", "/drain", "origin: http://page.example\r\n").await;
    assert_eq!((seen.status, seen.json()["error"]["code"].as_str()), (403, Some("cross_origin")));
    let port = running.address.port();
    let seen = running
        .exchange(&format!("POST /drain HTTP/1.1\r\nhost: page.example:{port}\r\nconnection: close\r\n\r\n"))
        .await;
    assert_eq!((seen.status, seen.json()["error"]["code"].as_str()), (403, Some("foreign_host")));
    assert_eq!(running.state.lifecycle.state().label(), "active");
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused() {
    let running = start().await;
    running.state.lifecycle.started();
    let fields = format!("content-length: {}\r\n", MAX_BODY_BYTES + 1);
    let length = MAX_BODY_BYTES + 1;
    let declared = running.request("POST", "/drain", &fields).await;
    let host = running.address;
    let head =
        format!("POST /drain HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunked = running.exchange(&format!("{head}{length:x}\r\n{}\r\n", "a".repeat(length))).await;
    for seen in [declared, chunked] {
        assert_eq!((seen.status, seen.json()["error"]["code"].as_str()), (413, Some("body_too_large")));
    }
    assert_eq!(running.state.lifecycle.state().label(), "active");
}

#[tokio::test]
async fn a_head_beyond_the_bound_is_refused() {
    let running = start().await;
    let seen = running.request("GET", "/status", &format!("x: {}\r\n", "a".repeat(2 * MAX_HEAD_BYTES))).await;
    assert_eq!(seen.status, 431, "{}", seen.head);
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_the_listener() {
    let running = start().await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    running.check("GET", "/live", 200, "/live", true).await;
    running.stop.send_replace(true);
    // Less than the grace: nothing is under way, so nothing is waited for.
    tokio::time::timeout(STOP_GRACE / 2, running.server).await.unwrap().unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(running.address).await.is_err());
}
