//! HTTP/1.1 on a listener.

use std::time::Duration;

use tidegate_config::units::ByteSize;
use tokio::io::AsyncWriteExt;

use super::{HOST, Server, expect_end, get, limits, receive, send, within};
use crate::listener::{PortSharing, bind_tcp, bind_udp};

const SHORT: Duration = Duration::from_millis(100);

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

#[tokio::test]
async fn connection_serves_many_requests() {
    let server = Server::plaintext(limits()).await;
    let mut client = server.connect().await;
    for number in 0..10 {
        let response = get(&mut client, &format!("/{number}")).await;
        assert_eq!(response.body, format!("h1 - - /{number} 0"));
        assert!(!response.closes());
    }
    assert_eq!(server.observed.count("opened h1"), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::plaintext(limits()).await;
    let mut client = server.connect().await;
    let post = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let all = [request("/1"), post.to_owned(), "\r\n".to_owned(), request("/large"), request("/4")].concat();
    // In one piece, and with cuts at awkward places.
    for cut in [all.len(), 3, request("/1").len() + 1, request("/1").len() + post.len() - 2] {
        let (first, second) = all.split_at(cut);
        send(&mut client, first).await;
        tokio::task::yield_now().await;
        send(&mut client, second).await;
        for expected in ["h1 - - /1 0", "h1 - - /2 5"] {
            assert_eq!(receive(&mut client).await.unwrap().body, expected, "cut at {cut}");
        }
        assert_eq!(receive(&mut client).await.unwrap().body.len(), 1 << 20);
        assert_eq!(receive(&mut client).await.unwrap().body, "h1 - - /4 0");
    }
}

#[tokio::test]
async fn request_sent_while_another_is_served_waits_its_turn() {
    let server = Server::plaintext(limits()).await;
    let mut client = server.connect().await;
    send(&mut client, &request("/wait")).await;
    server.entered().await;
    send(&mut client, &request("/next")).await;
    server.release(1);
    assert_eq!(receive(&mut client).await.unwrap().body, "h1 - - /wait 0");
    assert_eq!(receive(&mut client).await.unwrap().body, "h1 - - /next 0");
}

#[tokio::test]
async fn chunked_body_is_read_and_the_connection_goes_on() {
    let server = Server::plaintext(limits()).await;
    let mut client = server.connect().await;
    send(&mut client, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").await;
    send(&mut client, "lo\r\n0\r\n\r\n").await;
    assert_eq!(receive(&mut client).await.unwrap().body, "h1 - - /a 5");
    assert_eq!(get(&mut client, "/b").await.body, "h1 - - /b 0");
}

#[tokio::test]
async fn client_that_closed_its_side_still_gets_the_response() {
    let server = Server::plaintext(limits()).await;
    let mut client = server.connect().await;
    send(&mut client, &request("/wait")).await;
    client.shutdown().await.unwrap();
    server.entered().await;
    server.release(1);
    assert_eq!(receive(&mut client).await.unwrap().body, "h1 - - /wait 0");
    expect_end(&mut client).await;
}

#[tokio::test]
async fn slow_header_section_is_answered_408_and_closed() {
    let mut limits = limits();
    limits.header_timeout = SHORT;
    let server = Server::plaintext(limits).await;
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nHo").await;
    assert_eq!(receive(&mut client).await.unwrap().status(), "408");
    assert_eq!(server.observed.count("h1 408"), 1);
    expect_end(&mut client).await;
}

#[tokio::test]
async fn idle_connection_is_closed_without_a_word() {
    let mut limits = limits();
    limits.idle_timeout = SHORT;
    let server = Server::plaintext(limits).await;
    let mut fresh = server.connect().await;
    expect_end(&mut fresh).await;
    let mut used = server.connect().await;
    assert_eq!(get(&mut used, "/").await.status(), "200");
    expect_end(&mut used).await;
}

#[tokio::test]
async fn client_that_takes_nothing_is_given_up() {
    let mut limits = limits();
    limits.write_timeout = SHORT;
    let server = Server::plaintext(limits).await;
    let mut client = server.connect().await;
    // More than the kernel buffers.
    for _ in 0..32 {
        send(&mut client, &request("/large")).await;
    }
    within(async {
        while server.observed.count("closed h1") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn limits_of_a_request_are_kept() {
    let mut limits = limits();
    limits.target_bytes = ByteSize(300);
    limits.header_bytes = ByteSize(1000);
    limits.header_count = 10;
    let server = Server::plaintext(limits).await;
    let fields = |count: usize| "A: b\r\n".repeat(count - 1);
    let with = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let long = |length: usize| format!("/{}", "a".repeat(length - 1));
    let cases = [
        (with(&long(300), ""), "200"),
        (with(&long(301), ""), "414"),
        (long(10_000), "414"),
        (with("/", &fields(10)), "200"),
        (with("/", &fields(11)), "431"),
        (with("/", &format!("A: {}\r\n", long(990))), "200"),
        (with("/", &format!("A: {}\r\n", long(1000))), "431"),
        (format!("GET / HTTP/1.1\r\nA: {}", long(100_000)), "431"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(), "400"),
    ];
    for (text, expected) in cases {
        let mut client = server.connect().await;
        send(&mut client, &text).await;
        let answer = receive(&mut client).await;
        let status = answer.as_ref().map_or("none", |response| response.status());
        assert_eq!(status, expected, "{}", &text[..text.len().min(60)]);
        if expected != "200" {
            expect_end(&mut client).await;
        }
    }
}

#[tokio::test]
async fn early_answer_reaches_a_client_that_is_still_sending() {
    let server = Server::plaintext(limits()).await;
    for framing in ["Content-Length: 400000", "Transfer-Encoding: chunked"] {
        let mut client = server.connect().await;
        send(&mut client, &format!("POST /early HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n61a80\r\n")).await;
        for _ in 0..40 {
            tokio::task::yield_now().await;
            send(&mut client, &"x".repeat(9_000)).await;
        }
        client.shutdown().await.unwrap();
        let answer = receive(&mut client).await.unwrap();
        assert_eq!(answer.status(), "413", "{framing}");
        assert!(answer.closes());
        expect_end(&mut client).await;
    }
}

#[tokio::test]
async fn last_request_of_a_connection_is_told_so() {
    let mut limits = limits();
    limits.requests_per_connection = 2;
    let server = Server::plaintext(limits).await;
    let mut client = server.connect().await;
    assert!(!get(&mut client, "/1").await.closes());
    assert!(get(&mut client, "/2").await.closes());
    expect_end(&mut client).await;
}

#[tokio::test]
async fn connection_ends_with_the_request_after_its_lifetime() {
    let mut limits = limits();
    limits.connection_lifetime = SHORT;
    let server = Server::plaintext(limits).await;
    let mut client = server.connect().await;
    send(&mut client, &request("/wait")).await;
    server.entered().await;
    tokio::time::sleep(SHORT).await;
    server.release(1);
    assert_eq!(receive(&mut client).await.unwrap().status(), "200");
    assert!(get(&mut client, "/").await.closes());
    expect_end(&mut client).await;
}

#[tokio::test]
async fn connections_beyond_a_limit_are_refused_and_room_comes_back() {
    let mut limits = limits();
    limits.connections_per_address = Some(1);
    let server = Server::plaintext(limits).await;
    let mut first = server.connect().await;
    assert_eq!(get(&mut first, "/").await.status(), "200");
    let mut second = server.connect().await;
    expect_end(&mut second).await;
    assert_eq!(server.observed.count("ConnectionsPerAddress"), 1);
    assert_eq!(get(&mut first, "/").await.status(), "200");
    drop(first);
    within(async {
        while server.observed.count("closed h1") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(get(&mut server.connect().await, "/").await.status(), "200");
}

#[tokio::test]
async fn drain_closes_after_the_response_and_serves_new_connections() {
    let server = Server::plaintext(limits()).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    assert_eq!(get(&mut idle, "/").await.status(), "200");
    send(&mut busy, &request("/wait")).await;
    server.entered().await;
    server.drain.send_replace(true);
    expect_end(&mut idle).await;
    server.release(1);
    assert_eq!(receive(&mut busy).await.unwrap().body, "h1 - - /wait 0");
    expect_end(&mut busy).await;
    let mut new = server.connect().await;
    assert!(get(&mut new, "/").await.closes());
    expect_end(&mut new).await;
    server.drain.send_replace(false);
    within(async { while get(&mut server.connect().await, "/").await.closes() {} }).await;
}

#[tokio::test]
async fn stop_finishes_what_is_in_flight_and_accepts_nothing() {
    let server = Server::plaintext(limits()).await;
    let mut busy = server.connect().await;
    send(&mut busy, &request("/wait")).await;
    server.entered().await;
    server.stop.send_replace(true);
    within(async { while tokio::net::TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert!(!server.serving.is_finished());
    server.release(1);
    assert_eq!(receive(&mut busy).await.unwrap().body, "h1 - - /wait 0");
    server.ended().await;
}

#[tokio::test]
async fn stop_serves_connections_that_wait_to_be_accepted() {
    let server = Server::plaintext(limits()).await;
    // This test runs on one thread: the listener sees neither the connections nor the stop before we wait.
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut client, request("/").as_bytes()).unwrap();
            client
        })
        .collect();
    server.stop.send_replace(true);
    for client in clients {
        client.set_nonblocking(true).unwrap();
        let mut client = tokio::net::TcpStream::from_std(client).unwrap();
        assert!(receive(&mut client).await.unwrap().closes());
    }
    server.ended().await;
}

#[test]
fn sockets_share_an_address_only_when_asked_to() {
    let first = bind_tcp("127.0.0.1:0".parse().unwrap(), PortSharing::Shared).unwrap();
    let address = first.local_addr().unwrap();
    assert!(bind_tcp(address, PortSharing::Shared).is_ok());
    assert!(bind_tcp(address, PortSharing::Exclusive).is_err());
    let first = bind_udp("127.0.0.1:0".parse().unwrap(), PortSharing::Exclusive).unwrap();
    assert!(bind_udp(first.local_addr().unwrap(), PortSharing::Shared).is_err());
}
