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
