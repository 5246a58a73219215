//! Behaviour of bodies.

mod model;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use super::blocks::BLOCK;
use super::{Abandoned, Body, BodyError, Reader, Retention};

/// The byte that stands at an offset: a period that divides neither pieces nor blocks.
fn byte_at(offset: u64) -> u8 {
    (offset % 251) as u8
}

fn piece(start: u64, length: usize) -> Bytes {
    (start..start + length as u64).map(byte_at).collect()
}

/// Writes that must find room at once.
fn write(body: &Body, start: u64, length: usize) {
    body.write(piece(start, length)).now_or_never().expect("room").expect("a reader");
}

/// What a reader gets without waiting.
fn read(reader: &mut Reader, limit: usize) -> Option<Result<Option<Bytes>, BodyError>> {
    reader.next(limit).now_or_never()
}

fn expect_bytes(reader: &mut Reader, start: u64, length: usize) {
    assert_eq!(read(reader, length).expect("bytes are there"), Ok(Some(piece(start, length))));
}

fn complete(length: usize, pieces: usize) -> Arc<Body> {
    let body = Body::growing();
    for start in (0..length).step_by(pieces) {
        write(&body, start as u64, pieces.min(length - start));
    }
    body.finish();
    body
}

#[tokio::test]
async fn readers_at_their_own_positions_read_what_grows() {
    let body = Body::growing();
    write(&body, 0, 10);
    let (mut first, mut second) = (body.reader(0).unwrap(), body.reader(4).unwrap());
    expect_bytes(&mut first, 0, 10);
    expect_bytes(&mut second, 4, 2);
    assert!(read(&mut first, 10).is_none(), "nothing more yet");
    write(&body, 10, 5);
    expect_bytes(&mut first, 10, 5);
    expect_bytes(&mut second, 6, 4);
    expect_bytes(&mut second, 10, 5);
    body.finish();
    for reader in [&mut first, &mut second] {
        assert_eq!(read(reader, 1), Some(Ok(None)));
        assert!(reader.at_end());
    }
}

#[tokio::test]
async fn waiting_reader_is_woken_by_bytes_by_the_end_and_by_failure() {
    for (well, expected) in [(true, Ok(None)), (false, Err(BodyError::Truncated))] {
        let body = Body::growing();
        let mut reader = body.reader(0).unwrap();
        let reading = tokio::spawn(async move { (reader.next(100).await, reader.next(100).await) });
        tokio::task::yield_now().await;
        write(&body, 0, 3);
        tokio::task::yield_now().await;
        if well {
            body.finish()
        } else {
            body.fail()
        }
        assert_eq!(reading.await.unwrap(), (Ok(Some(piece(0, 3))), expected));
    }
}

#[test]
fn failed_body_gives_its_prefix_and_never_a_clean_end() {
    let body = Body::growing();
    write(&body, 0, 8);
    let mut reader = body.reader(0).unwrap();
    body.fail();
    body.finish();
    expect_bytes(&mut reader, 0, 8);
    assert_eq!(read(&mut reader, 1), Some(Err(BodyError::Truncated)));
    assert_eq!(reader.length_when_complete().now_or_never(), Some(Err(BodyError::Truncated)));
    assert!(body.reader(0).is_none() && body.length().is_none() && !reader.at_end());
}

#[test]
fn failure_after_the_end_changes_nothing() {
    let body = complete(5, 5);
    body.fail();
    expect_bytes(&mut body.reader(0).unwrap(), 0, 5);
    assert_eq!(body.length(), Some(5));
}

#[test]
fn every_range_of_a_complete_body_is_read_over_the_borders_of_blocks() {
    let length = 2 * BLOCK + 777;
    let body = complete(length, 100_003);
    assert_eq!(body.blocks().iter().map(Bytes::len).collect::<Vec<_>>(), [BLOCK, BLOCK, 777]);
    for (start, wanted) in [(0, 10), (BLOCK - 3, 7), (2 * BLOCK - 1, 778), (length - 1, 1), (5, BLOCK + 20)] {
        let mut reader = body.reader(0).unwrap();
        reader.move_to(start as u64);
        let mut got = Vec::new();
        while got.len() < wanted {
            got.extend_from_slice(&read(&mut reader, wanted - got.len()).unwrap().unwrap().unwrap());
        }
        assert_eq!(got, piece(start as u64, wanted), "{start}+{wanted}");
    }
    let mut behind = body.reader(length as u64 + 9).unwrap();
    assert_eq!(read(&mut behind, 1), Some(Ok(None)));
}

