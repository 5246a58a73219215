//! Further attempts: which requests get one, for which failures, and how many.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Body, Origin, OriginProcess, Script, Step};
use tidegate_tests::within;

use super::{config_to, edge_to, figure, nobody, pair};
use crate::assert_whole;

/// Asks a path of an edge over every protocol and says what came: status and text.
async fn ask(edge: &Edge, request: &Request) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    for protocol in Protocol::SECURE {
        let mut request = request.clone();
        request.target = format!("{}?{}", request.target, protocol.label());
        let answer = within("an answer", edge.client(protocol).await.request(request)).await.unwrap();
        answers.push((answer.status, answer.text()));
    }
    answers
}

/// The same, each at an edge that has not met these origins before: one that was silent is asked last for a while.
async fn ask_anew(config: &EdgeConfig, request: &Request) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    for protocol in Protocol::SECURE {
        let edge = Edge::start(config).await;
        let answer = within("an answer", edge.client(protocol).await.request(request.clone())).await.unwrap();
        answers.push((answer.status, answer.text()));
    }
    answers
}

fn three(status: u16, text: &str) -> Vec<(u16, String)> {
    vec![(status, text.to_owned()); 3]
}

const SILENT: &str = "silent";

/// How the first origin fails a request. What leaves it suspect comes last.
fn failures() -> Vec<(&'static str, Script)> {
    vec![
        ("closed without an answer", Script::status(200).before(Step::Close)),
        ("reset without an answer", Script::status(200).before(Step::Reset)),
        ("bad gateway", Script::status(502).text("bad")),
        ("unavailable", Script::status(503).text("bad")),
        ("gateway timeout", Script::status(504).text("bad")),
        (SILENT, Script::status(200).before(Step::Hang)),
    ]
}

