//! Responses: whole ones, those that must not look whole, and clients that are slow or leave.

use bytes::Buf;
use h3::error::{Code, StreamError};

use super::application::{PIECE, PIECES, piece};
use super::clients::{Client, Exchange, receive, request};
use super::harness::{listen, within};

#[tokio::test]
async fn get_and_head_are_answered() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    for (method, path, status, length, body) in [
        ("GET", "/", 200, Some("5"), &b"hello"[..]),
        ("HEAD", "/", 200, Some("5"), b""),
        ("GET", "/no-content", 204, None, b""),
        ("GET", "/not-modified", 304, Some("1000"), b""),
        ("GET", "/early-hints", 200, Some("5"), b"after"),
        ("GET", "/trailers", 200, None, b"body"),
        ("HEAD", "/trailers", 200, None, b""),
        ("HEAD", "/short", 200, Some("100"), b""),
    ] {
        let mut exchange = client.send(request(method, path), &[]).await.unwrap();
        let answer = within(path, receive(&mut exchange)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.head.status(), status, "{method} {path}");
        assert_eq!(answer.body, body, "{method} {path}");
        assert!(!answer.head.headers().contains_key("connection"), "{method} {path}");
        assert!(answer.head.headers().contains_key("date"), "{method} {path}");
        let told = answer.head.headers().get("content-length").map(|value| value.to_str().unwrap());
        assert_eq!(told, length, "{method} {path}");
        let end = listening.application.next_end().await;
        assert_eq!(end, format!("finished, 0 read, {} sent", body.len()), "{method} {path}");
    }
}

#[tokio::test]
async fn interim_responses_precede_the_final_one() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.send(request("GET", "/early-hints"), &[]).await.unwrap();
    let hints = within("the hints", exchange.recv_response()).await.unwrap();
    assert_eq!((hints.status().as_u16(), &hints.headers()["link"].to_str().unwrap()[..9]), (103, "</style.c"));
    assert_eq!(within("the answer", receive(&mut exchange)).await.unwrap().body, b"after");
}

#[tokio::test]
async fn interim_response_that_is_too_large_for_the_client_is_left_out() {
    for (limit, expected) in [(6000, vec!["link"]), (20_000, vec!["x-large", "link"])] {
        let listening = listen("");
        let client = Client::taking(&listening, limit).await;
        // Behind an answer the server has read what the client takes.
        assert_eq!(client.get("/").await.unwrap().body, b"hello");
        let mut exchange = client.send(request("GET", "/large-hints"), &[]).await.unwrap();
        for name in expected {
            let hints = within("the hints", exchange.recv_response()).await.unwrap();
            assert!(hints.status() == 103 && hints.headers().contains_key(name), "{limit}: {hints:?}");
        }
        assert_eq!(within("the answer", receive(&mut exchange)).await.unwrap().body, b"after", "{limit}");
    }
}

#[tokio::test]
async fn trailers_arrive() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let answer = client.get("/trailers").await.unwrap();
    assert_eq!(answer.trailers.unwrap()["x-checksum"], "42");
}

#[tokio::test]
async fn a_response_of_the_wrong_length_is_reset() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    for path in ["/short", "/long", "/panic"] {
        let error = client.get(path).await.unwrap_err();
        let reset = matches!(error, StreamError::RemoteTerminate { code: Code::H3_INTERNAL_ERROR, .. });
        assert!(reset, "{path}: {error:?}");
    }
    // Nobody else is harmed.
    assert_eq!(client.get("/").await.unwrap().body, b"hello");
}

/// Receives a large response and compares it piece by piece.
async fn receive_large(exchange: &mut Exchange) {
    assert_eq!(exchange.recv_response().await.unwrap().status(), 200);
    let mut offset = 0;
    while let Some(mut received) = exchange.recv_data().await.unwrap() {
        while received.has_remaining() {
            let within_piece = offset % PIECE;
            let length = received.chunk().len().min(PIECE - within_piece);
            let expected = piece(offset / PIECE);
            assert!(received.chunk()[..length] == expected[within_piece..within_piece + length], "at {offset}");
            received.advance(length);
            offset += length;
        }
    }
    assert_eq!(offset, PIECE * PIECES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_response_arrives_whole() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.send(request("GET", "/large"), &[]).await.unwrap();
    within("the response", receive_large(&mut exchange)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_cancelled_again_and_again_lose_and_repeat_nothing() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.send(request("GET", "/tasks"), &[]).await.unwrap();
    within("the response", receive_large(&mut exchange)).await;
    let expected = format!("finished, 0 read, {} sent", PIECE * PIECES);
    assert_eq!(listening.application.next_end().await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_download_fails_the_write() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.send(request("GET", "/large"), &[]).await.unwrap();
    within("the head", exchange.recv_response()).await.unwrap();
    within("some of the body", exchange.recv_data()).await.unwrap().unwrap();
    exchange.stop_sending(Code::H3_REQUEST_CANCELLED);
    let end = listening.application.next_end().await;
    assert!(end.starts_with("failed") && end.contains("ConnectionClosed"), "{end}");
    assert_eq!(client.get("/").await.unwrap().body, b"hello");
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_while_nothing_is_written() {
    for leave in ["stop", "close"] {
        let listening = listen("");
        let client = Client::connect(&listening).await;
        let mut exchange = client.send(request("GET", "/idle"), &[]).await.unwrap();
        listening.application.wait_for_entered(1).await;
        match leave {
            "stop" => exchange.stop_sending(Code::H3_REQUEST_CANCELLED),
            _ => client.connection.close(0x100_u32.into(), b""),
        }
        let end = listening.application.next_end().await;
        assert!(end.starts_with("failed") && end.contains("ConnectionClosed"), "{leave}: {end}");
    }
}

#[tokio::test]
async fn a_slow_reader_does_not_stall_other_requests() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut slow = client.send(request("GET", "/large"), &[]).await.unwrap();
    within("the head", slow.recv_response()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.get("/").await.unwrap().body, b"hello");
        assert_eq!(listening.application.next_end().await, "finished, 0 read, 5 sent");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_times_out() {
    let listening = listen("write_timeout: 200ms");
    let client = Client::connect(&listening).await;
    let mut stuck = client.send(request("GET", "/large"), &[]).await.unwrap();
    within("the head", stuck.recv_response()).await.unwrap();
    let end = listening.application.next_end().await;
    assert!(end.contains("WriteTimedout"), "{end}");
}
