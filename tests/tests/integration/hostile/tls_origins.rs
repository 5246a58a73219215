//! Origins whose TLS lies: 502 or 504 in the client's form, bodies that visibly end before their time, nothing stored.

use tidegate_tests::client::{Client, End, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::within;

use super::origins::Expected::{self, Body, Cut, Refused};
use super::origins::{GOOD_BODY, ask, assert_tells_of_an_error};
use super::tls_liar::{Ending, HONEST, NAME, Shown, Talk, TlsLiar};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\ngood";
const UNTIL_THE_END: &[u8] = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nlies";
const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nCache-Control: max-age=60\r\n\r\ngood";
const CHUNKS: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n4\r\ngood\r\n";

async fn edge_to(liar: &TlsLiar) -> Edge {
    let mut config = EdgeConfig::to_url("https://replaced");
    let tls = format!("tls: {{server_name: {NAME}, ca_file: \"{}\"}}", liar.authority().display());
    config.origins = vec![OriginEntry::new("eu", &format!("https://{}", liar.address)).yaml(&tls)];
    // So many lies would open the circuit.
    config.pool =
        vec!["attempts: 1".to_owned(), "limits: {failures: 0%}".to_owned(), "health: {probe: off}".to_owned()];
    config.timeouts = vec!["connect: 1s".to_owned(), "read: 1s".to_owned()];
    Edge::start(&config).await
}

/// Asks twice in each way; then the origin is honest, and what it lied about is asked for again.
async fn check(edge: &Edge, liar: &TlsLiar, number: usize, talk: Talk, expected: Expected) {
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for method in ["GET", "POST"] {
            let what = format!("{talk:?}: {method} over {protocol:?}");
            let target = format!("/{number}?{}{method}", protocol.label());
            liar.talk(talk);
            for _ in 0..2 {
                let before = liar.accepted();
                ask(&client, method, &target, expected, &what).await;
                assert!(liar.accepted() > before, "{what}: answered from the cache");
            }
            liar.talk(HONEST);
            assert_is_good(&client, method, &target, &what).await;
        }
    }
}

async fn assert_is_good(client: &Client, method: &str, target: &str, what: &str) {
    let good = within("an honest answer", client.request(Request::new(method, target))).await.unwrap();
    assert_eq!((good.status, good.text().as_str(), &good.end), (200, GOOD_BODY, &End::Clean), "after {what}");
}

#[tokio::test]
async fn connections_that_cannot_be_trusted_carry_no_request() {
    let liar = TlsLiar::start().await;
    let edge = edge_to(&liar).await;
    let shown = |shown| Talk::Tls(shown, GOOD, Ending::Notified);
    for (number, (talk, expected)) in [
        (shown(Shown::Expired), Refused),
        (shown(Shown::NotYetValid), Refused),
        (shown(Shown::WrongName), Refused),
        (shown(Shown::UnknownAuthority), Refused),
        (shown(Shown::SelfSigned), Refused),
        (Talk::Plain(GOOD), Refused),
        // Alerts: handshake failure, and internal error.
        (Talk::Plain(b"\x15\x03\x03\x00\x02\x02\x28"), Refused),
        (Talk::Plain(b"\x15\x03\x03\x00\x02\x02\x50"), Refused),
        (Talk::Plain(b""), Refused),
        (Talk::HalfAHandshake, Refused),
    ]
    .into_iter()
    .enumerate()
    {
        check(&edge, &liar, number, talk, expected).await;
    }
}

#[tokio::test]
async fn handshakes_that_never_end_are_a_504() {
    let liar = TlsLiar::start().await;
    let edge = edge_to(&liar).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        liar.talk(Talk::Silence);
        let client = edge.client(protocol).await;
        let target = format!("/{}", protocol.label());
        let request = Request::get(&target).field("accept", "application/json");
        let answer = within("an answer", client.request(request)).await.unwrap();
        assert_eq!(answer.status, 504, "{protocol:?}: {}", answer.text());
        assert_tells_of_an_error(&answer, protocol.label());
        liar.talk(HONEST);
        assert_is_good(&client, "GET", &target, protocol.label()).await;
    }
}

#[tokio::test]
async fn bodies_end_where_tls_says_so() {
    let liar = TlsLiar::start().await;
    let edge = edge_to(&liar).await;
    let talk = |answer, ending| Talk::Tls(Shown::Right, answer, ending);
    for (number, (talk, expected)) in [
        (talk(SHORT, Ending::Notified), Cut),
        (talk(SHORT, Ending::Truncated), Cut),
        (talk(SHORT, Ending::Garbled), Cut),
        (talk(CHUNKS, Ending::Notified), Cut),
        (talk(CHUNKS, Ending::Truncated), Cut),
        (talk(CHUNKS, Ending::Garbled), Cut),
        // Nothing but TLS tells where such a body ends (RFC 9112 section 9.8), and it is never stored.
        (talk(UNTIL_THE_END, Ending::Notified), Body("lies")),
        (talk(UNTIL_THE_END, Ending::Truncated), Cut),
        (talk(UNTIL_THE_END, Ending::Garbled), Cut),
        (talk(b"HTTP/1.1 200 OK\r\nContent-Le", Ending::Truncated), Refused),
        (talk(b"", Ending::Notified), Refused),
        (talk(b"", Ending::Garbled), Refused),
    ]
    .into_iter()
    .enumerate()
    {
        check(&edge, &liar, number, talk, expected).await;
    }
}
