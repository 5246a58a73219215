//! A connection to the first of several addresses that answers, and the PROXY protocol header at its start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_core::protocols::l4::stream::Stream;
use pingora_error::{Error, ErrorType, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Addresses, FailedAddresses};

/// How long an address may keep the next one waiting: the recommended delay of RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to an origin, in place of Pingora's own connector. Several attempts may be under way; the first that
/// succeeds is taken and the others end. All of them share one time-out.
#[derive(Debug)]
pub(in crate::origin) struct AddressConnector {
    /// In the order to try them.
    pub(in crate::origin) addresses: Addresses,
    /// For all attempts together.
    pub(in crate::origin) timeout: Duration,
    /// What goes before everything else, TLS included; empty for nothing.
    pub(in crate::origin) preface: Bytes,
}

#[async_trait]
impl L4Connect for AddressConnector {
    async fn connect(&self, _first: &PeerAddress) -> Result<Stream> {
        let mut attempts = Attempts::new(&self.addresses);
        match tokio::time::timeout(self.timeout, attempts.first_connection(&self.preface)).await {
            Ok(outcome) => outcome.map(Stream::from),
            Err(_) => {
                attempts.blame_pending();
                let text = format!("no address of {} answered within {:?}", listed(&self.addresses), self.timeout);
                Err(Error::explain(ErrorType::ConnectTimedout, text).into_up())
            }
        }
    }
}

/// Attempts of one connection.
struct Attempts {
    left: std::vec::IntoIter<SocketAddr>,
    pending: Vec<SocketAddr>,
    failed: Arc<FailedAddresses>,
}

impl Attempts {
    fn new(addresses: &Addresses) -> Self {
        let left = addresses.all().to_vec().into_iter();
        Self { left, pending: Vec::new(), failed: Arc::clone(&addresses.failed) }
    }

    async fn first_connection(&mut self, preface: &Bytes) -> Result<TcpStream> {
        let mut attempts = FuturesUnordered::new();
        let mut errors: Vec<(SocketAddr, io::Error)> = Vec::new();
        loop {
            if let Some(address) = self.left.next() {
                self.pending.push(address);
                attempts.push(attempt(address, preface.clone()));
            }
            let more = self.left.len() > 0;
            let finished = tokio::select! {
                finished = attempts.next() => finished,
                () = tokio::time::sleep(ATTEMPT_DELAY), if more => continue,
            };
            match finished {
                Some((address, Ok(stream))) => {
                    if !errors.is_empty() {
                        log::warn!("an address of an origin fails while another one answers: {}", told(&errors));
                    }
                    self.succeeded(address);
                    return Ok(stream);
                }
                Some((address, Err(error))) => {
                    self.pending.retain(|other| *other != address);
                    self.failed.failed(address);
                    errors.push((address, error));
                }
                None => return Err(combined(errors)),
            }
        }
    }

    /// Whoever was asked earlier and has not answered yet is slow: it goes last for a while.
    fn succeeded(&mut self, address: SocketAddr) {
        self.failed.succeeded(address);
        let place = self.pending.iter().position(|other| *other == address).unwrap_or(0);
        for slow in self.pending.iter().take(place) {
            self.failed.failed(*slow);
        }
    }

    fn blame_pending(&self) {
        for address in &self.pending {
            self.failed.failed(*address);
        }
    }
}

async fn attempt(address: SocketAddr, preface: Bytes) -> (SocketAddr, io::Result<TcpStream>) {
    let connected = async {
        let mut stream = TcpStream::connect(address).await?;
        if !preface.is_empty() {
            stream.write_all(&preface).await?;
        }
        Ok(stream)
    };
    (address, connected.await)
}

/// One error of all: refused only when every address refused, else that of the first which failed in another way.
fn combined(errors: Vec<(SocketAddr, io::Error)>) -> Box<Error> {
    let kind = errors.iter().map(|(_, error)| error_type(error)).find(|kind| *kind != ErrorType::ConnectRefused);
    let kind = if errors.is_empty() { ErrorType::ConnectError } else { kind.unwrap_or(ErrorType::ConnectRefused) };
    Error::explain(kind, told(&errors)).into_up()
}

fn told(errors: &[(SocketAddr, io::Error)]) -> String {
    errors.iter().map(|(address, error)| format!("{address}: {error}")).collect::<Vec<_>>().join("; ")
}

fn error_type(error: &io::Error) -> ErrorType {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => ErrorType::ConnectNoRoute,
        _ => ErrorType::ConnectError,
    }
}

fn listed(addresses: &Addresses) -> String {
    addresses.all().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    fn connector(all: Vec<SocketAddr>, timeout: Duration) -> (AddressConnector, Arc<FailedAddresses>) {
        let failed = Arc::new(FailedAddresses::default());
        let addresses = Addresses::new(all, &failed).unwrap();
        (AddressConnector { addresses, timeout, preface: Bytes::from_static(b"before all") }, failed)
    }

    fn first(connector: &AddressConnector) -> PeerAddress {
        PeerAddress::Inet(connector.addresses.first())
    }

    /// An address of this machine where nobody listens.
    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// A listener whose queue is full: a connection to it hangs.
    async fn hanging() -> (TcpListener, Vec<TcpStream>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            held.push(stream);
            assert!(held.len() < 64, "the queue never fills");
        }
        (listener, held)
    }

    #[tokio::test]
    async fn another_address_answers_when_the_first_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dead, alive) = (refusing().await, listener.local_addr().unwrap());
        let (connector, failed) = connector(vec![dead, alive], Duration::from_secs(5));
        let stream = connector.connect(&first(&connector)).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut preface = [0; 10];
        accepted.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"before all");
        drop(stream);
        let mut order = [dead, alive];
        failed.move_last(&mut order);
        assert_eq!(order, [alive, dead], "the dead one is remembered");
    }

    #[tokio::test]
    async fn an_address_that_hangs_does_not_hold_up_the_next() {
        let (hanging, _held) = hanging().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (slow, alive) = (hanging.local_addr().unwrap(), listener.local_addr().unwrap());
        let (connector, failed) = connector(vec![slow, alive], Duration::from_secs(20));
        drop(connector.connect(&first(&connector)).await.unwrap());
        let mut order = [slow, alive];
        failed.move_last(&mut order);
        assert_eq!(order, [alive, slow], "the slow one is remembered");
    }

    #[tokio::test]
    async fn all_attempts_share_one_time_out() {
        let (hanging, _held) = hanging().await;
        let (connector, _) = connector(vec![hanging.local_addr().unwrap()], Duration::from_millis(50));
        let error = connector.connect(&first(&connector)).await.unwrap_err();
        assert_eq!(*error.etype(), ErrorType::ConnectTimedout);
    }

    #[tokio::test]
    async fn refused_is_said_only_when_all_refuse() {
        let (connector, _) = connector(vec![refusing().await, refusing().await], Duration::from_secs(5));
        let error = connector.connect(&first(&connector)).await.unwrap_err();
        assert_eq!(*error.etype(), ErrorType::ConnectRefused);
        let mixed = vec![
            (connector.addresses.first(), io::Error::from(io::ErrorKind::ConnectionRefused)),
            (connector.addresses.first(), io::Error::from(io::ErrorKind::HostUnreachable)),
        ];
        assert_eq!(*combined(mixed).etype(), ErrorType::ConnectNoRoute);
    }
}
