//! Interim responses (RFC 9110 section 15.2) of an origin while clients wait for a fill.

use std::ops::RangeInclusive;

use tidegate_tests::client::{Interim, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::waiters::{waiters, waiting};
use super::{ALL, edge_and_origin};
use crate::assert_whole;

fn hint(link: &str) -> Step {
    Step::Raw(format!("HTTP/1.1 103 Early Hints\r\nlink: {link}\r\n\r\n"))
}

/// A request, and what it is told as it comes.
fn listening(path: &str) -> (Request, UnboundedReceiver<Interim>) {
    let (hints, heard) = unbounded_channel();
    (Request::get(path).hints(hints), heard)
}

/// The link of the next interim response.
async fn next(heard: &mut UnboundedReceiver<Interim>, what: &str) -> String {
    let interim = within(what, heard.recv()).await.unwrap_or_else(|| panic!("{what} never came"));
    assert_eq!(interim.status, 103);
    interim.field("link").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn early_hints_reach_the_client_whose_request_was_sent_before_the_head_comes() {
    for protocol in ALL {
        let (edge, origin) = edge_and_origin().await;
        let script = Script::cacheable(1000).before(hint("</a>")).before(Step::Gate("more".to_owned()));
        origin.on("/a", script.before(hint("</b>")).before(Step::Gate("head".to_owned())));
        let client = edge.client(protocol).await;
        let (first, mut heard) = listening("/a");
        let play = async {
            assert_eq!(next(&mut heard, "the first hint").await, "</a>");
            let joining = async {
                waiters(&edge, 2).await;
                origin.gate("more").open();
                assert_eq!(next(&mut heard, "the second hint").await, "</b>");
                origin.gate("head").open();
            };
            tokio::join!(client.get("/a"), joining).0
        };
        let (first, second) = within("both", async { tokio::join!(client.request(first), play) }).await;
        for (response, hints) in [(first.unwrap(), 2), (second.unwrap(), 0)] {
            assert_whole(&response, 1000, "behind hints");
            assert_eq!(response.interim.len(), hints, "{protocol:?}");
        }
        edge.until_fills_end().await;
        let later = within("a hit", client.get("/a")).await.unwrap();
        assert_whole(&later, 1000, "a hit");
        assert_eq!((later.interim.len(), origin.requests("/a").len()), (0, 1), "{protocol:?}");
    }
}

/// Two clients at one URL, of which the first asks first; each must hear its own and nothing of the other.
async fn check_apart(paths: [&str; 2], field: &str, last: Script) {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/s", Script::cacheable(10).field("no-vary-search", "params=(\"user\")"));
    within("a rule", edge.client(Protocol::Http2).await.get("/s?v=0")).await.unwrap();
    let path = paths[0].split('?').next().unwrap();
    let told = |user: &str| last.clone().before(hint(&format!("</u/{user}.js?sig={user}>")));
    origin.on(path, told("alice").before(Step::Gate("alice".to_owned())));
    let ask = |number: usize| Request::get(paths[number]).field(field, ["alice", "bob"][number]);
    let (hints, mut heard) = unbounded_channel();
    let first = edge.client(Protocol::Http2).await;
    let (ask, other) = (ask(0).hints(hints), ask(1));
    let first = tokio::spawn(async move { first.request(ask).await.unwrap() });
    assert_eq!(next(&mut heard, "the hint to the first").await, "</u/alice.js?sig=alice>");
    let second = edge.client(Protocol::Http2).await;
    let second = tokio::spawn(async move { second.request(other).await.unwrap() });
    waiters(&edge, 2).await;
    origin.on(path, told("bob"));
    origin.gate("alice").open();
    for (answer, user) in [(first, "alice"), (second, "bob")] {
        let response = within("an answer", answer).await.unwrap();
        let links: Vec<_> = response.interim.iter().map(|interim| interim.field("link").unwrap().to_owned()).collect();
        assert_eq!((response.status, links), (200, vec![format!("</u/{user}.js?sig={user}>")]), "{paths:?} {field}");
    }
}

#[tokio::test]
async fn who_joins_hears_nothing_of_what_an_origin_tells_another_client() {
    let private = || Script::status(200).pattern(0, 10).field("cache-control", "private");
    for field in ["x-api-key", "authorization", "cookie"] {
        check_apart(["/me", "/me"], field, private()).await;
    }
    check_apart(["/s?v=1&user=alice", "/s?v=1&user=bob"], "x-unused", Script::cacheable(10)).await;
}

#[tokio::test]
async fn client_that_leaves_at_a_hint_or_at_the_head_is_logged_as_gone() {
    let held_back = || Script::cacheable(1000).before(Step::Gate("left".to_owned()));
    check_leaving(held_back().before(hint("</a>")).before(hint("</b>"))).await;
    check_leaving(held_back()).await;
}

async fn check_leaving(script: Script) {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", script);
    let mut socket = TcpStream::connect(edge.target(Protocol::PlainHttp1).address).await.unwrap();
    socket.set_zero_linger().unwrap();
    let head = format!("GET /a HTTP/1.1\r\nhost: {}\r\n\r\n", tidegate_tests::edge::HOST);
    socket.write_all(head.as_bytes()).await.unwrap();
    origin.arrived("/a", 1).await;
    drop(socket); // with a reset
    origin.gate("left").open();
    let entries = edge.access_log(1, |entry| entry["path"] == "/a").await;
    assert_eq!((entries[0]["status"].as_u64(), entries[0]["cache"].as_str()), (Some(499), Some("miss")));
    assert!(edge.metric("tidegate_requests_total", &["status=\"5xx\""]).await.abs() < 0.5);
}

#[tokio::test]
async fn client_of_http_1_0_gets_no_interim_response() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/stored", Script::cacheable(5).before(hint("</a>")));
    origin.on("/passed", Script::cacheable(5).before(hint("</a>")));
    for (path, fields) in [("/stored", ""), ("/passed", "cache-control: no-store\r\n")] {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        let head = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n{fields}\r\n", tidegate_tests::edge::HOST);
        raw.send(head.as_bytes()).await.unwrap();
        let head = within("a head", raw.head("GET")).await.unwrap();
        assert_eq!((head.status, head.interim), (200, vec![]), "{path}");
        assert_eq!(origin.requests(path).len(), 1);
    }
}

