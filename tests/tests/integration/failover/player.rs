//! What a player sees while origins die and come back: nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{OriginProcess, Script};
use tidegate_tests::within;

use crate::assert_whole;

/// A segment every so often, as a player in a hurry asks.
const PACE: Duration = Duration::from_millis(100);

/// Segments asked for between one event and the next.
const SEGMENTS: usize = 8;

fn scripts() -> BTreeMap<String, Script> {
    [("/segment.m4s".to_owned(), Script::cacheable(20_000).field("content-type", "video/mp4"))].into()
}

async fn play(edge: &Edge, protocol: Protocol, part: &str) {
    let client = edge.client(protocol).await;
    for number in 0..SEGMENTS {
        let path = format!("/segment.m4s?{part}{}{number}", protocol.label());
        let answer = within("a segment", client.get(&path)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_whole(&answer, 20_000, &path);
        tokio::time::sleep(PACE).await;
    }
}

/// All three protocols at the same time.
async fn everyone_plays(edge: &Edge, part: &str) {
    let [first, second, third] = Protocol::SECURE.map(|protocol| play(edge, protocol, part));
    tokio::join!(first, second, third);
}

#[tokio::test]
async fn player_sees_no_error_while_the_near_origin_is_killed_and_comes_back() {
    let far = OriginProcess::start(&scripts());
    let mut near = OriginProcess::start(&scripts());
    let address = near.address();
    let origins = [("eu", near.address()), ("us", far.address())];
    let origins = origins.map(|(region, address)| OriginEntry::new(region, &format!("http://{address}"))).to_vec();
    let config = EdgeConfig::with_origins(origins).pool_yaml("health: {interval: 1s, timeout: 500ms, slow_start: 0s}");
    let edge = Edge::start(&config).await;
    everyone_plays(&edge, "before").await;
    let playing = everyone_plays(&edge, "killed");
    let killing = async {
        tokio::time::sleep(PACE * 2).await;
        near.kill();
    };
    tokio::join!(playing, killing);
    everyone_plays(&edge, "dead").await;
    let _back = OriginProcess::start_at(address, &scripts());
    everyone_plays(&edge, "back").await;
}

#[tokio::test]
async fn player_sees_no_error_while_the_near_origin_is_stopped() {
    let (near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let origins = [("eu", near.address()), ("us", far.address())];
    let origins = origins.map(|(region, address)| OriginEntry::new(region, &format!("http://{address}"))).to_vec();
    let mut config = EdgeConfig::with_origins(origins);
    config.timeouts = vec!["read: 500ms".to_owned(), "connect: 500ms".to_owned()];
    let edge = Edge::start(&config).await;
    everyone_plays(&edge, "before").await;
    near.stop();
    everyone_plays(&edge, "stopped").await;
}
