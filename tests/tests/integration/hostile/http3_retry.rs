//! Address validation by Retry (RFC 9000 section 8.1.2), over the wire: with more handshakes begun than clients at peace
//! begin, a new client must show that its address is its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quinn::{ConnectionError, TransportErrorCode};
use tidegate_tests::client::{Client, Protocol, Target, quic};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::Origin;
use tidegate_tests::within;
use tokio::net::UdpSocket as TokioSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Handshakes that are begun and left: more than the edge takes unasked.
const BEGUN: usize = 300;
/// How many of their datagrams are under way at once.
const AT_ONCE: usize = 20;
/// More than any datagram of a handshake.
const DATAGRAM: usize = 2_048;

/// Whether a datagram begins with a Retry packet (RFC 9000 section 17.2.5).
fn is_retry(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xf0)
}

/// Whether it begins with an Initial packet, and that carries a token (section 17.2.2).
fn has_token(datagram: &[u8]) -> bool {
    token_length(datagram).is_some_and(|(_, length)| length > 0)
}

/// Where the length of an Initial packet's token stands, and the length.
fn token_length(datagram: &[u8]) -> Option<(usize, u8)> {
    if datagram.first()? & 0xf0 != 0xc0 {
        return None;
    }
    let destination = usize::from(*datagram.get(5)?);
    let source = usize::from(*datagram.get(6 + destination)?);
    let place = 7 + destination + source;
    // Of two bytes when the token has more than 63: the first then is not 0 either.
    Some((place, *datagram.get(place)?))
}

/// What the path between client and edge does to datagrams that carry a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// Passes them on.
    Honest,
    /// Sends them from another address than it got the token at.
    OtherAddress,
    /// Turns a bit of the token.
    RottenToken,
}

/// A path to the edge that counts Retry packets and lets tokens rot.
struct Wire {
    address: SocketAddr,
    retries: Arc<AtomicUsize>,
    /// Those that came after a token went to the edge.
    asked_again: Arc<AtomicUsize>,
    retried: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn to(edge: SocketAddr, path: Path) -> Self {
        let ip = tidegate_tests::address::loopback();
        let [client_side, first, second] = [(); 3].map(|()| UdpSocket::bind((ip, 0)).unwrap());
        let address = client_side.local_addr().unwrap();
        let sockets = [client_side, first, second].map(|socket| {
            socket.set_nonblocking(true).unwrap();
            TokioSocket::from_std(socket).unwrap()
        });
        let retries = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let retried = Arc::new(Notify::new());
        let task = tokio::spawn(carry(sockets, edge, path, retries.clone(), Arc::clone(&retried)));
        let [retries, asked_again] = retries;
        Self { address, retries, asked_again, retried, task }
    }

    fn asked_again(&self) -> usize {
        self.asked_again.load(Ordering::Relaxed)
    }

    fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    sockets: [TokioSocket; 3],
    edge: SocketAddr,
    path: Path,
    [retries, asked_again]: [Arc<AtomicUsize>; 2],
    retried: Arc<Notify>,
) {
    let [client_side, first, second] = sockets;
    let (mut client, mut token_sent) = (None, false);
    let (mut up, mut down, mut more) = ([0; DATAGRAM], [0; DATAGRAM], [0; DATAGRAM]);
    loop {
        let answer = tokio::select! {
            Ok((length, from)) = client_side.recv_from(&mut up) => {
                client = Some(from);
                let datagram = &mut up[..length];
                let marked = has_token(datagram);
                token_sent |= marked;
                if marked && path == Path::RottenToken {
                    let (place, _) = token_length(datagram).unwrap();
                    datagram[place + 8] ^= 1;
                }
                let way = if marked && path == Path::OtherAddress { &second } else { &first };
                drop(way.send_to(datagram, edge).await);
                continue;
            }
            Ok((length, _)) = first.recv_from(&mut down) => &down[..length],
            Ok((length, _)) = second.recv_from(&mut more) => &more[..length],
            else => continue,
        };
        if is_retry(answer) {
            retries.fetch_add(1, Ordering::Relaxed);
            asked_again.fetch_add(usize::from(token_sent), Ordering::Relaxed);
            retried.notify_one();
        }
        if let Some(client) = client {
            drop(client_side.send_to(answer, client).await);
        }
    }
}

