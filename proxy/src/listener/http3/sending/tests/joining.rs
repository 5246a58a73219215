//! What becomes one send, and what does not.

use std::sync::{Arc, Barrier};

use quinn::AsyncUdpSocket;
use quinn::udp::EcnCodepoint;

use super::super::socket::JoiningSocket;
use super::recorder::{Kernel, Made, Recorder, address};

const SIZE: usize = 1_452;

fn sockets() -> (Arc<Recorder>, Arc<JoiningSocket>) {
    let below = Recorder::new();
    (Arc::clone(&below), Arc::new(JoiningSocket::over(below)))
}

/// How many datagrams each send of a burst with these transmits has.
fn check(made: &[Made], expected: &[usize]) {
    let (below, socket) = sockets();
    socket.begin_burst();
    for made in made {
        socket.try_send(&made.transmit()).unwrap();
    }
    socket.end_burst();
    let sent = below.take();
    let lengths: Vec<_> = sent.iter().map(|sent| sent.datagrams.len()).collect();
    assert_eq!(
        lengths,
        expected,
        "{:?}",
        made.iter().map(|made| (made.to, made.size, made.bytes.len())).collect::<Vec<_>>()
    );
    let all: Vec<_> = sent.into_iter().flat_map(|sent| sent.datagrams).collect();
    assert_eq!(all, made.iter().flat_map(Made::datagrams).collect::<Vec<_>>());
}

#[test]
fn datagrams_of_one_size_to_one_destination_leave_together() {
    let ten = |mark| Made::new(1, SIZE, 10, mark);
    check(&[ten(1)], &[10]);
    check(&[ten(1), ten(2)], &[20]);
    check(&[ten(1), ten(2), ten(3), ten(4)], &[40]);
    // What is shorter may be the end.
    check(&[ten(1), ten(2).shorter_by(1)], &[20]);
    check(&[ten(1), Made::new(1, SIZE, 3, 2).shorter_by(SIZE - 1)], &[13]);
    check(&[ten(1), Made::new(1, 40, 1, 2)], &[11]);
    check(&[ten(1), Made::new(1, SIZE, 1, 2)], &[11]);
}

#[test]
fn what_cannot_be_cut_out_of_one_send_leaves_alone() {
    let ten = |mark| Made::new(1, SIZE, 10, mark);
    let marked = |mut made: Made| {
        made.ecn = Some(EcnCodepoint::Ect0);
        made
    };
    let from = |mut made: Made| {
        made.from = Some(address(9).ip());
        made
    };
    // Behind what is shorter nothing can follow.
    check(&[ten(1).shorter_by(1), ten(2)], &[10, 10]);
    check(&[ten(1), Made::new(1, 40, 1, 2), Made::new(1, 40, 1, 3)], &[11, 1]);
    // Longer ones, as when a path's packet size is looked for; two shorter ones.
    check(&[ten(1), Made::new(1, SIZE + 8, 1, 2)], &[10, 1]);
    check(&[ten(1), Made::new(1, 40, 2, 2)], &[10, 2]);
    check(&[ten(1), Made::new(2, SIZE, 10, 2)], &[10, 10]);
    check(&[ten(1), marked(ten(2))], &[10, 10]);
    check(&[ten(1), from(ten(2))], &[10, 10]);
    // More bytes than a packet can have, and more datagrams than the kernel cuts.
    check(&[ten(1), ten(2), ten(3), ten(4), ten(5)], &[40, 10]);
    let small = |mark| Made::new(1, 100, 10, mark);
    check(&[small(1), small(2), small(3), small(4), small(5), small(6), small(7)], &[60, 10]);
}

#[test]
fn an_answer_that_nothing_follows_is_not_kept() {
    let (below, socket) = sockets();
    socket.begin_burst();
    for made in [Made::new(1, 40, 1, 1), Made::new(1, SIZE, 9, 2), Made::new(1, SIZE, 9, 3)] {
        socket.try_send(&made.transmit()).unwrap();
        assert_eq!(below.take().len(), 1, "left at once");
    }
    socket.end_burst();
    assert_eq!(below.take(), []);
}

#[test]
fn outside_of_a_burst_nothing_is_kept() {
    let (below, socket) = sockets();
    socket.try_send(&Made::new(1, SIZE, 10, 1).transmit()).unwrap();
    assert_eq!(below.take().len(), 1);
    socket.begin_burst();
    socket.end_burst();
    socket.try_send(&Made::new(1, SIZE, 10, 1).transmit()).unwrap();
    assert_eq!(below.take().len(), 1);
}

#[test]
fn a_burst_goes_on_while_another_poll_fits() {
    let (_below, socket) = sockets();
    assert!(!socket.wants_more(), "no burst");
    for (size, expected) in [(1_200, [true, true, true, false]), (SIZE, [true, true, false, false])] {
        socket.begin_burst();
        assert!(!socket.wants_more(), "nothing is kept");
        for expected in expected {
            socket.try_send(&Made::new(1, size, 10, 1).transmit()).unwrap();
            assert_eq!(socket.wants_more(), expected, "{size}");
        }
        socket.end_burst();
    }
}