/// Clients of an origin that begins with these words: what each is answered, and how many the one hears before whose request
/// the origin has. What comes just before a failure may be lost with it.
async fn check(before: Vec<Step>, status: u16, heard: RangeInclusive<usize>) {
    let told: String = format!("{before:?}").chars().take(100).collect();
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml("attempts: 1\nlimits: {failures: 0%}")).await;
    let mut script = Script::cacheable(1000).before(Step::Gate("held".to_owned()));
    script.before.extend(before);
    origin.on("/a", script);
    let waiting = waiting(&edge, vec![Request::get("/a"); 6]).await;
    origin.gate("held").open();
    let mut counts = Vec::new();
    for answer in waiting {
        let response = within("an answer", answer).await.unwrap();
        assert_eq!(response.status, status, "{told}");
        counts.push(response.interim.len());
    }
    assert!(heard.contains(counts.iter().max().unwrap()), "{counts:?}: {told}");
    assert!(counts.iter().filter(|count| **count > 0).count() <= 1, "{counts:?}: {told}");
    assert_eq!(origin.requests("/a").len(), 1, "{told}");
}

#[tokio::test]
async fn origins_that_say_too_much_beforehand_or_die_behind_it_harm_nobody() {
    check(vec![hint("</a>"), Step::Close], 502, 0..=1).await;
    check(vec![hint("</a>"), Step::Reset], 502, 0..=1).await;
    check(vec![hint("</a>"); 1000], 502, 0..=16).await;
    check(vec![hint("</a>"), hint(&format!("<{}>", "a".repeat(64 << 10)))], 502, 0..=1).await;
    // More than is kept for those who wait: they do without.
    check(vec![hint(&format!("<{}>", "a".repeat(20 << 10))), hint("</b>")], 200, 1..=1).await;
}