#[tokio::test]
async fn every_failure_before_a_response_goes_to_the_next_origin() {
    let (first, second) = pair().await;
    second.on("/a", Script::status(200).text("second"));
    let mut config = config_to(&[&first.url(), &second.url()], "retry: {budget_floor: 1000}\nlimits: {failures: 0%}");
    config.timeouts = vec!["read: 300ms".to_owned()];
    let edge = Edge::start(&config).await;
    for (failure, script) in failures() {
        first.on("/a", script);
        let (tried, asked) = (first.requests("/a").len(), second.requests("/a").len());
        for request in [
            Request::get("/a"),
            Request::get("/a").field("authorization", "Basic Zm9vOmJhcg==").field("cache-control", "no-store"),
            Request::new("PUT", "/a").body("small"),
            Request::new("DELETE", "/a"),
        ] {
            let answers =
                if failure == SILENT { ask_anew(&config, &request).await } else { ask(&edge, &request).await };
            assert_eq!(answers, three(200, "second"), "{failure} {request:?}");
        }
        assert_eq!(first.requests("/a").len() - tried, 12, "{failure}: each was tried once at the first");
        let asked = second.requests("/a").split_off(asked);
        assert!(
            asked.iter().filter(|request| request.method == "PUT").all(|put| put.body == b"small"[..]),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn request_that_may_have_had_effects_is_repeated_only_where_nothing_was_sent() {
    let (first, second) = pair().await;
    second.on("/a", Script::status(200).text("second"));
    let posted = Request::new("POST", "/a").body("order");
    let edge = edge_to(&[&nobody(), &second.url()], "").await;
    assert_eq!(ask(&edge, &posted).await, three(200, "second"));
    let asked = second.requests("/a").len();
    let mut config = config_to(&[&first.url(), &second.url()], "");
    config.timeouts = vec!["read: 300ms".to_owned()];
    let edge = Edge::start(&config).await;
    for (failure, script) in failures() {
        first.on("/a", script);
        let answers = if failure == SILENT { ask_anew(&config, &posted).await } else { ask(&edge, &posted).await };
        assert!(answers.iter().all(|(status, _)| (502..=504).contains(status)), "{failure}: {answers:?}");
    }
    assert_eq!(second.requests("/a").len(), asked);
}

#[tokio::test]
async fn body_that_is_not_all_kept_is_not_sent_again() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(503).text("the origin's own"));
    second.on("/a", Script::status(200).body(Body::Echo));
    let edge = edge_to(&[&first.url(), &second.url()], "limits: {failures: 0%}").await;
    for protocol in Protocol::SECURE {
        for (size, status) in [(60_000, 200), (200_000, 503)] {
            let body = tidegate_tests::pattern::Pattern::new(1).bytes(0, size);
            let put = Request::new("PUT", "/a").body(body.clone());
            let answer = within("an answer", edge.client(protocol).await.request(put)).await.unwrap();
            assert_eq!(answer.status, status, "{protocol:?} {size}");
            assert!(status != 200 || answer.body == body, "{protocol:?}: the body came whole");
        }
    }
}

#[tokio::test]
async fn origins_own_failure_is_passed_on_when_nobody_else_may_be_asked() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(503).text("first").field("retry-after", "77"));
    second.on("/a", Script::status(503).text("second").field("retry-after", "78"));
    for (pool, told) in [
        ("attempts: 1", "first"),
        ("retry: {budget: 0%, budget_floor: 0}", "first"),
        ("retry: {statuses: [502]}", "first"),
        ("retry: {statuses: [502, 503]}", "second"),
    ] {
        let edge = edge_to(&[&first.url(), &second.url()], pool).await;
        for request in [Request::get("/a"), Request::new("DELETE", "/a")] {
            assert_eq!(ask(&edge, &request).await, three(503, told), "{pool} {request:?}");
        }
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_each_is_at_another_origin() {
    let origins = [Origin::start().await, Origin::start().await, Origin::start().await];
    origins.iter().for_each(|origin| origin.on("/a", Script::status(200).before(Step::Close)));
    let urls: Vec<String> = origins.iter().map(Origin::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    for (attempts, expected) in [(1, [3, 0, 0]), (2, [3, 3, 0]), (3, [3, 3, 3]), (5, [3, 3, 3])] {
        let before = [0, 1, 2].map(|place| origins[place].requests("/a").len());
        let edge = edge_to(&urls, &format!("attempts: {attempts}\nlimits: {{failures: 0%}}")).await;
        let answers = ask(&edge, &Request::get("/a")).await;
        assert!(answers.iter().all(|(status, _)| *status == 502), "{attempts}: {answers:?}");
        let after = [0, 1, 2].map(|place| origins[place].requests("/a").len() - before[place]);
        assert_eq!(after, expected, "{attempts}");
    }
}

#[tokio::test]
async fn spent_budget_ends_in_an_error_at_once() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(200).before(Step::Close));
    second.on("/a", Script::status(200).text("second"));
    let pool = "retry: {budget: 10%, budget_floor: 0}\nlimits: {failures: 0%}";
    let edge = edge_to(&[&first.url(), &second.url()], pool).await;
    let client = edge.client(Protocol::Http2).await;
    let mut saved = 0;
    for _ in 0..20 {
        let answer = within("an answer", client.request(Request::new("DELETE", "/a"))).await.unwrap();
        saved += usize::from(answer.status == 200);
    }
    assert_eq!(saved, 2, "a tenth of twenty requests");
    let exhausted = figure(&edge, "tidegate_origin_retry_budget_exhausted_total", &["pool=\"origins\""]).await;
    assert_eq!(exhausted, 18.0);
    let retried = figure(&edge, "tidegate_origin_retries_total", &["reason=\"broken\""]).await;
    assert_eq!(retried, 2.0);
}

#[tokio::test]
async fn no_attempt_begins_after_the_deadline() {
    let (first, second) = pair().await;
    first.on("/a", Script::status(200).before(Step::Hang));
    second.on("/a", Script::status(200).text("second"));
    for (pool, route, status) in [
        ("retry: {deadline: 100ms}", "", 504),
        ("", "timeouts: {response: 250ms}", 504),
        ("retry: {deadline: 9s}", "timeouts: {response: 9s}", 200),
    ] {
        let mut config = config_to(&[&first.url(), &second.url()], pool).route_yaml(route);
        config.timeouts = vec!["read: 400ms".to_owned()];
        for request in [Request::get("/a"), Request::new("DELETE", "/a")] {
            let answers = ask_anew(&config, &request).await;
            assert!(answers.iter().all(|answer| answer.0 == status), "{pool} {route} {request:?}: {answers:?}");
        }
    }
}