#[test]
fn reader_of_a_growing_kept_body_moves_anywhere() {
    let body = Body::growing();
    write(&body, 0, 100);
    let mut reader = body.reader(0).unwrap();
    for start in [90, 10, 0, 50] {
        reader.move_to(start);
        expect_bytes(&mut reader, start, 10);
    }
    reader.move_to(150);
    assert!(read(&mut reader, 1).is_none(), "not written yet");
    write(&body, 100, 60);
    expect_bytes(&mut reader, 150, 10);
}

#[test]
fn stored_bytes_do_not_pin_the_buffer_they_arrived_in() {
    let large = piece(0, 64 * 1024);
    let body = Body::growing();
    body.write(large.slice(10..20)).now_or_never().unwrap().unwrap();
    body.finish();
    let within = large.as_ptr_range();
    assert!(!within.contains(&body.blocks()[0].as_ptr()), "the ten bytes must be a copy");
}

#[test]
fn body_of_records_keeps_their_buffers_where_it_is_long_and_cut_in_blocks() {
    for (lengths, kept) in [
        (&[2 * BLOCK, BLOCK + 7][..], true),
        (&[3 * BLOCK], true),
        (&[64 << 10], true),
        (&[(64 << 10) - 1], false),
        (&[BLOCK + 1, BLOCK], false),
        (&[], false),
    ] {
        let (body, mut total) = (Body::growing(), 0);
        let mut buffers = Vec::new();
        for length in lengths {
            let record = piece(total - 5.min(total), 5.min(total as usize) + length);
            buffers.push(record.as_ptr() as usize..record.as_ptr() as usize + record.len());
            body.put(record.slice(record.len() - length..));
            total += *length as u64;
        }
        body.finish_with_records();
        assert_eq!(body.length(), Some(total), "{lengths:?}");
        let (mut reader, mut at) = (body.reader(0).unwrap(), 0);
        while let Some(bytes) = read(&mut reader, usize::MAX).unwrap().unwrap() {
            assert!(bytes == piece(at, bytes.len()), "{lengths:?} at {at}");
            assert!(bytes.len() == BLOCK || at + bytes.len() as u64 == total, "{lengths:?}: {} at {at}", bytes.len());
            let is_within = buffers.iter().any(|buffer| buffer.contains(&(bytes.as_ptr() as usize)));
            assert_eq!(is_within, kept, "{lengths:?} at {at}");
            at += bytes.len() as u64;
        }
        assert_eq!(at, total, "{lengths:?}");
    }
}

#[tokio::test]
async fn window_waits_for_its_slowest_reader() {
    let body = Body::windowed(30, Retention::WhileThereIsRoom);
    let (mut slow, mut fast) = (body.reader(0).unwrap(), body.reader(0).unwrap());
    for start in [0, 10, 20] {
        write(&body, start, 10);
        expect_bytes(&mut fast, start, 10);
    }
    assert!(body.write(piece(30, 10)).now_or_never().is_none(), "full, the slow one has read nothing");
    expect_bytes(&mut slow, 0, 9);
    assert!(body.write(piece(30, 10)).now_or_never().is_none(), "not the whole piece yet");
    expect_bytes(&mut slow, 9, 1);
    write(&body, 30, 10);
    assert_eq!(body.held(), 30);
    drop(slow);
    write(&body, 40, 10);
    expect_bytes(&mut fast, 30, 10);
}

