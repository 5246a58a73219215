//! What clients must not send, and what crosses the end of a connection.

use super::*;

const PROTOCOL_ERROR: u32 = 0x1;
const STREAM_CLOSED: u32 = 0x5;
const FRAME_SIZE_ERROR: u32 = 0x6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Reset(u32, u32),
    GoAway(u32),
}

/// What the server tells a client that has a request in flight on stream 1 and then sends this.
async fn check(bytes: &[u8], expected: Told) {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&get(1, "/wait")).await;
    wire.application.entered.acquire().await.unwrap().forget();
    wire.send(bytes).await;
    let mut answers = wire.answers().await;
    answers.retain(|frame| matches!(frame.kind, RST_STREAM | GOAWAY));
    let told = match &answers[..] {
        [] => Told::Nothing,
        [frame] if frame.kind == GOAWAY => Told::GoAway(frame.reason()),
        [frame] if frame.kind == RST_STREAM => Told::Reset(frame.stream, frame.first()),
        other => panic!("{bytes:x?}: {other:?}"),
    };
    assert_eq!(told, expected, "{bytes:x?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_on_a_stream_whose_request_is_whole_is_answered_by_a_reset() {
    for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
        check(&frame(HEADERS, flags, 1, &section(0x82, "/")), Told::Reset(1, STREAM_CLOSED)).await;
        check(&frame(HEADERS, flags, 1, b"\x00\x01a\x01b"), Told::Reset(1, STREAM_CLOSED)).await;
    }
    check(&frame(DATA, END_STREAM, 1, b"x"), Told::Reset(1, STREAM_CLOSED)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_on_a_stream_that_the_client_has_reset() {
    let reset = frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    for late in [frame(DATA, END_STREAM, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01a\x01b")] {
        check(&[&reset[..], &late].concat(), Told::GoAway(STREAM_CLOSED)).await;
    }
    for late in [widen(1, 1), reset.clone(), frame(PRIORITY, 0, 1, &[0; 5])] {
        check(&[&reset[..], &late].concat(), Told::Nothing).await;
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_clients_do_not_open_are_never_reset() {
    // Beyond the last one that was opened, and of the kind that is never opened by clients.
    for (opened, stream) in [(1, 2), (1, 5), (1, 6), (7, 4), (7, 6)] {
        let check = async |bytes: &[u8], expected| {
            let opening = if opened == 1 { Vec::new() } else { get(opened, "/ready") };
            check(&[&opening, bytes].concat(), expected).await;
        };
        check(&widen(stream, 1), Told::GoAway(PROTOCOL_ERROR)).await;
        check(&frame(RST_STREAM, 0, stream, &[0; 4]), Told::GoAway(PROTOCOL_ERROR)).await;
        check(&frame(DATA, 0, stream, b"x"), Told::GoAway(PROTOCOL_ERROR)).await;
        // A priority may come before its stream (RFC 9113 section 6.3).
        check(&frame(PRIORITY, 0, stream, &[0; 5]), Told::Nothing).await;
        check(&frame(PRIORITY, 0, stream, &[0; 4]), Told::GoAway(FRAME_SIZE_ERROR)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_take_little_by_little_get_all_of_it() {
    let mut wire = Wire::start(limits(), 64).await;
    for number in 0..10 {
        wire.send(&get(number * 2 + 1, "/ready")).await;
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        wire.up_to(Frame::is_end).await;
    }
}

/// Nobody waits for a time-out when the connection's task is gone, for whatever reason.
#[tokio::test(start_paused = true)]
async fn streams_end_with_their_connection_however_it_ends() {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&[get(1, "/large"), get(3, "/large")].concat()).await;
    for stream in [1, 3] {
        wire.up_to(|frame| frame.kind == HEADERS && frame.stream == stream).await;
    }
    wire.serving.abort();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&wire.application), 1, "requests go on for nobody");
}

/// A connection with a request in flight on stream 1 that was told that it is the last.
async fn leaving() -> Wire {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&get(1, "/wait")).await;
    wire.application.entered.acquire().await.unwrap().forget();
    wire.drain.send(true).unwrap();
    let first = wire.up_to(|frame| frame.kind == PING).await;
    let ping = first.last().unwrap();
    assert!(first.iter().any(|frame| frame.kind == GOAWAY && frame.first() == u32::MAX >> 1));
    wire.send(&frame(PING, ACK, 0, &ping.payload)).await;
    let last = wire.up_to(|frame| frame.kind == GOAWAY).await;
    assert_eq!(last.last().map(|frame| (frame.first(), frame.reason())), Some((1, 0)));
    wire
}

#[tokio::test(start_paused = true)]
async fn requests_that_cross_the_last_goaway_disturb_nobody() {
    let mut wire = leaving().await;
    wire.send(&post(3, "/up")).await;
    for _ in 0..40 {
        wire.send(&frame(DATA, 0, 3, &[0; 16_000])).await;
    }
    wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x00\x01a\x01b")).await;
    wire.send(&[post(5, "/up"), frame(RST_STREAM, 0, 5, &[0; 4]), widen(5, 1)].concat()).await;
    wire.application.released.add_permits(1);
    let rest = wire.up_to(Frame::is_end).await;
    assert!(rest.iter().all(|frame| frame.kind != GOAWAY && frame.kind != RST_STREAM), "{rest:?}");
    // Its bytes count for the connection all the same (RFC 9113 section 6.8).
    let widened: u32 = rest.iter().filter(|frame| frame.kind == WINDOW_UPDATE).map(Frame::first).sum();
    assert!(widened >= 40 * 16_000 / 2, "{widened}");
    assert!(rest.iter().all(|frame| frame.kind != WINDOW_UPDATE || frame.stream == 0));
    wire.ended().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_stream_is_never_said_to_be_a_later_one() {
    let mut wire = leaving().await;
    wire.send(&[get(3, "/"), frame(PING, 0, 0, b"short")].concat()).await;
    let end = wire.up_to(|frame| frame.kind == GOAWAY).await;
    assert_eq!(end.last().map(|frame| (frame.first(), frame.reason())), Some((1, FRAME_SIZE_ERROR)));
}

/// Half closed, and closed altogether as far as anybody can tell: what is there is written, and nothing else is made.
#[tokio::test(start_paused = true)]
async fn what_is_there_is_written_to_clients_that_have_closed_their_half() {
    let mut wire = Wire::start(limits(), 8 << 10).await;
    wire.send(&[initial_window(1 << 20), widen(0, 3 << 20)].concat()).await;
    wire.send(&[get(1, "/ready-large"), get(3, "/large"), get(5, "/wait"), get(7, "/ready")].concat()).await;
    wire.application.entered.acquire().await.unwrap().forget();
    wire.application.released.add_permits(1);
    wire.io.shutdown().await.unwrap();
    let mut received: HashMap<u32, usize> = HashMap::new();
    let mut ended = Vec::new();
    while let Some(frame) = wire.next().await {
        if frame.kind == DATA {
            *received.entry(frame.stream).or_default() += frame.payload.len();
        }
        if frame.is_end() {
            ended.push(frame.stream);
        }
    }
    ended.sort_unstable();
    assert!(ended.starts_with(&[1, 3]) && ended.ends_with(&[7]), "{ended:?}");
    assert_eq!((received[&1], received[&3]), (1 << 20, 1 << 20));
    wire.ended().await;
}

/// What the client's windows do not let through will never leave.
#[tokio::test(start_paused = true)]
async fn who_has_closed_its_half_is_not_waited_for() {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&[get(1, "/ready-large"), get(3, "/large")].concat()).await;
    wire.up_to(|frame| frame.kind == DATA).await;
    let begun = tokio::time::Instant::now();
    wire.io.shutdown().await.unwrap();
    while wire.next().await.is_some() {}
    wire.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
