//! A DNS server on a loopback address that says what a test tells it, over UDP: addresses, services, errors, nothing.
//!
//! Writes just the messages it needs (RFC 1035 section 4); what a resolver makes of odd ones is tested beside it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What is said of a name.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// Services of the same priority for so many seconds: port and target of each.
    Services(Vec<(u16, String)>, u32),
    /// An error: 2 (the server failed) or 3 (no such name).
    Error(u8),
    /// No word.
    Silence,
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    answers: Answers,
    task: JoinHandle<()>,
}

type Answers = Arc<Mutex<HashMap<String, Answer>>>;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;

impl DnsServer {
    /// Listens on a loopback address of its own.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((crate::address::loopback(), 0)).await.expect("a free port for the DNS server");
        let address = socket.local_addr().expect("a bound socket has an address");
        let answers = Answers::default();
        let task = tokio::spawn(serve(socket, Arc::clone(&answers)));
        Self { address, answers, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says this of a name from now on. Of other names it says that there is none.
    pub fn say(&self, name: &str, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), answer);
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, answers: Answers) {
    let mut buffer = [0; 1_500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(question) = buffer.get(..length).and_then(Question::read) else { continue };
        let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).get(&question.name).cloned();
        if let Some(message) = question.answered(&answer.unwrap_or(Answer::Error(3))) {
            drop(socket.send_to(&message, from).await);
        }
    }
}

struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// As it came: name, type, class.
    bytes: Vec<u8>,
}

impl Question {
    fn read(message: &[u8]) -> Option<Self> {
        let id = [*message.first()?, *message.get(1)?];
        let (mut place, mut labels) = (12, Vec::new());
        loop {
            let length = usize::from(*message.get(place)?);
            place += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(message.get(place..place + length)?).to_lowercase());
            place += length;
        }
        let kind = u16::from_be_bytes([*message.get(place)?, *message.get(place + 1)?]);
        Some(Self { id, name: labels.join("."), kind, bytes: message.get(12..place + 4)?.to_vec() })
    }

    fn answered(&self, answer: &Answer) -> Option<Vec<u8>> {
        let (code, ttl, data) = match answer {
            Answer::Silence => return None,
            Answer::Error(code) => (*code, 0, Vec::new()),
            Answer::Addresses(addresses, ttl) => (0, *ttl, self.addresses(addresses)),
            Answer::Services(services, ttl) if self.kind == TYPE_SRV => {
                (0, *ttl, services.iter().map(service).collect())
            }
            Answer::Services(_, ttl) => (0, *ttl, Vec::new()),
        };
        let count = u8::try_from(data.len()).ok()?;
        let mut message = vec![self.id[0], self.id[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        message.extend_from_slice(&self.bytes);
        for data in data {
            // A pointer to the question's name, the type, class IN.
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&self.kind.to_be_bytes());
            message.extend_from_slice(&[0, 1]);
            message.extend_from_slice(&ttl.to_be_bytes());
            message.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
            message.extend_from_slice(&data);
        }
        Some(message)
    }

    fn addresses(&self, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
        let data = |address: &IpAddr| match address {
            IpAddr::V4(four) if self.kind == TYPE_A => Some(four.octets().to_vec()),
            IpAddr::V6(six) if self.kind == TYPE_AAAA => Some(six.octets().to_vec()),
            _ => None,
        };
        addresses.iter().filter_map(data).collect()
    }
}

/// Priority 0, weight 1, port, target.
fn service((port, target): &(u16, String)) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 1];
    data.extend_from_slice(&port.to_be_bytes());
    for label in target.split('.') {
        data.push(u8::try_from(label.len()).expect("labels are short"));
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    data
}
