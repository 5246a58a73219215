//! Interim responses (RFC 9110 section 15.2) of an origin while clients wait for a fill.

use std::ops::RangeInclusive;

use tidegate_tests::client::{Interim, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::waiters::waiting;
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
async fn early_hints_reach_all_who_wait_before_the_head_comes() {
    for protocol in ALL {
        let (edge, origin) = edge_and_origin().await;
        let script = Script::cacheable(1000).before(hint("</a>")).before(Step::Gate("more".to_owned()));
        origin.on("/a", script.before(hint("</b>")).before(Step::Gate("head".to_owned())));
        let client = edge.client(protocol).await;
        let ((first, mut first_heard), (second, mut second_heard)) = (listening("/a"), listening("/a"));
        let play = async {
            assert_eq!(next(&mut first_heard, "the first hint").await, "</a>");
            let joining = async {
                assert_eq!(next(&mut second_heard, "the first hint to who joins").await, "</a>");
                origin.gate("more").open();
                for heard in [&mut first_heard, &mut second_heard] {
                    assert_eq!(next(heard, "the second hint").await, "</b>");
                }
                origin.gate("head").open();
            };
            tokio::join!(client.request(second), joining).0
        };
        let (first, second) = within("both", async { tokio::join!(client.request(first), play) }).await;
        for response in [first.unwrap(), second.unwrap()] {
            assert_whole(&response, 1000, "behind hints");
            assert_eq!(response.interim.len(), 2, "{protocol:?}");
        }
        edge.until_fills_end().await;
        let later = within("a hit", client.get("/a")).await.unwrap();
        assert_whole(&later, 1000, "a hit");
        assert_eq!((later.interim.len(), origin.requests("/a").len()), (0, 1), "{protocol:?}");
    }
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

/// Clients of an origin that begins with these words: what each is answered, and how many it hears before. What comes just
/// before a failure may be lost with it.
async fn check(before: Vec<Step>, status: u16, heard: RangeInclusive<usize>) {
    let told: String = format!("{before:?}").chars().take(100).collect();
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml("attempts: 1\nlimits: {failures: 0%}")).await;
    let mut script = Script::cacheable(1000).before(Step::Gate("held".to_owned()));
    script.before.extend(before);
    origin.on("/a", script);
    let waiting = waiting(&edge, vec![Request::get("/a"); 6]).await;
    origin.gate("held").open();
    for answer in waiting {
        let response = within("an answer", answer).await.unwrap();
        let count = response.interim.len();
        assert!(response.status == status && heard.contains(&count), "{} and {count}: {told}", response.status);
    }
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
