//! Origin protection: what one origin is asked at most, and what becomes of the rest.

use std::time::Duration;

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;

use super::{config_to, edge_to, figure, pair, until};
use crate::assert_whole;

/// Begins a request that its origin holds, and waits until it is there.
async fn held(edge: &Edge, origin: &Origin, request: Request) -> tokio::task::JoinHandle<u16> {
    let client = edge.client(Protocol::Http2).await;
    let path = request.target.split('?').next().unwrap().to_owned();
    let arrived = origin.requests(&path).len() + 1;
    let asking = tokio::spawn(async move { client.request(request).await.map_or(0, |answer| answer.status) });
    origin.arrived(&path, arrived).await;
    asking
}

#[tokio::test]
async fn request_over_the_limit_waits_and_then_goes() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000));
    for (limits, first) in [("fills: 1", Request::get("/held")), ("requests: 1", Request::new("DELETE", "/held"))] {
        origin.on("/held", Script::cacheable(10).before(Step::Gate(limits.to_owned())));
        let edge = edge_to(&[&origin.url()], &format!("limits: {{{limits}, pending_timeout: 60s}}")).await;
        let holding = held(&edge, &origin, first).await;
        let asked = origin.requests("/a").len();
        let mut waiting = Vec::new();
        for protocol in Protocol::SECURE {
            let client = edge.client(protocol).await;
            let path = format!("/a?{}{limits}", protocol.label()).replace(' ', "");
            waiting.push(tokio::spawn(async move { client.get(&path).await.unwrap() }));
        }
        until(&edge, "tidegate_origin_pending", &["origin=\"first\""], 3.0).await;
        assert_eq!(origin.requests("/a").len(), asked, "{limits}: nothing goes over the limit");
        origin.gate(limits).open();
        for waiting in waiting {
            assert_whole(&within("an answer", waiting).await.unwrap(), 1000, limits);
        }
        within("the one held", holding).await.unwrap();
        until(&edge, "tidegate_origin_in_flight", &["origin=\"first\""], 0.0).await;
    }
}

#[tokio::test]
async fn request_that_gets_no_turn_is_answered_503_with_retry_after() {
    let origin = Origin::start().await;
    origin.on("/held", Script::cacheable(10).before(Step::Hang));
    origin.on("/a", Script::cacheable(1000));
    let limits = "limits: {requests: 1, pending_timeout: 50ms}";
    let edge = edge_to(&[&origin.url()], limits).await;
    let holding = held(&edge, &origin, Request::get("/held")).await;
    for protocol in Protocol::SECURE {
        for request in [Request::get("/a"), Request::new("DELETE", "/a"), Request::new("HEAD", "/a")] {
            let answer = within("an answer", edge.client(protocol).await.request(request.clone())).await.unwrap();
            let seconds: u32 = answer.field("retry-after").unwrap_or_default().parse().unwrap();
            assert_eq!(answer.status, 503, "{protocol:?} {request:?}");
            assert!((1..=4).contains(&seconds), "{protocol:?} {request:?} {seconds}");
        }
    }
    assert!(origin.requests("/a").is_empty());
    assert_eq!(figure(&edge, "tidegate_origin_rejected_total", &["reason=\"pending_timeout\""]).await, 9.0);
    holding.abort();
}

#[tokio::test]
async fn queue_is_bounded() {
    let origin = Origin::start().await;
    origin.on("/held", Script::cacheable(10).before(Step::Hang));
    let edge = edge_to(&[&origin.url()], "limits: {requests: 1, pending: 1, pending_timeout: 60s}").await;
    let holding = held(&edge, &origin, Request::get("/held")).await;
    let client = edge.client(Protocol::Http3).await;
    let waiting = tokio::spawn(async move { client.get("/a?waiting").await });
    until(&edge, "tidegate_origin_pending", &["origin=\"first\""], 1.0).await;
    let answer = within("an answer at once", edge.client(Protocol::Http1).await.get("/a?more")).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(figure(&edge, "tidegate_origin_rejected_total", &["reason=\"pending_full\""]).await, 1.0);
    holding.abort();
    waiting.abort();
}

#[tokio::test]
async fn request_over_the_limit_spills_to_an_origin_with_room_and_no_further() {
    let (first, second) = pair().await;
    for origin in [&first, &second] {
        origin.on("/held", Script::cacheable(10).before(Step::Hang));
        origin.on("/a", Script::cacheable(1000));
    }
    let edge = edge_to(&[&first.url(), &second.url()], "limits: {requests: 1, pending_timeout: 50ms}").await;
    let one = held(&edge, &first, Request::get("/held?1")).await;
    let client = edge.client(Protocol::Http2).await;
    assert_whole(&within("an answer", client.get("/a?1")).await.unwrap(), 1000, "spilled");
    assert_eq!((first.requests("/a").len(), second.requests("/a").len()), (0, 1));
    let two = held(&edge, &second, Request::get("/held?2")).await;
    assert_eq!(within("an answer", client.get("/a?2")).await.unwrap().status, 503);
    assert_eq!((first.requests("/a").len(), second.requests("/a").len()), (0, 1), "neither got more than it may");
    one.abort();
    two.abort();
}

