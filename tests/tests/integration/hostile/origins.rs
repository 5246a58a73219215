//! Origins that lie: what clients get instead, that nothing of it is stored, and that no answer is taken for another.

use tidegate_tests::client::{Client, End, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::within;

use super::liar::{Liar, Then};

/// What clients get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// 502.
    Refused,
    /// 502, or a body that visibly ends before its time.
    Cut,
    /// This body with status 200, and the next answer is not mixed up with it.
    Body(&'static str),
    /// As much as was promised, or a cut; in no case is it stored.
    Promised(&'static str),
    /// 502 or 504: the origin talks and never answers.
    Failed,
}
use Expected::{Body, Cut, Failed, Promised, Refused};

/// What an honest answer says.
pub(super) const GOOD_BODY: &str = "good";
const OK: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: no-store\r\n\r\ngood";

async fn edge_to(liar: &Liar) -> Edge {
    let mut config = EdgeConfig::to_url(&liar.url());
    // So many lies would open the circuit.
    config.pool = vec!["attempts: 1".to_owned(), "limits: {failures: 0%}".to_owned()];
    config.timeouts = vec!["read: 2s".to_owned()];
    Edge::start(&config).await
}

/// Asks twice in each way, through the cache and past it, and then for something else on what may be the same
/// connection to the origin.
async fn check(edge: &Edge, liar: &Liar, path: &str, then: &Then, expected: Expected) {
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for method in ["GET", "POST"] {
            let what = format!("{method} {path} over {protocol:?}");
            let target = format!("{path}?{}{method}", protocol.label());
            for _ in 0..2 {
                let before = liar.asked(path);
                ask(&client, method, &target, expected, &what).await;
                // What could be believed may be stored.
                let asked = liar.asked(path) > before;
                assert!(asked || (method == "GET" && matches!(expected, Body(_))), "{what}: answered from the cache");
                // Until it is noticed, nobody could tell that it answers no request.
                if asked && matches!(then, Then::Later(_)) {
                    liar.followed().await;
                }
                let good = within("an honest answer", client.get("/good")).await.unwrap();
                assert_eq!((good.status, good.text().as_str()), (200, "good"), "after {what}");
            }
        }
    }
}

pub(super) async fn ask(client: &Client, method: &str, target: &str, expected: Expected, what: &str) {
    let body = if method == "POST" { "x" } else { "" };
    let accept = if method == "POST" { "application/json" } else { "text/html" };
    let request = Request::new(method, target).field("accept", accept).body(body);
    let answer = match within(what, client.request(request)).await {
        Ok(answer) => answer,
        // Over HTTP/2 and HTTP/3 a response may break before its head was seen.
        Err(error) if matches!(expected, Cut | Promised(_)) => return drop(error),
        Err(error) => panic!("{what}: {error:#}"),
    };
    match expected {
        Refused => {
            assert_eq!(answer.status, 502, "{what}");
            assert_tells_of_an_error(&answer, what);
        }
        Cut => {
            let visible = answer.status == 502 || answer.end != End::Clean;
            assert!(visible, "{what}: {} with {:?} looks whole", answer.status, answer.text());
        }
        Promised(text) => {
            let visible = answer.status == 502 || answer.end != End::Clean;
            assert!(visible || answer.text() == text, "{what}: {} with {:?} looks whole", answer.status, answer.text());
        }
        Failed => {
            assert!(matches!(answer.status, 502 | 504), "{what}: {}", answer.status);
            assert_tells_of_an_error(&answer, what);
        }
        Body(text) => {
            assert_eq!((answer.status, answer.text().as_str(), &answer.end), (200, text, &End::Clean), "{what}");
        }
    }
}

/// A whole page or JSON of ours with the request's id, which no cache may store.
pub(super) fn assert_tells_of_an_error(answer: &Response, what: &str) {
    let id = answer.field("x-request-id").unwrap_or_else(|| panic!("{what}: no request id"));
    let text = answer.text();
    assert_eq!((&answer.end, answer.field("cache-control")), (&End::Clean, Some("no-store")), "{what}");
    match answer.field("content-type") {
        Some("application/json") => {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["status"], &json["request_id"]), (&answer.status.into(), &id.into()), "{what}");
        }
        Some("text/html; charset=utf-8") => {
            assert!(text.contains(id) && text.contains(&answer.status.to_string()), "{what}: {text}");
        }
        other => panic!("{what}: neither a page nor JSON: {other:?}"),
    }
}

