//! Priorities of responses on one connection: by the request's field, and by frames that change it.

use quinn::ConnectionError;

use super::clients::{connect_quic, frame, section};
use super::harness::{Listening, listen, within};

/// The type of a control stream and SETTINGS that set nothing.
const CONTROL: [u8; 3] = [0x00, 0x04, 0x00];
/// More than a large response.
const MOST: usize = 64 << 20;

async fn ask(connection: &quinn::Connection, priority: Option<&str>) -> quinn::RecvStream {
    let (mut send, receive) = connection.open_bi().await.unwrap();
    let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/large")];
    fields.extend(priority.map(|value| ("priority", value)));
    send.write_all(&frame(1, &section(&fields))).await.unwrap();
    send.finish().unwrap();
    receive
}

/// PRIORITY_UPDATE (RFC 9218 section 7.2) of one of the first requests.
fn update(stream: u8, value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len() + 1).unwrap();
    [&[0x80, 0x0f, 0x07, 0x00, length, stream], value.as_bytes()].concat()
}

/// Which of two large responses is whole first.
async fn first_of(earlier: &mut quinn::RecvStream, later: &mut quinn::RecvStream) -> &'static str {
    let whole = async {
        tokio::select! {
            read = earlier.read_to_end(MOST) => read.map(|_| "the earlier"),
            read = later.read_to_end(MOST) => read.map(|_| "the later"),
        }
    };
    within("the first whole response", whole).await.unwrap()
}

async fn begin(listening: &Listening) -> (quinn::Endpoint, quinn::Connection, quinn::SendStream) {
    let (endpoint, connection) = connect_quic(listening, &listening.certificate).await.unwrap();
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(&CONTROL).await.unwrap();
    (endpoint, connection, control)
}

#[tokio::test]
async fn urgent_response_overtakes_one_that_is_under_way() {
    // Both ways round: without priorities one of them comes out wrong.
    for (first, second, expected) in [("u=6", "u=1", "the later"), ("u=1", "u=6", "the earlier")] {
        let listening = listen("");
        let (_endpoint, connection, _control) = begin(&listening).await;
        let mut earlier = ask(&connection, Some(first)).await;
        // It is under way: its head has come.
        within("a beginning", earlier.read_exact(&mut [0; 1])).await.unwrap();
        let mut later = ask(&connection, Some(second)).await;
        assert_eq!(first_of(&mut earlier, &mut later).await, expected);
    }
}

#[tokio::test]
async fn priority_that_is_updated_before_and_after_the_request_counts() {
    for early in [true, false] {
        let listening = listen("");
        let (_endpoint, connection, mut control) = begin(&listening).await;
        // Turn by turn at first, so that both are under way.
        let mut earlier = ask(&connection, Some("u=2, i")).await;
        within("a beginning", earlier.read_exact(&mut [0; 1])).await.unwrap();
        if early {
            control.write_all(&update(4, "u=0")).await.unwrap();
        }
        let mut later = ask(&connection, Some(if early { "u=5" } else { "u=2, i" })).await;
        if !early {
            within("a beginning", later.read_exact(&mut [0; 1])).await.unwrap();
            control.write_all(&update(4, "u=0")).await.unwrap();
        }
        assert_eq!(first_of(&mut earlier, &mut later).await, "the later", "early: {early}");
    }
}

#[tokio::test]
async fn floods_of_updates_and_updates_of_no_request_end_the_connection() {
    let check = |frames: Vec<u8>, code: u64| async move {
        let listening = listen("");
        let (_endpoint, connection, mut control) = begin(&listening).await;
        // The connection may end while this is written.
        control.write_all(&frames).await.ok();
        match within("the end of the connection", connection.closed()).await {
            ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code.into_inner(), code),
            other => panic!("{other}"),
        }
    };
    check((0..10_000).flat_map(|_| update(0, "u=1")).collect(), 0x107).await;
    check(update(1, "u=1"), 0x108).await;
    check(vec![0x80, 0x0f, 0x07, 0x00, 0x00], 0x106).await;
}