/// Begins handshakes whose clients never go on, and asks for something as a client of before so often that the
/// datagrams of both fit into the receive buffer of the edge's socket, however seldom it gets to read.
async fn begin_handshakes(edge: &Edge, early: &Client) {
    let ip = tidegate_tests::address::loopback();
    let attacker = UdpSocket::bind((ip, 0)).unwrap();
    attacker.connect(edge.target(Protocol::Http3).address).unwrap();
    for begun in 1..=BEGUN {
        let silent = TokioSocket::bind((ip, 0)).await.unwrap();
        let target = Target { address: silent.local_addr().unwrap(), ..edge.target(Protocol::Http3) };
        let first = within("a first datagram", first_datagram(&silent, &target)).await;
        attacker.send(&first).unwrap();
        if begun % AT_ONCE == 0 {
            assert_is_served(early, "a client of before").await;
        }
    }
}

/// What a client sends first to a socket that answers nothing.
async fn first_datagram(silent: &TokioSocket, target: &Target) -> Vec<u8> {
    let mut datagram = vec![0; DATAGRAM];
    tokio::select! {
        connected = quic(target) => panic!("nobody answers, but: {:?}", connected.map(drop)),
        received = silent.recv_from(&mut datagram) => datagram.truncate(received.unwrap().0),
    }
    datagram
}

fn through(edge: &Edge, wire: &Wire) -> Target {
    Target { address: wire.address, ..edge.target(Protocol::Http3) }
}

async fn assert_is_served(client: &Client, what: &str) {
    let answer = within(what, client.get("/.well-known/tidegate/live")).await.unwrap();
    assert_eq!(answer.status, 200, "{what}");
}

#[tokio::test]
async fn clients_under_load_show_that_their_address_is_theirs() {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin);
    config.limits = ["connections_per_address: null", "handshake_timeout: 60s"].map(String::from).into();
    let edge = Edge::start(&config).await;
    let to = edge.target(Protocol::Http3).address;

    let wire = Wire::to(to, Path::Honest).await;
    let early = Client::connect(Protocol::Http3, through(&edge, &wire)).await.unwrap();
    assert_is_served(&early, "a client in peace").await;
    assert_eq!(wire.retries(), 0, "nobody is asked in peace");

    begin_handshakes(&edge, &early).await;
    let late = Client::connect(Protocol::Http3, through(&edge, &wire)).await.unwrap();
    assert!(wire.retries() >= 1, "a client that comes under load is asked");
    assert_is_served(&late, "a client that came under load").await;

    let wire = Wire::to(to, Path::OtherAddress).await;
    let refused = within("a refusal", quic(&through(&edge, &wire))).await.unwrap_err();
    let reason = refused.root_cause().downcast_ref::<ConnectionError>();
    let code = reason.map(|reason| match reason {
        ConnectionError::ConnectionClosed(close) => close.error_code,
        other => panic!("{other}"),
    });
    assert_eq!(code, Some(TransportErrorCode::INVALID_TOKEN), "{refused:#}");

    let wire = Wire::to(to, Path::RottenToken).await;
    let asked_again = async {
        // Of those without a token one may still be on its way: a first flight has two datagrams.
        while wire.asked_again() < 2 {
            wire.retried.notified().await;
        }
    };
    let connecting = through(&edge, &wire);
    tokio::select! {
        connected = quic(&connecting) => panic!("a token that nobody gave was taken: {connected:?}"),
        () = within("another Retry", asked_again) => {}
    }
    assert_is_served(&early, "a client of before").await;
}
