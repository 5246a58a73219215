//! Failing over: what another origin is asked for, and what it never is; limits, circuits and hedges of origins.

mod blame;
mod circuit;
mod hedging;
mod limits;
mod player;
mod process_log;
mod retries;
mod sticky;
mod stopped;

use std::net::SocketAddr;

use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::Origin;

/// An edge with these origins, asked in the order written whatever becomes of them: no probes, no ejection.
async fn edge_to(urls: &[&str], pool: &str) -> Edge {
    Edge::start(&config_to(urls, pool)).await
}

fn config_to(urls: &[&str], pool: &str) -> EdgeConfig {
    let names = ["first", "second", "third"];
    let origins = urls.iter().zip(names).map(|(url, name)| OriginEntry::new("eu", url).named(name)).collect();
    EdgeConfig::with_origins(origins)
        .pool_yaml("order: written\nhealth: {probe: off}\noutlier: {consecutive_failures: 0}")
        .pool_yaml(pool)
}

/// A URL where nobody listens.
fn nobody() -> String {
    let address = tidegate_tests::address::loopback();
    format!("http://{}", SocketAddr::new(address, tidegate_tests::address::free_port(address)))
}

/// Two origins.
async fn pair() -> (Origin, Origin) {
    (Origin::start().await, Origin::start().await)
}

/// A figure of the pool or of its origins; 0 when it has no series yet.
async fn figure(edge: &Edge, name: &str, labels: &[&str]) -> f64 {
    edge.metric(name, labels).await
}

/// Waits until a figure has this value.
async fn until(edge: &Edge, name: &str, labels: &[&str], value: f64) {
    let reached = async {
        while (figure(edge, name, labels).await - value).abs() > f64::EPSILON {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tidegate_tests::within(&format!("{name} {labels:?} to be {value}"), reached).await;
}
