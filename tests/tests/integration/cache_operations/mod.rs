//! What operators arrange and are told: shares of sites, pins, memory that is warm again after a restart.

mod late;
mod pins;
mod shares;
mod told;
mod warming;

use serde_json::Value;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

async fn stats(edge: &Edge) -> Value {
    let response = within("sums", edge.admin("GET", "/cache/stats")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

async fn fill(edge: &Edge, paths: impl IntoIterator<Item = String>) {
    let client = edge.client(Protocol::Http2).await;
    for path in paths {
        assert_eq!(within("an answer", client.request(Request::get(&path))).await.unwrap().status, 200, "{path}");
    }
    edge.until_fills_end().await;
    edge.until_written().await;
}

async fn until_warm(edge: &Edge, loaded: f64) {
    let warmed = async {
        while edge.metric("tidegate_disk_warmed_keys_total", &["outcome=\"loaded\""]).await < loaded {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("warm memory", warmed).await;
}

/// Pins, or lets go, by these arguments of the query; status and answer.
async fn pins(edge: &Edge, method: &str, path: &str, more: &str) -> (u16, Value) {
    let url: String = format!("https://{HOST}{path}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = within("an answer", edge.admin(method, &format!("/cache/pins?url={url}{more}"))).await;
    (response.status, serde_json::from_slice(&response.body).unwrap())
}
