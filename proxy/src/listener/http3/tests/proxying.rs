//! The same session behind Pingora's own proxy, with an HTTP/1.1 origin that writes and reads bytes itself: what the
//! proxy asks of a session shows only here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use h3::error::{Code, StreamError};
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::clients::{Client, frame, receive, request, section};
use super::harness::{Listening, listen_for, within};
use super::malformed::Raw;

/// Forwards everything to one origin.
struct Forward {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        session.set_proxy_tasks_enabled(true);
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

/// What the origin saw of a request: its head, the length of its body, or that the connection broke off.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Request { head: String, body: usize },
    Left,
}

/// Answers by path, one request a connection, and tells what it saw.
async fn origin(listener: TcpListener, seen: mpsc::UnboundedSender<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move { answer(BufReader::new(socket), &seen).await.ok() });
    }
}

async fn answer(mut socket: BufReader<TcpStream>, seen: &mpsc::UnboundedSender<Seen>) -> std::io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = read_body(&mut socket, &head).await?;
    let path = head.split(' ').nth(1).unwrap().to_owned();
    seen.send(Seen::Request { head, body }).ok();
    match path.as_str() {
        "/truncated" => socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await,
        "/truncated-chunks" => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n").await
        }
        "/never" => {
            let left = socket.read(&mut [0; 16]).await;
            assert!(!matches!(left, Ok(1..)), "nothing follows the request");
            seen.send(Seen::Left).ok();
            Ok(())
        }
        "/chunks" => {
            let chunks = b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n";
            socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            socket.write_all(chunks).await
        }
        _ => {
            let body = "x".repeat(300_000);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(body.as_bytes()).await
        }
    }
}

/// Reads a body framed either way and returns its length.
async fn read_body(socket: &mut BufReader<TcpStream>, head: &str) -> std::io::Result<usize> {
    let head = head.to_ascii_lowercase();
    if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let mut body = vec![0; length.parse().unwrap()];
        return socket.read_exact(&mut body).await;
    }
    let mut total = 0;
    while head.contains("transfer-encoding: chunked") {
        let mut line = String::new();
        socket.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        socket.read_exact(&mut vec![0; size + 2]).await?;
        if size == 0 {
            break;
        }
        total += size;
    }
    Ok(total)
}

/// A proxy before an origin of its own, and what that origin saw.
async fn proxying() -> (Listening<HttpProxy<Forward>>, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let forward = Forward { origin: listener.local_addr().unwrap() };
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(origin(listener, tell));
    (listen_for(http_proxy(&Arc::new(ServerConf::default()), forward), ""), seen)
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    within("the origin", seen.recv()).await.unwrap()
}

#[tokio::test]
async fn requests_without_body_reach_the_origin_without_one() {
    let (listening, mut seen) = proxying().await;
    let client = Client::connect(&listening).await;
    for (method, target) in [("GET", "/x?y=z"), ("DELETE", "/x"), ("OPTIONS", "/x")] {
        let mut exchange = client.send(request(method, target), &[]).await.unwrap();
        let answer = within(target, receive(&mut exchange)).await.unwrap();
        assert_eq!((answer.head.status().as_u16(), answer.body.len()), (200, 300_000), "{method}");
        let Seen::Request { head, body } = next(&mut seen).await else { panic!("{method}: the origin saw nothing") };
        let expected = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert_eq!((head.to_ascii_lowercase(), body), (expected.to_ascii_lowercase(), 0));
    }
}

#[tokio::test]
async fn options_asterisk_reaches_the_origin() {
    let (listening, mut seen) = proxying().await;
    let mut raw = Raw::open(&listening).await;
    let fields = [(":method", "OPTIONS"), (":scheme", "https"), (":authority", "localhost"), (":path", "*")];
    raw.send(&frame(1, &section(&fields))).await;
    raw.finish_and_receive().await.ok();
    let Seen::Request { head, .. } = next(&mut seen).await else { panic!("the origin saw nothing") };
    assert!(head.starts_with("OPTIONS * HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn bodies_reach_the_origin_with_and_without_a_length() {
    let (listening, mut seen) = proxying().await;
    let client = Client::connect(&listening).await;
    let body = vec![Bytes::from(vec![7; 50_000]); 20];
    for announced in [true, false] {
        let mut sent = request("POST", "/x");
        if announced {
            sent.headers_mut().insert("content-length", 1_000_000.into());
        }
        let mut exchange = client.send(sent, &body).await.unwrap();
        within("the answer", receive(&mut exchange)).await.unwrap();
        let Seen::Request { body, .. } = next(&mut seen).await else { panic!("the origin saw nothing") };
        assert_eq!(body, 1_000_000);
    }
}

#[tokio::test]
async fn a_chunked_response_ends_well_and_a_truncated_one_does_not() {
    let (listening, _seen) = proxying().await;
    let client = Client::connect(&listening).await;
    assert_eq!(client.get("/chunks").await.unwrap().body, b"firstsecond");
    for path in ["/truncated", "/truncated-chunks"] {
        let error = client.get(path).await.unwrap_err();
        assert!(matches!(error, StreamError::RemoteTerminate { .. }), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_origin() {
    let (listening, mut seen) = proxying().await;
    let client = Client::connect(&listening).await;
    let mut exchange = client.send(request("GET", "/never"), &[]).await.unwrap();
    assert!(matches!(next(&mut seen).await, Seen::Request { .. }));
    exchange.stop_sending(Code::H3_REQUEST_CANCELLED);
    assert_eq!(next(&mut seen).await, Seen::Left);
}

#[tokio::test]
async fn connect_is_answered_by_the_proxy() {
    let (listening, _seen) = proxying().await;
    let mut raw = Raw::open(&listening).await;
    raw.send(&frame(1, &section(&[(":method", "CONNECT"), (":authority", "localhost:443")]))).await;
    let answer = raw.finish_and_receive().await.unwrap();
    // The proxy's 405, whose status is Huffman coded; what counts is that there is an answer.
    assert_eq!(answer.first(), Some(&0x01), "{answer:?}");
}
