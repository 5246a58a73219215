//! WebSocket handshakes and what follows them.

use std::time::Duration;

use tidegate_tests::client::{Protocol, RawConnection, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::ask;

const PLAIN_AND_TLS: [Protocol; 2] = [Protocol::PlainHttp1, Protocol::Http1];

/// A server that switches protocols and then sends back what it gets, until it gets `bye`.
async fn echo_server() -> String {
    let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    format!("http://{address}")
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&read).to_lowercase();
    for expected in ["upgrade: websocket", "connection: upgrade", "sec-websocket-key: dghlihnhbxbszsbub25jzq=="] {
        if !head.contains(expected) {
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    }
    stream
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
              sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .await?;
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 || &bytes[..count] == b"bye" {
            return Ok(());
        }
        stream.write_all(&bytes[..count]).await?;
    }
}

fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

fn chat(config: EdgeConfig) -> EdgeConfig {
    chat_with(config, "")
}

/// With further fields of the route.
fn chat_with(config: EdgeConfig, more: &str) -> EdgeConfig {
    let route = "name: chat, path: /chat, websocket: true, origin_pool: origins, cache_policy: tested";
    config.routes_yaml(&format!("- {{{route}{more}}}"))
}

/// An open WebSocket over which bytes have gone both ways.
async fn open(edge: &Edge, protocol: Protocol) -> RawConnection {
    let mut raw = edge.raw(protocol).await;
    raw.send(handshake("/chat").as_bytes()).await.unwrap();
    assert_eq!(within("the switch", raw.interim()).await.unwrap(), 101, "{protocol:?}");
    raw.send(b"\x81\x05hello").await.unwrap();
    expect(&mut raw, b"\x81\x05hello").await;
    raw
}

async fn expect(raw: &mut RawConnection, bytes: &[u8]) {
    let read = within("bytes back", raw.read_exactly(bytes.len())).await.unwrap();
    assert_eq!(&read[..], bytes);
}

#[tokio::test]
async fn bytes_go_both_ways_once_the_origin_has_switched_protocols() {
    let edge = Edge::start(&chat(EdgeConfig::to_url(&echo_server().await))).await;
    for protocol in PLAIN_AND_TLS {
        let mut raw = edge.raw(protocol).await;
        raw.send(handshake("/chat").as_bytes()).await.unwrap();
        assert_eq!(within("the switch", raw.interim()).await.unwrap(), 101, "{protocol:?}");
        for message in [&b"\x81\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 3000]] {
            raw.send(message).await.unwrap();
            expect(&mut raw, message).await;
        }
        raw.send(b"bye").await.unwrap();
        within("the end", raw.closed()).await.unwrap();
    }
    let entries = edge.access_log(2, |entry| entry["path"] == "/chat").await;
    for entry in entries {
        assert_eq!((entry["status"].as_u64(), entry["route"].as_str()), (Some(101), Some("chat")), "{entry}");
    }
}

#[tokio::test]
async fn handshake_that_is_refused_ends_the_connection_whatever_follows_it() {
    let origin = Origin::start().await;
    origin.on("/chat", Script::status(200).text("no socket here"));
    let edge = Edge::start(&chat(EdgeConfig::to(&origin))).await;
    for protocol in PLAIN_AND_TLS {
        let mut raw = edge.raw(protocol).await;
        let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        raw.send(format!("{}{smuggled}", handshake("/chat")).as_bytes()).await.unwrap();
        let answer = within("an answer", raw.response("GET")).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "no socket here"), "{protocol:?}");
        let rest = within("the end", raw.closed()).await.unwrap_or_default();
        assert!(rest.is_empty(), "{protocol:?} {rest:?}");
    }
    assert!(origin.requests("/smuggled").is_empty());
}

#[tokio::test]
async fn other_routes_and_malformed_handshakes_are_refused_and_other_upgrades_ignored() {
    let origin = Origin::start().await;
    for path in ["/", "/chat"] {
        origin.on(path, Script::status(200).text("plain"));
    }
    let edge = Edge::start(&chat(EdgeConfig::to(&origin))).await;
    for protocol in PLAIN_AND_TLS {
        let check = async |request: String, status: u16| {
            let mut raw = edge.raw(protocol).await;
            raw.send(request.as_bytes()).await.unwrap();
            let answer = within("an answer", raw.response("GET")).await.unwrap();
            assert_eq!(answer.status, status, "{protocol:?} {request}");
        };
        check(handshake("/"), 400).await;
        check(handshake("/chat").replace("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400).await;
        check(handshake("/chat").replace("keep-alive, Upgrade", "keep-alive"), 400).await;
        check(handshake("/chat").replace("upgrade: websocket", "upgrade: h2c"), 200).await;
        check(handshake("/").replace("upgrade: websocket", "upgrade: h2c"), 200).await;
    }
    let upgrades = |path: &str| origin.requests(path).iter().filter(|it| it.field("upgrade").is_some()).count();
    assert_eq!((upgrades("/"), upgrades("/chat")), (0, 0), "nothing of it goes further");
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let request = Request::get("/chat").field("sec-websocket-version", "13");
        assert_eq!(ask(&edge, protocol, request).await.status, 200, "{protocol:?} has no Upgrade");
    }
}

#[tokio::test]
async fn socket_that_is_silent_for_too_long_is_closed_and_a_busy_one_is_not() {
    let config = chat_with(EdgeConfig::to_url(&echo_server().await), ", timeouts: {read: 2s}");
    let edge = Edge::start(&config).await;
    for protocol in PLAIN_AND_TLS {
        let mut raw = open(&edge, protocol).await;
        // Together more than what is allowed, each far below it.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(600)).await;
            raw.send(b"\x89\x00").await.unwrap();
            expect(&mut raw, b"\x89\x00").await;
        }
        let rest = within("the end of the silence", raw.closed()).await.unwrap_or_default();
        assert!(rest.is_empty(), "{protocol:?} {rest:?}");
    }
    edge.access_log(2, |entry| entry["path"] == "/chat" && entry["status"] == 101).await;
}

#[tokio::test]
async fn node_that_stops_lets_open_sockets_go_on_and_ends_them_when_its_grace_is_over() {
    let config = chat(EdgeConfig::to_url(&echo_server().await)).node_yaml("grace: 2s");
    let mut edge = Edge::start(&config).await;
    let mut sockets = [open(&edge, Protocol::PlainHttp1).await, open(&edge, Protocol::Http1).await];
    edge.sigterm();
    edge.stderr_with("\"to\":\"stopping\"").await;
    for raw in &mut sockets {
        raw.send(b"still here").await.unwrap();
        expect(raw, b"still here").await;
    }
    for raw in &mut sockets {
        let rest = within("the end of the grace", raw.closed()).await.unwrap_or_default();
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert!(edge.wait_exit(Duration::from_secs(20)).await.success());
}