#[tokio::test]
async fn writer_that_waits_for_room_is_woken_by_a_read_and_by_a_leaving_reader() {
    for leaves in [false, true] {
        let body = Body::windowed(10, Retention::WhileThereIsRoom);
        let (mut slow, mut fast) = (body.reader(0).unwrap(), body.reader(0).unwrap());
        write(&body, 0, 10);
        expect_bytes(&mut fast, 0, 10);
        let writing = tokio::spawn({
            let body = Arc::clone(&body);
            async move { body.write(piece(10, 10)).await }
        });
        tokio::task::yield_now().await;
        assert!(!writing.is_finished());
        if leaves {
            drop(slow);
        } else {
            expect_bytes(&mut slow, 0, 10);
        }
        assert_eq!(writing.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn window_can_be_joined_until_its_start_has_gone_by() {
    let body = Body::windowed(30, Retention::WhileThereIsRoom);
    let mut first = body.reader(0).unwrap();
    for start in [0, 10, 20] {
        write(&body, start, 10);
        expect_bytes(&mut first, start, 10);
    }
    let mut second = body.reader(0).expect("all bytes are still held");
    expect_bytes(&mut second, 0, 10);
    write(&body, 30, 10);
    assert!(body.reader(0).is_none(), "the first piece made room");
    expect_bytes(&mut second, 10, 10);
}

#[tokio::test]
async fn window_for_one_reader_lets_go_at_once() {
    let body = Body::windowed(30, Retention::UntilRead);
    let mut reader = body.reader(0).unwrap();
    write(&body, 0, 10);
    assert_eq!(body.held(), 10);
    expect_bytes(&mut reader, 0, 10);
    assert_eq!(body.held(), 0);
    body.finish();
    assert_eq!(read(&mut reader, 1), Some(Ok(None)));
    assert!(body.is_windowed() && body.length().is_none());
}

#[tokio::test]
async fn window_that_nobody_reads_any_more_is_abandoned_but_a_kept_body_is_not() {
    let body = Body::windowed(30, Retention::WhileThereIsRoom);
    write(&body, 0, 10);
    drop(body.reader(0).unwrap());
    assert_eq!(body.write(piece(10, 10)).await, Err(Abandoned));
    let body = Body::growing();
    write(&body, 0, 10);
    drop(body.reader(0).unwrap());
    write(&body, 10, 10);
}

#[tokio::test]
async fn window_keeps_its_first_bytes_for_those_who_have_not_begun() {
    let body = Body::windowed(20, Retention::UntilRead);
    write(&body, 0, 10);
    write(&body, 10, 10);
    assert!(body.write(piece(20, 10)).now_or_never().is_none(), "full and unopened");
    expect_bytes(&mut body.reader(0).unwrap(), 0, 10);
}

#[tokio::test]
async fn reader_that_starves_the_others_is_let_go_with_an_error() {
    let body = Body::windowed(10, Retention::WhileThereIsRoom);
    let (mut stuck, mut fast) = (body.reader(0).unwrap(), body.reader(0).unwrap());
    write(&body, 0, 10);
    expect_bytes(&mut fast, 0, 10);
    assert!(body.write(piece(10, 10)).now_or_never().is_none());
    body.starved(Duration::from_secs(5), false);
    write(&body, 10, 10);
    assert_eq!(read(&mut stuck, 1), Some(Err(BodyError::Lagging)));
    stuck.move_to(10);
    assert_eq!(read(&mut stuck, 1), Some(Err(BodyError::Lagging)), "it does not come back");
    expect_bytes(&mut fast, 10, 10);
}

#[test]
fn body_that_becomes_a_window_goes_on_for_its_readers() {
    let body = Body::growing();
    for start in (0..100).step_by(10) {
        write(&body, start, 10);
    }
    let mut reader = body.reader(0).unwrap();
    let mut waiting = Box::pin(async {
        let reader = body.reader(0).unwrap();
        reader.length_when_complete().await
    });
    assert!(waiting.as_mut().now_or_never().is_none(), "may still turn out whole");
    body.become_window(20);
    assert_eq!(waiting.now_or_never(), Some(Ok(None)), "who waited for the length is told that there is none");
    assert!(body.write(piece(100, 10)).now_or_never().is_none(), "full");
    for start in (0..90).step_by(10) {
        expect_bytes(&mut reader, start, 10);
    }
    write(&body, 100, 10);
    assert!(body.held() <= 30 && body.reader(0).is_none());
    reader.move_to(0);
    assert_eq!(read(&mut reader, 1), Some(Err(BodyError::Lagging)), "a window goes forward only");
}

/// Completion hands readers over from pieces to blocks; none of them may fall in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cross_completion_unharmed() {
    for round in 0..200 {
        let body = Body::growing();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = body.reader(0).unwrap();
                tokio::spawn(async move {
                    let mut got = 0;
                    while let Some(bytes) = reader.next(50).await? {
                        got += bytes.len();
                    }
                    Ok::<usize, BodyError>(got)
                })
            })
            .collect();
        for start in (0..1000).step_by(100) {
            body.write(piece(start, 100)).await.unwrap();
        }
        body.finish();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), Ok(1000), "round {round}");
        }
    }
}
