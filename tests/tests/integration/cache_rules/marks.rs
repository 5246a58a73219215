//! That a response could not be shared is remembered for who is like its client, and no longer than it is so.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

#[tokio::test]
async fn first_answer_that_can_be_shared_ends_the_mark_of_those_with_cookies() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let client = edge.client(Protocol::Http2).await;
    let told = async || {
        let answer = client.request(Request::get("/a").field("cookie", "session=1")).await.unwrap();
        answer.field("cache-status").unwrap().to_owned()
    };
    origin.on("/a", Script::status(200).field("cache-control", "private").text("odd"));
    assert!(!told().await.contains("detail=not-shareable"));
    assert!(told().await.contains("detail=not-shareable"), "the next ones do not wait for each other");
    origin.on("/a", Script::cacheable(10));
    assert!(told().await.contains("detail=not-shareable"), "its answer says that it is over");
    assert!(told().await.contains("stored"));
    assert!(told().await.contains("; hit"));
}
