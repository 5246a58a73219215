//! Whatever is sent, full sockets and ends of bursts between: each datagram leaves once, and in order.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;
use quinn::AsyncUdpSocket;
use quinn::udp::EcnCodepoint;

use super::super::socket::JoiningSocket;
use super::recorder::{Kernel, Made, Recorder, Sent};

#[derive(Debug, Clone)]
enum Step {
    Begin,
    End,
    Send(Made),
    Becomes(Kernel),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![Just(1_452_usize), Just(1_200), Just(40), 1_usize..9_000];
    let ecn = prop_oneof![4 => Just(None), 1 => Just(Some(EcnCodepoint::Ect0))];
    let made =
        (1..3_u8, size, 1..=10_usize, ecn, prop::bool::weighted(0.3)).prop_map(|(to, size, count, ecn, shorter)| {
            let mut made =
                Made::new(to, size.min(65_487 / count), count, 0).shorter_by(usize::from(shorter && size > 1));
            made.ecn = ecn;
            made
        });
    let kernel = prop_oneof![2 => Just(Kernel::Takes), 1 => Just(Kernel::IsFull)];
    let step = prop_oneof![
        3 => Just(Step::Begin),
        2 => Just(Step::End),
        10 => made.prop_map(Step::Send),
        2 => kernel.prop_map(Step::Becomes),
    ];
    prop::collection::vec(step, 1..60)
}

/// Marks datagrams by their number, as far as they have room for it.
fn number(made: &mut Made, next: &mut u32) {
    for datagram in made.bytes.chunks_mut(made.size) {
        let mark = next.to_be_bytes();
        let room = datagram.len().min(mark.len());
        datagram[..room].copy_from_slice(&mark[mark.len() - room..]);
        *next += 1;
    }
}

type ByPath = BTreeMap<SocketAddr, Vec<(Option<u8>, Vec<u8>)>>;

fn note(paths: &mut ByPath, to: SocketAddr, ecn: Option<EcnCodepoint>, datagrams: Vec<Vec<u8>>) {
    let ecn = ecn.map(|ecn| ecn as u8);
    paths.entry(to).or_default().extend(datagrams.into_iter().map(|datagram| (ecn, datagram)));
}

proptest! {
    #[test]
    fn every_datagram_leaves_once_and_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (accepted, sent) = runtime.block_on(run(steps));
        let mut left = ByPath::new();
        for Sent { to, ecn, datagrams, .. } in sent {
            note(&mut left, to, ecn, datagrams);
        }
        prop_assert_eq!(left, accepted);
    }
}

/// What was accepted, and what left.
async fn run(steps: Vec<Step>) -> (ByPath, Vec<Sent>) {
    let below = Recorder::new();
    let socket = Arc::new(JoiningSocket::over(Arc::<Recorder>::clone(&below)));
    let (mut accepted, mut next) = (ByPath::new(), 0);
    for step in steps {
        match step {
            Step::Begin => socket.begin_burst(),
            Step::End => socket.end_burst(),
            Step::Becomes(kernel) => below.becomes(kernel),
            Step::Send(mut made) => {
                number(&mut made, &mut next);
                match socket.try_send(&made.transmit()) {
                    Ok(()) => note(&mut accepted, made.address(), made.ecn, made.datagrams()),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
        }
    }
    socket.end_burst();
    below.becomes(Kernel::Takes);
    // The task that waits for room is woken, and has nothing else to wait for.
    while Arc::strong_count(&socket) > 1 {
        tokio::task::yield_now().await;
    }
    (accepted, below.take())
}
