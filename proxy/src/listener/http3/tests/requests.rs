//! Requests: what the pipeline sees of them, and bodies on their way up.

use bytes::Bytes;
use futures::future::try_join_all;
use h3::error::Code;

use super::clients::{Client, frame, receive, request, section};
use super::harness::{listen, within};
use super::malformed::Raw;

#[tokio::test]
async fn a_request_without_body_has_none_and_a_host() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    for method in ["GET", "HEAD", "DELETE"] {
        let mut exchange = client.send(request(method, "/head?a=b"), &[]).await.unwrap();
        let answer = within(method, receive(&mut exchange)).await.unwrap();
        if method != "HEAD" {
            let seen = String::from_utf8(answer.body).unwrap();
            let expected = format!("{method} /head?a=b HTTP/1.1\r\nhost: localhost\r\n\r\nno body");
            assert_eq!(seen, expected);
        }
    }
}

#[tokio::test]
async fn a_request_whose_end_follows_later_still_has_no_body() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.begin(request("GET", "/head")).await.unwrap();
    tokio::task::yield_now().await;
    exchange.finish().await.unwrap();
    let answer = within("the answer", receive(&mut exchange)).await.unwrap();
    assert!(answer.body.ends_with(b"no body"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_come_back_as_they_were_sent() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let body: Bytes = (0..5_000_000_u32).map(|index| (index % 251) as u8).collect();
    let pieces: Vec<Bytes> = body.chunks(100_000).map(Bytes::copy_from_slice).collect();
    let mut sent = request("POST", "/echo");
    sent.headers_mut().insert("content-length", body.len().into());
    let exchange = client.begin(sent).await.unwrap();
    let (mut up, mut down) = exchange.split();
    let upload = async {
        for piece in pieces {
            up.send_data(piece).await.unwrap();
        }
        up.finish().await.unwrap();
    };
    let download = async {
        let head = down.recv_response().await.unwrap();
        assert_eq!(head.headers()["content-length"], "5000000");
        let mut received = Vec::new();
        while let Some(piece) = down.recv_data().await.unwrap() {
            received.extend_from_slice(bytes::Buf::chunk(&piece));
        }
        received
    };
    let ((), received) = within("the echo", async { tokio::join!(upload, download) }).await;
    assert!(received == body);
    assert_eq!(listening.application.next_end().await, "finished, 5000000 read, 5000000 sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_are_served_at_once() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let gated: Vec<_> = (0..100).map(|_| client.get("/gate")).collect();
    let release = async {
        // All of them are in the pipeline before the first may leave.
        listening.application.wait_for_entered(100).await;
        listening.application.gate.add_permits(100);
    };
    let (answers, ()) = within("a hundred answers", async { tokio::join!(try_join_all(gated), release) }).await;
    assert!(answers.unwrap().iter().all(|answer| answer.body == b"late"));
}

#[tokio::test]
async fn empty_data_frames_do_not_end_a_body() {
    let listening = listen("");
    let mut raw = Raw::open(&listening).await;
    let fields = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/echo")];
    let stream =
        [frame(1, &section(&fields)), frame(0, b""), frame(0, b"abc"), frame(0x21, b"grease"), frame(0, b"de")];
    raw.send(&stream.concat()).await;
    let answer = raw.finish_and_receive().await.unwrap();
    assert!(answer.windows(3).any(|bytes| bytes == b"abc") && answer.ends_with(b"de"), "{answer:?}");
    assert_eq!(listening.application.next_end().await, "finished, 5 read, 5 sent");
}

#[tokio::test]
async fn a_body_that_disagrees_with_its_length_fails_the_request() {
    for body in [&b"four"[..], b"sixsix"] {
        let listening = listen("");
        let client = Client::connect(&listening).await;
        let mut sent = request("POST", "/echo");
        sent.headers_mut().insert("content-length", 5.into());
        let mut exchange = client.send(sent, &[Bytes::from_static(body)]).await.unwrap();
        within("the answer", receive(&mut exchange)).await.unwrap_err();
        let end = listening.application.next_end().await;
        assert!(end.contains("content-length"), "{end}");
    }
}

#[tokio::test]
async fn a_client_that_resets_its_body_fails_the_request() {
    let listening = listen("");
    let client = Client::connect(&listening).await;
    let mut exchange = client.begin(request("POST", "/echo")).await.unwrap();
    exchange.send_data(Bytes::from_static(b"begun")).await.unwrap();
    within("the head", exchange.recv_response()).await.unwrap();
    exchange.stop_stream(Code::H3_REQUEST_CANCELLED);
    let end = listening.application.next_end().await;
    assert!(end.starts_with("failed") && end.contains("ReadError"), "{end}");
}

#[tokio::test]
async fn a_body_that_stalls_times_out() {
    let listening = listen("body_timeout: 200ms");
    let client = Client::connect(&listening).await;
    let mut exchange = client.begin(request("POST", "/echo")).await.unwrap();
    exchange.send_data(Bytes::from_static(b"begun")).await.unwrap();
    let end = listening.application.next_end().await;
    assert!(end.contains("ReadTimedout"), "{end}");
}
