//! The circuit breaker: an origin that fails is left alone, tried, and used again.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::origin::{Script, Step};
use tidegate_tests::within;

use super::{edge_to, figure, pair, until};

const STATE: (&str, &[&str]) = ("tidegate_origin_circuit_state", &["origin=\"first\""]);

#[tokio::test]
async fn circuit_opens_lets_one_trial_through_and_closes() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(503));
    second.on("/a", Script::status(200).text("second"));
    let pool = "limits: {failures: 50%, failures_floor: 4, open: 1s}\nretry: {budget_floor: 1000}";
    let edge = edge_to(&[&first.url(), &second.url()], pool).await;
    let client = edge.client(Protocol::Http2).await;
    let ask = async || within("an answer", client.request(Request::new("DELETE", "/a"))).await.unwrap();
    for _ in 0..4 {
        assert_eq!(ask().await.text(), "second");
    }
    assert_eq!(figure(&edge, STATE.0, STATE.1).await, 2.0);
    for _ in 0..5 {
        assert_eq!(ask().await.text(), "second");
    }
    assert_eq!(first.requests("/a").len(), 4, "nothing goes through an open circuit");
    // The trial is held; meanwhile all others go on to the second.
    first.on("/a", Script::status(200).text("first").before(Step::Gate("trial".to_owned())));
    let trial = async {
        while first.requests("/a").len() == 4 {
            let (client, request) = (edge.client(Protocol::Http1).await, Request::new("DELETE", "/a"));
            let asking = tokio::spawn(async move { client.request(request).await.unwrap().text() });
            if first.requests("/a").len() == 4 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            if first.requests("/a").len() == 5 {
                return asking;
            }
            within("an answer", asking).await.unwrap();
        }
        panic!("somebody else was the trial");
    };
    let trial = within("a trial", trial).await;
    until(&edge, STATE.0, STATE.1, 1.0).await;
    for _ in 0..5 {
        assert_eq!(ask().await.text(), "second");
    }
    assert_eq!(first.requests("/a").len(), 5, "one trial at a time");
    assert!(figure(&edge, "tidegate_origin_rejected_total", &["reason=\"circuit\""]).await >= 5.0);
    first.gate("trial").open();
    assert_eq!(within("the trial", trial).await.unwrap(), "first");
    until(&edge, STATE.0, STATE.1, 0.0).await;
    assert_eq!(ask().await.text(), "first");
}

#[tokio::test]
async fn open_circuit_of_the_only_origin_is_503_at_once() {
    let (first, _second) = pair().await;
    first.on("/a", Script::status(500).before(Step::Close));
    let edge = edge_to(&[&first.url()], "limits: {failures: 50%, failures_floor: 1, open: 60s}").await;
    let client = edge.client(Protocol::Http3).await;
    let first_answer = within("an answer", client.get("/a")).await.unwrap();
    assert_eq!(first_answer.status, 502);
    for request in [Request::get("/a"), Request::new("POST", "/a").body("x")] {
        let answer = within("an answer", client.request(request)).await.unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.field("retry-after").is_some());
    }
    assert_eq!(first.requests("/a").len(), 1);
}

#[tokio::test]
async fn clients_that_leave_do_not_open_the_circuit() {
    let (first, _second) = pair().await;
    first.on("/held", Script::status(200).before(Step::Hang));
    first.on("/a", Script::status(200).text("whole"));
    let edge = edge_to(&[&first.url()], "limits: {failures: 1%, failures_floor: 1, open: 60s}").await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let arrived = first.requests("/held").len() + 1;
        let asking = tokio::spawn(async move { client.request(Request::new("DELETE", "/held")).await });
        first.arrived("/held", arrived).await;
        asking.abort();
        until(&edge, "tidegate_origin_in_flight", &["origin=\"first\""], 0.0).await;
        let answer = within("an answer", edge.client(protocol).await.request(Request::new("DELETE", "/a"))).await;
        assert_eq!(answer.unwrap().status, 200, "{protocol:?}");
    }
    assert_eq!(figure(&edge, STATE.0, STATE.1).await, 0.0);
}
