//! Frames that are cheap to send and cost work: they end the connection, and what only waits its turn does not.

use super::*;

const ENHANCE_YOUR_CALM: u32 = 0xb;
const PRIORITY_UPDATE: u8 = 0x10;

/// Sends this so often, and tells the reason of the GOAWAY that ends it.
async fn told_after(wire: Wire, bytes: &[u8], times: usize) -> Option<u32> {
    let (mut reader, mut writer) = tokio::io::split(wire.io);
    let flood = bytes.repeat(times);
    // The server may stop reading: what counts is what it says.
    let writing = tokio::spawn(async move { drop(timeout(FOR_EVER, writer.write_all(&flood)).await) });
    let mut said = Vec::new();
    timeout(FOR_EVER, reader.read_to_end(&mut said)).await.expect("an end").unwrap();
    writing.abort();
    wire.serving.abort();
    drop(wire.drain);
    let mut rest = &said[..];
    let mut reason = None;
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest[3] == GOAWAY {
            reason = Some(u32::from_be_bytes(rest[13..17].try_into().unwrap()));
        }
        rest = &rest[9 + length..];
    }
    wire.application.released.close();
    reason
}

#[tokio::test(start_paused = true)]
async fn widening_many_streams_bit_by_bit_is_a_flood() {
    let mut wire = Wire::start(limits(), 8 << 20).await;
    wire.send(&initial_window(0)).await;
    for number in 0..100 {
        wire.send(&get(number * 2 + 1, "/ready-large")).await;
    }
    let settings: Vec<u8> = (1..=200).flat_map(initial_window).collect();
    assert_eq!(told_after(wire, &settings, 1).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(start_paused = true)]
async fn frames_of_a_stream_that_was_reset_are_a_flood_beyond_what_may_have_been_on_its_way() {
    for flood in [frame(DATA, END_STREAM, 1, &[]), frame(DATA, END_STREAM, 1, b"x"), post(1, "/")] {
        let mut wire = Wire::start(limits(), 8 << 20).await;
        // A field name that is none: answered, and reset as its body is still open.
        let malformed = [section(0x83, "/"), b"\x00\x01(\x01b".to_vec()].concat();
        wire.send(&frame(HEADERS, END_HEADERS, 1, &malformed)).await;
        wire.up_to(|frame| frame.kind == RST_STREAM).await;
        assert_eq!(told_after(wire, &flood, 10_000).await, Some(ENHANCE_YOUR_CALM), "{flood:x?}");
    }
}

/// Answers that are there at once do not pay for the resets that follow them (CVE-2023-44487).
#[tokio::test(start_paused = true)]
async fn requests_made_to_be_cancelled_are_a_flood_though_they_are_answered_at_once() {
    let reset = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let flood = |requests: u32| -> Vec<u8> {
        (0..requests).flat_map(|number| [get(number * 2 + 1, "/ready-short"), reset(number * 2 + 1)].concat()).collect()
    };
    let mut wire = Wire::start(limits(), 8 << 20).await;
    wire.send(&[initial_window(1 << 30), widen(0, 1 << 30)].concat()).await;
    assert_eq!(told_after(wire, &flood(5_000), 1).await, Some(ENHANCE_YOUR_CALM));
    // A page that is left may be answered before it is known.
    let mut wire = Wire::start(limits(), 8 << 20).await;
    wire.send(&flood(100)).await;
    assert!(wire.answers().await.iter().all(|frame| frame.kind != GOAWAY));
}

/// An answer in which the client has no part does not pay for what it did (CVE-2025-8671).
#[tokio::test(start_paused = true)]
async fn bodies_that_are_not_as_long_as_they_say_are_counted() {
    let wire = Wire::start(limits(), 8 << 20).await;
    let flood: Vec<u8> = (0..40)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            let length = [section(0x83, "/"), b"\x00\x0econtent-length\x015".to_vec()].concat();
            [frame(HEADERS, END_HEADERS, stream, &length), frame(DATA, END_STREAM, stream, b"abc")].concat()
        })
        .collect();
    assert_eq!(told_after(wire, &flood, 1).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(start_paused = true)]
async fn stream_that_waits_its_turn_is_not_given_up() {
    let patience = Duration::from_secs(2);
    let mut limits = limits();
    limits.write_timeout = patience;
    let mut wire = Wire::start(limits, WIDE).await;
    let wide = 4 << 20;
    wire.send(&initial_window(wide)).await;
    let mut left = HashMap::from([(1, 1_usize << 20), (3, 1 << 20), (5, 1 << 20)]);
    wire.send(&[get(1, "/ready-large"), get(3, "/large"), get(5, "/ready-large")].concat()).await;
    for stream in [3_u32, 5] {
        wire.send(&frame(PRIORITY_UPDATE, 0, 0, &[&stream.to_be_bytes()[..], b"u=7"].concat())).await;
    }
    while left.values().any(|left| *left > 0) {
        // A MiB lasts twenty times the patience of those behind it.
        tokio::time::sleep(patience / 20).await;
        wire.send(&[widen(0, 8 << 10), frame(PING, 0, 0, &MARK)].concat()).await;
        for frame in wire.up_to(|frame| frame.kind == PING).await {
            assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?} while {left:?} were left");
            if frame.kind == DATA {
                *left.get_mut(&frame.stream).unwrap() -= frame.payload.len();
            }
        }
    }
}

