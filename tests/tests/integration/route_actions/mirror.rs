//! Copies of requests for another pool.

use tidegate_tests::client::Request;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;

use super::{ALL, ask, pool, stored};

#[tokio::test]
async fn what_goes_to_origins_is_copied_and_the_copies_answer_reaches_nobody() {
    let (own, copies) = (Origin::start().await, Origin::start().await);
    own.on("/a", stored("own"));
    copies.on("/a", stored("copy"));
    let config = EdgeConfig::to(&own)
        .route_yaml("mirror: {origin_pool: copies}\nrequest_fields: {set: [{name: x-edge, value: '${edge}'}]}")
        .extra_documents(&pool("copies", &copies));
    let edge = Edge::start(&config).await;
    let mut expected = 0;
    for protocol in ALL {
        let target = format!("/a?{}", protocol.label());
        for request in [
            Request::get(&target),
            Request::get(&target), // a hit, which no origin hears of
            Request::new("DELETE", &target),
            Request::new("POST", &target).body("bodies are not copied"),
        ] {
            let answer = ask(&edge, protocol, request).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "own"), "{protocol:?}");
        }
        expected += 2;
        within("the copies", copies.arrived("/a", expected)).await;
    }
    let counted = async {
        while edge.metric("tidegate_mirrored_requests_total", &["outcome=\"answered\""]).await < expected as f64 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the copies to be answered", counted).await;
    let copied = copies.requests("/a");
    assert_eq!(copied.len(), expected, "{copied:?}");
    for request in &copied {
        assert!(["GET", "DELETE"].contains(&request.method.as_str()), "{request:?}");
        assert_eq!((request.field("x-tidegate-mirror"), request.field("x-edge")), (Some("1"), Some("eu-a-1")));
    }
    assert!(own.requests("/a").iter().all(|request| request.field("x-tidegate-mirror").is_none()));
}

#[tokio::test]
async fn pool_of_copies_that_hangs_or_is_dead_harms_nobody() {
    let (own, copies) = (Origin::start().await, Origin::start().await);
    own.on("/a", Script::status(200).text("own"));
    copies.on("/a", Script::status(200).before(Step::Hang));
    let config = EdgeConfig::to(&own)
        .route_yaml("mirror: {origin_pool: copies}")
        .extra_documents(&format!("{}\ntimeouts: {{read: 60s}}", pool("copies", &copies)));
    let edge = Edge::start(&config).await;
    let client = edge.client(tidegate_tests::client::Protocol::Http2).await;
    // More than may be on their way at once.
    for number in 0..200 {
        let answer = within("an answer", client.get(&format!("/a?{number}"))).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    assert!(edge.metric("tidegate_mirrored_requests_total", &["outcome=\"dropped\""]).await >= 1.0);
}
