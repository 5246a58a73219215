//! What listeners do whatever the cache does: TLS, redirects, hosts, limits, health, drain, stop and reload.

mod health;
mod lifecycle;
mod limits;
mod malformed;
mod reload;
mod tls;

use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

/// An edge before an origin that has `/a`.
async fn edge_and_origin() -> (Edge, Origin) {
    edge_with(|_| ()).await
}

async fn edge_with(change: impl FnOnce(&mut EdgeConfig)) -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000));
    let mut config = EdgeConfig::to(&origin);
    change(&mut config);
    (Edge::start(&config).await, origin)
}
