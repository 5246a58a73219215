//! Divisions of requests between pools.

use std::time::Duration;

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::Origin;
use tidegate_tests::within;

use super::{ALL, ask, is_hit, pool, stored};

const USERS: usize = 40;

fn user(number: usize) -> Request {
    Request::get("/a").field("cookie", &format!("other=1; user={number}"))
}

async fn sides(edge: &Edge, protocol: Protocol) -> Vec<String> {
    let client = edge.client(protocol).await;
    let mut sides = Vec::new();
    for number in 0..USERS {
        sides.push(within("an answer", client.request(user(number))).await.unwrap().text());
    }
    sides
}

fn config(own: &Origin, next: &Origin, share: &str) -> EdgeConfig {
    EdgeConfig::to(own)
        .route_yaml(&format!("split: {{by: {{cookie: user}}, parts: [{{share: {share}, origin_pool: next}}]}}"))
        .extra_documents(&pool("next", next))
}

#[tokio::test]
async fn each_key_keeps_its_side_and_its_own_stored_object() {
    let (own, next) = (Origin::start().await, Origin::start().await);
    own.on("/a", stored("own"));
    next.on("/a", stored("next"));
    let edge = Edge::start(&config(&own, &next, "30%")).await;
    let first = sides(&edge, Protocol::Http2).await;
    assert!(first.contains(&"own".to_owned()) && first.contains(&"next".to_owned()), "{first:?}");
    for protocol in ALL {
        assert_eq!(sides(&edge, protocol).await, first, "{protocol:?}");
        assert!(is_hit(&ask(&edge, protocol, user(0)).await), "{protocol:?}");
    }
    assert_eq!((own.requests("/a").len(), next.requests("/a").len()), (2, 2), "one fill a side and scheme");
}

#[tokio::test]
async fn share_that_grows_takes_keys_and_gives_none_back() {
    let (own, next) = (Origin::start().await, Origin::start().await);
    own.on("/a", stored("own"));
    next.on("/a", stored("next"));
    let edge = Edge::start(&config(&own, &next, "30%")).await;
    let before = sides(&edge, Protocol::Http2).await;
    edge.rewrite(&config(&own, &next, "70%"));
    edge.sighup();
    let reloaded = async {
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the reload", reloaded).await;
    let after = sides(&edge, Protocol::Http2).await;
    let on_next = |sides: &[String]| sides.iter().filter(|side| *side == "next").count();
    assert!(on_next(&after) > on_next(&before), "{before:?} {after:?}");
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || after == "next", "{before} {after}");
    }
}