/// A byte now and then keeps no response, on whichever window it is given.
#[tokio::test(start_paused = true)]
async fn readers_that_take_a_byte_a_minute_are_given_up() {
    for path in ["/large", "/ready-large"] {
        for window in [0, 1] {
            let mut wire = Wire::start(limits(), WIDE).await;
            // Either the stream's window is the one that is closed, or the connection's.
            let wide = if window == 0 { widen(1, 1 << 20) } else { widen(0, 1 << 20) };
            wire.send(&[get(1, path), wide].concat()).await;
            let mut ended = None;
            for minute in 0..10 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                wire.send(&[widen(window, 1), frame(PING, 0, 0, &MARK)].concat()).await;
                let said = wire.up_to(|frame| frame.kind == PING && frame.payload == MARK).await;
                if said.iter().any(|frame| frame.kind == RST_STREAM && frame.stream == 1) {
                    ended = Some(minute);
                    break;
                }
            }
            assert!(ended.is_some(), "{path} was kept for a client that reads nothing to speak of ({window})");
        }
    }
}

/// 64 kbit/s, by either window, shared by several.
#[tokio::test(start_paused = true)]
async fn readers_on_slow_lines_get_all_of_it() {
    for requests in [1_u32, 6] {
        let mut wire = Wire::start(limits(), WIDE).await;
        wire.send(&initial_window(8_000 / requests)).await;
        let mut left: HashMap<u32, usize> = (0..requests).map(|number| (number * 2 + 1, 1 << 20)).collect();
        for number in 0..requests {
            wire.send(&get(number * 2 + 1, if number % 2 == 0 { "/large" } else { "/ready-large" })).await;
        }
        while left.values().any(|left| *left > 0) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut widened = widen(0, 8_000);
            left.keys().for_each(|stream| widened.extend_from_slice(&widen(*stream, 8_000 / requests)));
            wire.send(&[widened, frame(PING, 0, 0, &MARK)].concat()).await;
            for frame in wire.up_to(|frame| frame.kind == PING && frame.payload == MARK).await {
                assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?} while {left:?} were left");
                if frame.kind == DATA {
                    *left.get_mut(&frame.stream).unwrap() -= frame.payload.len();
                }
            }
        }
    }
}

/// Windows are wide open and the socket is full: whether that client is gone is for who watches the socket.
#[tokio::test(start_paused = true)]
async fn responses_behind_a_full_socket_are_not_given_up() {
    let mut wire = Wire::start(limits(), 20_000).await;
    let requests = [get(1, "/large"), get(3, "/ready-large")].concat();
    wire.send(&[initial_window(1 << 30), widen(0, 1 << 30), requests].concat()).await;
    // A third of a long buffer takes a slow line more than a minute, in which nothing can be written.
    tokio::time::sleep(Duration::from_secs(150)).await;
    let mut left: HashMap<u32, usize> = [(1, 1 << 20), (3, 1 << 20)].into();
    while left.values().any(|left| *left > 0) {
        let frame = wire.next().await.expect("more of it");
        assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?} while {left:?} were left");
        if frame.kind == DATA {
            *left.get_mut(&frame.stream).unwrap() -= frame.payload.len();
        }
    }
}

/// However many requests one connection sends at once, the others of its thread have their turns in between.
#[tokio::test(start_paused = true)]
async fn requests_that_come_at_once_leave_others_their_turns() {
    let mut wire = Wire::start(limits(), 8 << 20).await;
    wire.up_to(|frame| frame.kind == SETTINGS && frame.flags & ACK != 0).await;
    let flood: Vec<u8> = (0..5_000).flat_map(|number| get(number * 2 + 1, "/ready")).collect();
    wire.send(&flood).await;
    // A task as the server's is: the test's own has its turn only now and then.
    let reading = tokio::spawn(async move {
        let (mut answered, mut rest, mut buffer) = (0, Vec::new(), vec![0; 1 << 20]);
        while answered < 5_000 {
            // All that has come by the time that this task has its turn.
            let read = wire.io.read(&mut buffer).await.unwrap();
            rest.extend_from_slice(&buffer[..read]);
            let mut at_once = 0;
            while rest.len() >= 9 && rest.len() >= 9 + usize::from(rest[2]) {
                at_once += usize::from(rest[3] == HEADERS);
                rest.drain(..9 + usize::from(rest[2]));
            }
            assert!(at_once <= 400, "{at_once} answers before anybody else had a turn");
            answered += at_once;
        }
    });
    reading.await.unwrap();
}