async fn check_all(rows: &[(&str, String, Then, Expected)]) {
    let liar = Liar::start().await;
    liar.on("/good", GOOD, Then::Keep);
    let edge = edge_to(&liar).await;
    for (number, (name, answer, then, expected)) in rows.iter().enumerate() {
        let path = format!("/{number}-{}", name.replace(' ', "-"));
        liar.on(&path, answer.as_bytes(), then.clone());
        check(&edge, &liar, &path, then, *expected).await;
        if *expected != Cut && !matches!(expected, Body(_)) {
            let failed = |entry: &serde_json::Value| {
                entry["path"].as_str().is_some_and(|it| it.starts_with(&path)) && entry["error"].is_string()
            };
            edge.access_log(6, failed).await;
        }
    }
}

fn row(name: &str, answer: impl Into<String>, then: Then, expected: Expected) -> (&str, String, Then, Expected) {
    (name, answer.into(), then, expected)
}

#[tokio::test]
async fn bodies_that_are_not_what_their_head_says() {
    check_all(&[
        row("short", format!("{OK}Content-Length: 100\r\n\r\nabc"), Then::Close, Cut),
        row("nothing", format!("{OK}Content-Length: 100\r\n\r\n"), Then::Close, Cut),
        row("chunks without an end", format!("{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), Then::Close, Cut),
        row("chunk cut off", format!("{OK}Transfer-Encoding: chunked\r\n\r\n9\r\nabc"), Then::Close, Cut),
        row("chunk size that is none", format!("{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"), Then::Keep, Cut),
        row("chunk size that overflows", format!("{OK}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na"), Then::Keep, Cut),
        row("negative chunk size", format!("{OK}Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n"), Then::Keep, Cut),
        row("chunk too long", format!("{OK}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"), Then::Keep, Cut),
        row("bare line feeds in chunks", format!("{OK}Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n"), Then::Keep, Cut),
        row("chunk extension without end", format!("{OK}Transfer-Encoding: chunked\r\n\r\n1;"), Then::Repeat("x"), Cut),
        row("trailers without end", format!("{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n"), Then::Repeat("A: b\r\n"), Cut),
        row("longer than its length", format!("{OK}Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"), Then::Keep, Body("ok")),
        row("longer after a while", format!("{OK}Content-Length: 2\r\n\r\nok"), Then::Later("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"), Body("ok")),
        row("more behind the last chunk", format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"), Then::Keep, Body("ok")),
        row("length and chunks", format!("{OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), Then::Keep, Body("ok")),
    ])
    .await;
}

#[tokio::test]
async fn heads_that_no_response_can_have() {
    check_all(&[
        row("two lengths", format!("{OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), Then::Close, Refused),
        row("two equal lengths", format!("{OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"), Then::Close, Refused),
        row("a list of lengths", format!("{OK}Content-Length: 2, 3\r\n\r\nabc"), Then::Close, Refused),
        row("a signed length", format!("{OK}Content-Length: +2\r\n\r\nok"), Then::Close, Refused),
        row(
            "a length that overflows",
            format!("{OK}Content-Length: 99999999999999999999\r\n\r\nok"),
            Then::Close,
            Refused,
        ),
        row(
            "unknown coding",
            format!("{OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            Then::Close,
            Refused,
        ),
        row(
            "chunked not last",
            format!("{OK}Transfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            Then::Close,
            Refused,
        ),
        row("nothing at all", "", Then::Close, Refused),
        row("garbage", "SSH-2.0-OpenSSH_9.6\r\n", Then::Keep, Refused),
        row("HTTP of before", "<html>hello</html>\r\n", Then::Close, Refused),
        row("wrong version", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close, Refused),
        row("no status", "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close, Refused),
        row("status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close, Refused),
        row("status beyond all", "HTTP/1.1 700 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close, Refused),
        row("head that breaks off", "HTTP/1.1 200 OK\r\nContent-Le", Then::Close, Refused),
        row("null in a value", format!("{OK}A: b\0c\r\nContent-Length: 2\r\n\r\nok"), Then::Close, Refused),
        row("control byte in a value", format!("{OK}A: b\x01c\r\nContent-Length: 2\r\n\r\nok"), Then::Close, Refused),
        row("null in a name", format!("{OK}A\0: b\r\nContent-Length: 2\r\n\r\nok"), Then::Close, Refused),
        row("field without a name", format!("{OK}: b\r\nContent-Length: 2\r\n\r\nok"), Then::Close, Refused),
        row(
            "large field",
            format!("{OK}A: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(100_000)),
            Then::Close,
            Refused,
        ),
        row("fields without end", OK, Then::Repeat("A: b\r\n"), Refused),
        row("field without end", format!("{OK}A: "), Then::Repeat("xxxxxxxx"), Refused),
    ])
    .await;
}

#[tokio::test]
async fn answers_to_what_nobody_asked() {
    check_all(&[
        row("304 unasked", "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n", Then::Keep, Refused),
        row("206 unasked", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\n\r\nok", Then::Keep, Refused),
        row("101 unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", Then::Keep, Refused),
        row("interim answers without end", "", Then::Repeat("HTTP/1.1 100 Continue\r\n\r\n"), Refused),
        row("hints without end", "", Then::Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Refused),
        row("hints", format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{OK}Content-Length: 2\r\n\r\nok"), Then::Keep, Body("ok")),
        row("folded field", format!("{OK}A: b\r\n c\r\nContent-Length: 2\r\n\r\nok"), Then::Keep, Body("ok")),
        row("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Then::Keep, Body("ok")),
    ])
    .await;
}

#[tokio::test]
async fn bodies_of_answers_that_have_none_are_not_taken_for_the_next_answer() {
    let liar = Liar::start().await;
    liar.on("/good", GOOD, Then::Keep);
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    liar.on("/204", format!("HTTP/1.1 204 No Content\r\nContent-Length: 47\r\n\r\n{poison}").as_bytes(), Then::Keep);
    liar.on("/304", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 47\r\n\r\n{poison}").as_bytes(), Then::Keep);
    let edge = edge_to(&liar).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for request in [
            Request::get("/204"),
            Request::new("POST", "/204").body("x"),
            Request::new("POST", "/304").body("x").field("if-none-match", "\"a\""),
        ] {
            let what = format!("{} {} over {protocol:?}", request.method, request.target);
            for _ in 0..2 {
                let before = liar.asked(&request.target);
                let answer = within(&what, client.request(request.clone())).await.unwrap();
                assert!(matches!(answer.status, 204 | 304) && answer.body.is_empty(), "{what} {}", answer.status);
                assert!(liar.asked(&request.target) > before, "{what}: answered from the cache");
                let good = within("an honest answer", client.get("/good")).await.unwrap();
                assert_eq!((good.status, good.text().as_str()), (200, "good"), "after {what}");
            }
        }
    }
}

#[tokio::test]
async fn revalidation_answered_with_a_body_keeps_what_was_stored() {
    let liar = Liar::start().await;
    liar.on("/good", GOOD, Then::Keep);
    let edge = edge_to(&liar).await;
    let stored = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: no-cache\r\nETag: \"a\"\r\n\r\nstored";
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (number, head) in ["Content-Length: 47\r\n", "Transfer-Encoding: chunked\r\n", ""].into_iter().enumerate() {
        for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
            let what = format!("{head:?} over {protocol:?}");
            let client = edge.client(protocol).await;
            let path = format!("/{number}-{}", protocol.label());
            for (answer, then) in [
                (stored.to_vec(), Then::Keep),
                (format!("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n{head}\r\n{poison}").into(), Then::Keep),
                (format!("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n{head}\r\n{poison}").into(), Then::Close),
            ] {
                liar.on(&path, &answer, then);
                let answer = within(&what, client.get(&path)).await.unwrap();
                assert_eq!(
                    (answer.status, answer.text().as_str(), &answer.end),
                    (200, "stored", &End::Clean),
                    "{what}"
                );
                let good = within("an honest answer", client.get("/good")).await.unwrap();
                assert_eq!((good.status, good.text().as_str()), (200, "good"), "after {what}");
            }
            assert_eq!(liar.asked(&path), 3, "{what}");
        }
    }
}

#[tokio::test]
async fn early_hints_of_an_origin_reach_only_who_waits_for_that_origin() {
    let liar = Liar::start().await;
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{OK}Content-Length: 2\r\n\r\nok");
    liar.on("/a", hints.as_bytes(), Then::Keep);
    let edge = edge_to(&liar).await;
    // What is fetched has them, and what is passed on; what comes from store has none.
    for (method, expected) in [("GET", vec![103, 200]), ("GET", vec![200]), ("POST", vec![103, 200])] {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        let text = format!("{method} /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        raw.send(text.as_bytes()).await.unwrap();
        let answer = within("an answer", raw.closed()).await.unwrap();
        assert_eq!(super::statuses(&answer), expected, "{method}: {}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn parts_that_were_not_asked_for_are_refused() {
    let liar = Liar::start().await;
    let edge = edge_to(&liar).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for (number, (range, length)) in [
            ("bytes 5-9/100", 5),
            ("bytes 0-10/100", 11),
            ("bytes 0-9/5", 10),
            ("bytes 0-8/100", 10),
            ("bytes 9-0/100", 10),
            ("nonsense", 10),
        ]
        .into_iter()
        .enumerate()
        {
            let path = format!("/{number}");
            let fields = format!("Content-Length: {length}\r\nCache-Control: public, max-age=60");
            let body = &"0123456789x"[..length];
            let answer = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: {range}\r\n{fields}\r\n\r\n{body}");
            liar.on(&path, answer.as_bytes(), Then::Keep);
            for authorised in [true, false, true] {
                let what = format!("{range} over {protocol:?}");
                let before = liar.asked(&path);
                let mut request = Request::get(&path).field("range", "bytes=0-9").field("accept", "application/json");
                if authorised {
                    request = request.field("authorization", "Basic eA==");
                }
                let answer = within(&what, client.request(request)).await.unwrap();
                assert_eq!(answer.status, 502, "{what}: {}", answer.text());
                assert_tells_of_an_error(&answer, &what);
                assert!(liar.asked(&path) > before, "{what}: answered from the cache");
            }
        }
    }
}

#[tokio::test]
async fn origin_with_another_name_in_its_certificate_is_a_502() {
    let liar = Liar::start().await;
    liar.on("/good", GOOD, Then::Keep);
    let inner = Edge::start(&EdgeConfig::to_url(&liar.url())).await;
    let place = inner.place();
    let authority = inner.authority_file().display();
    // Past the handshake, the inner edge takes a node of its own name for a loop.
    for (name, status) in [(HOST, 508), ("other.test", 502)] {
        let mut config = EdgeConfig::to_url(&format!("https://{}:{}", place.address, place.https));
        config.origins[0].lines = vec![format!("tls: {{server_name: {name}, ca_file: \"{authority}\"}}")];
        let edge = Edge::start(&config).await;
        let answer = within("an answer", edge.client(Protocol::Http2).await.get("/good")).await.unwrap();
        assert_eq!(answer.status, status, "{name}");
    }
}