#[test]
fn bursts_of_several_threads_do_not_part_each_other() {
    let (below, socket) = sockets();
    let step = Barrier::new(2);
    std::thread::scope(|threads| {
        for number in 1..=2 {
            let (socket, step) = (&socket, &step);
            threads.spawn(move || {
                socket.begin_burst();
                for mark in 0..4 {
                    step.wait();
                    socket.try_send(&Made::new(number, SIZE, 10, mark).transmit()).unwrap();
                }
                step.wait();
                socket.end_burst();
            });
        }
    });
    let mut sent: Vec<_> = below.take().into_iter().map(|sent| (sent.to, sent.datagrams.len())).collect();
    sent.sort_unstable();
    assert_eq!(sent, [(address(1), 40), (address(2), 40)]);
}

#[test]
fn sends_that_the_kernel_cannot_cut_are_not_joined() {
    let (below, socket) = sockets();
    assert_eq!(socket.max_transmit_segments(), 10);
    below.cuts(1);
    assert_eq!(socket.max_transmit_segments(), 1);
    socket.begin_burst();
    for mark in 1..=3 {
        socket.try_send(&Made::new(1, SIZE, 1, mark).transmit()).unwrap();
        assert_eq!(below.take().len(), 1);
    }
    assert!(!socket.wants_more());
    socket.end_burst();
}

#[test]
fn kept_datagrams_that_cannot_be_sent_are_lost_and_no_others() {
    let (below, socket) = sockets();
    socket.begin_burst();
    socket.try_send(&Made::new(1, SIZE, 10, 1).transmit()).unwrap();
    below.becomes(Kernel::Fails);
    // There is no room for it behind the first, which is tried and lost, and it is kept.
    socket.try_send(&Made::new(2, SIZE, 10, 2).transmit()).unwrap();
    below.becomes(Kernel::Takes);
    socket.end_burst();
    let sent = below.take();
    assert_eq!(sent.iter().map(|sent| sent.to).collect::<Vec<_>>(), [address(2)]);
}

#[test]
fn a_send_of_its_own_hears_the_kernels_answer() {
    let (below, socket) = sockets();
    for (kernel, expected) in
        [(Kernel::Fails, std::io::ErrorKind::PermissionDenied), (Kernel::IsFull, std::io::ErrorKind::WouldBlock)]
    {
        below.becomes(kernel);
        assert_eq!(socket.try_send(&Made::new(1, 40, 1, 1).transmit()).unwrap_err().kind(), expected);
    }
}

#[tokio::test]
async fn what_a_full_socket_did_not_take_leaves_when_there_is_room() {
    let (below, socket) = sockets();
    below.becomes(Kernel::IsFull);
    socket.begin_burst();
    socket.try_send(&Made::new(1, SIZE, 10, 1).transmit()).unwrap();
    socket.end_burst();
    assert_eq!(below.take(), []);
    below.becomes(Kernel::Takes);
    let sent = below.sent().await;
    assert_eq!(sent.iter().map(|sent| sent.datagrams.len()).collect::<Vec<_>>(), [10]);
}

#[tokio::test]
async fn a_full_socket_keeps_one_send_and_quinn_the_rest() {
    let (below, socket) = sockets();
    below.becomes(Kernel::IsFull);
    for number in 1..=5 {
        socket.begin_burst();
        let sent = socket.try_send(&Made::new(number, SIZE, 10, number).transmit());
        assert_eq!(sent.is_ok(), number == 1, "{number}");
        assert!(!socket.wants_more() || number == 1);
        socket.end_burst();
        tokio::task::yield_now().await;
        assert_eq!(below.waiting(), 1, "one task waits, however often it was full");
    }
    below.becomes(Kernel::Takes);
    // Whoever comes first, what was kept leaves first.
    socket.try_send(&Made::new(2, SIZE, 10, 2).transmit()).unwrap();
    assert_eq!(below.take().iter().map(|sent| sent.to).collect::<Vec<_>>(), [address(1), address(2)]);
    while Arc::strong_count(&socket) > 1 {
        // The task that waited ends.
        tokio::task::yield_now().await;
    }
    assert_eq!(below.take(), []);
}

#[tokio::test]
async fn a_socket_that_is_full_in_the_middle_of_a_burst_refuses_what_does_not_fit() {
    let (below, socket) = sockets();
    socket.begin_burst();
    socket.try_send(&Made::new(1, SIZE, 10, 1).transmit()).unwrap();
    below.becomes(Kernel::IsFull);
    let refused = Made::new(1, SIZE - 1, 10, 2);
    for _again in 0..2 {
        assert_eq!(socket.try_send(&refused.transmit()).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    socket.end_burst();
    below.becomes(Kernel::Takes);
    let sent = below.sent().await;
    assert_eq!(sent.iter().map(|sent| sent.datagrams.len()).collect::<Vec<_>>(), [10], "the refused one stays quinn's");
}