#[tokio::test]
async fn what_is_stale_is_served_where_there_is_no_room_if_it_may_be() {
    let origin = Origin::start().await;
    for (path, lifetime) in [
        ("/stale", "max-age=1"),
        ("/allowed", "max-age=1, stale-if-error=600"),
        ("/strict", "max-age=1, must-revalidate"),
        ("/never", "no-cache"),
    ] {
        origin.on(path, Script::status(200).pattern(0, 1000).field("cache-control", lifetime).field("etag", "\"1\""));
    }
    origin.on("/held", Script::cacheable(10).before(Step::Hang));
    let edge = edge_to(&[&origin.url()], "limits: {requests: 1, pending_timeout: 50ms}").await;
    let client = edge.client(Protocol::Http2).await;
    for path in ["/stale", "/allowed", "/strict", "/never"] {
        assert_whole(&within("an answer", client.get(path)).await.unwrap(), 1000, path);
    }
    let holding = held(&edge, &origin, Request::get("/held")).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await; // until they are stale: HTTP counts in seconds
    for (path, status) in [("/stale", 200), ("/allowed", 200), ("/strict", 503), ("/never", 503)] {
        for protocol in Protocol::SECURE {
            let answer = within("an answer", edge.client(protocol).await.get(path)).await.unwrap();
            assert_eq!(answer.status, status, "{path} {protocol:?}");
            assert_eq!(answer.field("retry-after").is_some(), status == 503, "{path} {protocol:?}");
        }
    }
    holding.abort();
}

#[tokio::test]
async fn rate_is_kept() {
    let (first, second) = pair().await;
    for origin in [&first, &second] {
        origin.on("/a", Script::cacheable(10));
    }
    let edge = edge_to(&[&first.url(), &second.url()], "limits: {rate: 10, pending: 0}").await;
    let client = edge.client(Protocol::Http2).await;
    let mut statuses = Vec::new();
    for number in 0..10 {
        statuses.push(within("an answer", client.get(&format!("/a?{number}"))).await.unwrap().status);
    }
    let asked = first.requests("/a").len() + second.requests("/a").len();
    assert_eq!(statuses[..2], [200, 200], "the first spills to the second");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), asked);
    assert!(asked < 10 && statuses.contains(&503), "{statuses:?}");
    assert!(figure(&edge, "tidegate_origin_rejected_total", &["reason=\"rate\""]).await >= 1.0);
}

#[tokio::test]
async fn client_that_leaves_gives_its_place_back() {
    let origin = Origin::start().await;
    origin.on("/held", Script::status(200).field("cache-control", "no-store").before(Step::Hang));
    origin.on("/streams", Script::status(200).pattern(0, 1_000_000).pausing_after(1000, "never"));
    origin.on("/a", Script::cacheable(1000));
    for protocol in Protocol::SECURE {
        let edge = edge_to(&[&origin.url()], "limits: {requests: 1, pending_timeout: 60s}").await;
        // Leaves before the head, and in the midst of the body.
        for (path, reads) in [("/held", false), ("/streams", true)] {
            let client = edge.client(protocol).await;
            let arrived = origin.requests(path).len() + 1;
            let request = Request::new("DELETE", path);
            if reads {
                let mut reading = within("a head", client.open(request)).await.unwrap();
                within("the first piece", reading.read_at_least(1000)).await.unwrap();
                reading.cancel();
            } else {
                let asking = tokio::spawn(async move { client.request(request).await });
                origin.arrived(path, arrived).await;
                asking.abort();
            }
            until(&edge, "tidegate_origin_in_flight", &["origin=\"first\""], 0.0).await;
            let path = format!("/a?{}{reads}", protocol.label());
            let answer = within("the next one's turn", edge.client(protocol).await.get(&path)).await.unwrap();
            assert_whole(&answer, 1000, &path);
        }
    }
}

#[tokio::test]
async fn client_that_leaves_the_queue_holds_nothing() {
    let origin = Origin::start().await;
    origin.on("/held", Script::status(200).before(Step::Gate("held".to_owned())));
    origin.on("/a", Script::cacheable(1000));
    let edge = edge_to(&[&origin.url()], "limits: {requests: 1, pending_timeout: 60s}").await;
    let holding = held(&edge, &origin, Request::new("DELETE", "/held")).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let waiting = tokio::spawn(async move { client.request(Request::new("DELETE", "/a")).await });
        until(&edge, "tidegate_origin_pending", &["origin=\"first\""], 1.0).await;
        waiting.abort();
    }
    origin.gate("held").open();
    within("the one held", holding).await.unwrap();
    let answer = within("an answer", edge.client(Protocol::Http2).await.get("/a")).await.unwrap();
    assert_whole(&answer, 1000, "after the queue");
    until(&edge, "tidegate_origin_in_flight", &["origin=\"first\""], 0.0).await;
    until(&edge, "tidegate_origin_pending", &["origin=\"first\""], 0.0).await;
}

#[tokio::test]
async fn reload_changes_the_bounds_and_keeps_the_count() {
    let origin = Origin::start().await;
    origin.on("/held", Script::cacheable(10).before(Step::Hang));
    origin.on("/a", Script::cacheable(1000));
    let edge = Edge::start(&config_to(&[&origin.url()], "limits: {requests: 5, pending: 0}")).await;
    let holding = held(&edge, &origin, Request::get("/held")).await;
    let client = edge.client(Protocol::Http2).await;
    assert_eq!(within("an answer", client.get("/a?1")).await.unwrap().status, 200);
    edge.rewrite(&config_to(&[&origin.url()], "limits: {requests: 1, pending: 0}"));
    edge.sighup();
    until(&edge, "tidegate_snapshot_generation", &[], 2.0).await;
    assert_eq!(within("an answer", client.get("/a?2")).await.unwrap().status, 503);
    holding.abort();
}