#[tokio::test]
async fn connection_that_was_closed_while_idle_is_no_failure() {
    let origin = Origin::start().await;
    origin.on("/a", Script::status(200).text("whole"));
    origin.on("/closes", Script::status(200).before(Step::Close));
    let edge = edge_to(&[&origin.url()], "limits: {failures: 1%, failures_floor: 1}").await;
    let client = edge.client(Protocol::Http2).await;
    within("an answer", client.request(Request::new("DELETE", "/a"))).await.unwrap();
    // Over the connection that was kept it looks like a race, over the new one it is none.
    let answer = within("an answer", client.request(Request::new("DELETE", "/closes"))).await.unwrap();
    assert_eq!((answer.status, origin.requests("/closes").len()), (502, 2));
    assert_eq!(figure(&edge, "tidegate_origin_retries_total", &["reason=\"race\""]).await, 1.0);
    let posted = Request::new("POST", "/closes").body("order");
    within("an answer", client.request(posted)).await.unwrap();
    assert_eq!(origin.requests("/closes").len(), 2, "the circuit is open by one failure, the race was none");
}

#[tokio::test]
async fn access_log_tells_every_attempt() {
    let (second, third) = pair().await;
    second.on("/a", Script::status(503));
    third.on("/a", Script::cacheable(10));
    let edge = edge_to(&[&nobody(), &second.url(), &third.url()], "attempts: 3").await;
    let client = edge.client(Protocol::Http3).await;
    within("an answer", client.get("/a")).await.unwrap();
    within("an answer", client.get("/a")).await.unwrap();
    let lines = edge.access_log(2, |line| line["path"] == "/a").await;
    let expected = serde_json::json!([
        {"origin": "first", "failure": "refused"},
        {"origin": "second", "status": 503},
        {"origin": "third", "status": 200},
    ]);
    assert_eq!(lines[0]["attempts"], expected);
    assert_eq!(lines[1]["attempts"], serde_json::json!([]), "a hit asked nobody");
}

#[tokio::test]
async fn processes_that_are_killed_or_stopped_are_failed_over() {
    let scripts = [("/a".to_owned(), Script::cacheable(1000)), ("/d".to_owned(), Script::status(200).text("done"))];
    let second = Origin::start().await;
    scripts.iter().for_each(|(path, script)| second.on(path, script.clone()));
    for kill in [true, false] {
        let mut first = OriginProcess::start(&scripts.clone().into());
        let url = format!("http://{}", first.address());
        let mut config = config_to(&[&url, &second.url()], "limits: {failures: 0%}");
        config.timeouts = vec!["read: 400ms".to_owned(), "connect: 400ms".to_owned()];
        let edge = Edge::start(&config).await;
        let client = edge.client(Protocol::Http2).await;
        // Connections to it are kept, so that its end is met on one of them.
        assert_whole(&within("an answer", client.get("/a?before")).await.unwrap(), 1000, "before");
        if kill {
            first.kill();
        } else {
            first.stop();
        }
        for number in 0..3 {
            let answer = within("an answer", client.get(&format!("/a?{number}"))).await.unwrap();
            assert_whole(&answer, 1000, &format!("killed: {kill}"));
            let deleted = within("an answer", client.request(Request::new("DELETE", "/d"))).await.unwrap();
            assert_eq!(deleted.status, 200, "killed: {kill}");
        }
    }
}

#[tokio::test]
async fn fill_whose_origin_dies_before_the_body_fails_over() {
    let (first, second) = pair().await;
    first.on("/a", Script::cacheable(1000).then(Step::Reset));
    second.on("/a", Script::cacheable(1000));
    let edge = edge_to(&[&first.url(), &second.url()], "").await;
    for protocol in Protocol::SECURE {
        let path = format!("/a?{}", protocol.label());
        let answer = within("an answer", edge.client(protocol).await.get(&path)).await.unwrap();
        assert_whole(&answer, 1000, &path);
    }
}

#[tokio::test]
async fn fill_that_breaks_off_late_gets_no_further_attempt() {
    let (first, second) = pair().await;
    first.on("/a", Script::cacheable(1000).before(Step::Pause(200)).then(Step::Reset));
    second.on("/a", Script::cacheable(1000));
    for (deadline, status) in [("100ms", 502), ("9s", 200)] {
        let edge = edge_to(&[&first.url(), &second.url()], &format!("retry: {{deadline: {deadline}}}")).await;
        let asked = second.requests("/a").len();
        let answer = within("an answer", edge.client(Protocol::Http2).await.get("/a")).await.unwrap();
        assert_eq!(answer.status, status, "{deadline}");
        assert_eq!(second.requests("/a").len() - asked, usize::from(status == 200), "{deadline}");
    }
}
