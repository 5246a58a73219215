//! Priorities of responses on one connection (RFC 9218): by the fields of request and response, and by frames that change
//! them.

use std::collections::BTreeMap;

use super::*;

/// RFC 9218 section 7.1.
const PRIORITY_UPDATE: u8 = 0x10;

/// A GET of a body of 1 MiB that says this of its priority.
fn ask(stream: u32, path: &str, priority: &str) -> Vec<u8> {
    let mut section = section(0x82, path);
    if !priority.is_empty() {
        section.extend_from_slice(&[&b"\x00\x08priority"[..], &[priority.len() as u8], priority.as_bytes()].concat());
    }
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &section)
}

fn update(stream: u32, priority: &str) -> Vec<u8> {
    frame(PRIORITY_UPDATE, 0, 0, &[&stream.to_be_bytes()[..], priority.as_bytes()].concat())
}

/// A connection on which all of these have been asked for, on the streams 1, 3, 5, and have begun; its window is empty.
async fn asked(requests: &[(&str, &str)]) -> Wire {
    let mut wire = Wire::start(limits(), WIDE).await;
    // Stream 1 takes all of the window, before anybody else can.
    wire.send(&[initial_window(1 << 30), get(1, "/large")].concat()).await;
    let mut left = 65_535;
    while left > 0 {
        let frame = wire.next().await.expect("more of it");
        left -= if frame.kind == DATA { frame.payload.len() } else { 0 };
    }
    wire.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await;
    for (stream, (path, priority)) in (3..).step_by(2).zip(requests) {
        wire.send(&ask(stream, path, priority)).await;
        wire.up_to(|frame| frame.kind == HEADERS && frame.stream == stream).await;
    }
    wire
}

/// How the next bytes of the connection's window are shared out.
async fn shared_out(wire: &mut Wire, bytes: u32) -> Vec<(u32, u32)> {
    wire.send(&widen(0, bytes)).await;
    let (mut shares, mut left) = (BTreeMap::new(), bytes);
    while left > 0 {
        let frame = wire.next().await.expect("more comes");
        if frame.kind == DATA {
            let length = u32::try_from(frame.payload.len()).unwrap();
            *shares.entry(frame.stream).or_default() += length;
            left -= length;
        }
    }
    shares.into_iter().collect()
}

const SHARE: u32 = 256 << 10;

#[tokio::test(start_paused = true)]
async fn the_more_urgent_response_has_all_of_the_window() {
    let check = async |first: (&str, &str), second: (&str, &str), stream: u32| {
        let mut wire = asked(&[first, second]).await;
        assert_eq!(shared_out(&mut wire, SHARE).await, [(stream, SHARE)], "{first:?} {second:?}");
    };
    // Both ways round: without priorities one of them comes out wrong.
    check(("/large", "u=6"), ("/large", "u=1"), 5).await;
    check(("/large", "u=1"), ("/large", "u=6"), 3).await;
    check(("/large", ""), ("/large", "u=2, i"), 5).await;
    check(("/large", ""), ("/large", "u=4"), 3).await;
    // The response says how urgent it is, and goes before the request.
    check(("/large", "u=2"), ("/urgent", ""), 5).await;
    check(("/urgent", "u=7"), ("/large", "u=1"), 3).await;
    // So does one that is there already.
    check(("/large", "u=2"), ("/ready-urgent", ""), 5).await;
    check(("/ready-urgent", "u=7"), ("/ready-large", "u=1"), 3).await;
}

#[tokio::test(start_paused = true)]
async fn responses_that_are_equal_take_turns_or_go_one_after_another() {
    let check = async |priority: &str, shares: &[(u32, u32)]| {
        let mut wire = asked(&[("/large", priority), ("/large", priority)]).await;
        assert_eq!(shared_out(&mut wire, SHARE).await, shares, "{priority}");
    };
    let turns = [(3, SHARE / 2), (5, SHARE / 2)];
    check("u=3, i", &turns).await;
    check("", &turns).await;
    check("u=3", &[(3, SHARE)]).await;
}

#[tokio::test(start_paused = true)]
async fn priority_that_is_updated_counts_at_once() {
    let mut wire = asked(&[("/large", "u=2"), ("/large", "u=5")]).await;
    assert_eq!(shared_out(&mut wire, SHARE).await, [(3, SHARE)]);
    wire.send(&update(5, "u=1")).await;
    assert_eq!(shared_out(&mut wire, SHARE).await, [(5, SHARE)]);
    wire.send(&[update(5, "u=7"), update(99, "u=0"), update(1, "u=0")].concat()).await;
    assert_eq!(shared_out(&mut wire, SHARE).await, [(3, SHARE)]);
    // The first is whole, the second goes on, and then there is nothing left.
    let left = (1 << 20) - 2 * SHARE;
    assert_eq!(shared_out(&mut wire, left).await, [(3, left)]);
    assert_eq!(shared_out(&mut wire, SHARE).await, [(5, SHARE)]);
}

#[tokio::test(start_paused = true)]
async fn priority_that_comes_before_its_request_is_remembered() {
    let mut wire = asked(&[("/large", "u=2")]).await;
    // Of streams far away, or that are never opened, nothing is.
    wire.send(&[update(5, "u=6"), update(5, "u=1"), update(99_999, "u=0"), ask(5, "/large", "u=7")].concat()).await;
    wire.up_to(|frame| frame.kind == HEADERS && frame.stream == 5).await;
    assert_eq!(shared_out(&mut wire, SHARE).await, [(5, SHARE)]);
}

#[tokio::test(start_paused = true)]
async fn priorities_of_more_streams_than_there_may_be_and_of_pushes_are_faults() {
    let check = async |updates: &[u32], ended: bool| {
        let mut limits = limits();
        limits.streams = 3;
        let mut wire = Wire::start(limits, WIDE).await;
        wire.send(&get(1, "/wait")).await;
        wire.send(&updates.iter().flat_map(|stream| update(*stream, "u=1")).collect::<Vec<u8>>()).await;
        let answers = wire.answers().await;
        let code = answers.iter().find(|frame| frame.kind == GOAWAY).map(Frame::reason);
        assert_eq!(code, ended.then_some(1), "{updates:?}");
        wire.application.released.add_permits(1);
    };
    check(&[3, 5, 3, 5], false).await;
    check(&[3, 5, 7], true).await;
    check(&[2], true).await;
}

#[tokio::test(start_paused = true)]
async fn priorities_of_requests_that_are_refused_are_forgotten() {
    let mut limits = limits();
    limits.streams = 2;
    let mut wire = Wire::start(limits, WIDE).await;
    for stream in [1, 5, 9] {
        // An empty path is none, and answered by 400.
        let refused = [get(stream, ""), get(stream + 2, "")].concat();
        wire.send(&[update(stream, "u=1"), update(stream + 2, "u=1"), refused].concat()).await;
        let answers = wire.answers().await;
        assert_eq!(answers.iter().filter(|frame| frame.kind == HEADERS).count(), 2, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn small_answers_that_are_there_wait_for_nobody_while_the_window_lasts() {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&[initial_window(1 << 30), get(1, "/large")].concat()).await;
    wire.send(&get(3, "/ready")).await;
    let until = wire.up_to(|frame| frame.kind == HEADERS && frame.stream == 3).await;
    let before: usize = until.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
    assert!(before <= 65_535);
    // Its body waits for the window as others do.
    wire.send(&widen(0, SHARE)).await;
    let end = wire.up_to(|frame| frame.stream == 3 && frame.is_end()).await;
    assert_eq!(end.last().map(|frame| &frame.payload[..]), Some(&b"ready"[..]));
}
