//! Fills belong to no client: slow, leaving and many readers, origins that break off, stall and die, bodies beyond
//! what is stored.

mod breaking;
mod breaking_origin;
mod interim;
mod readers;
mod resuming;
mod streaming;
mod waiters;

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::Origin;

/// All protocols, plaintext included. The scheme is part of a cache key, so what is shared is so within
/// [`Protocol::SECURE`].
const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

async fn edge_and_origin() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    (edge, origin)
}
