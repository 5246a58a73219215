//! A DNS server on the loopback address that says what it is told, over UDP and TCP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SOA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What is said to a question.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// These records.
    Records(Vec<Record>),
    /// That there are none, good for so many seconds.
    Nothing(ResponseCode, u32),
    /// An error.
    Error(ResponseCode),
    /// Nothing at all.
    Silence,
    /// Bytes that are no message.
    Garbage,
    /// Over UDP that the answer is too long, over TCP the answer.
    Truncated(Vec<Record>),
}

#[derive(Default)]
struct State {
    replies: HashMap<(String, RecordType), Reply>,
    asked: Vec<(String, RecordType)>,
}

/// A running server.
#[derive(Clone)]
pub(super) struct DnsServer {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl DnsServer {
    pub(super) async fn start() -> Self {
        let (udp, tcp) = sockets().await;
        let server = Self { address: tcp.local_addr().unwrap(), state: Arc::default() };
        tokio::spawn(server.clone().serve_udp(udp));
        tokio::spawn(server.clone().serve_tcp(tcp));
        server
    }

    pub(super) fn say(&self, name: &str, kind: RecordType, reply: Reply) {
        self.state.lock().replies.insert((name.to_owned(), kind), reply);
    }

    /// How often this was asked.
    pub(super) fn asked(&self, name: &str, kind: RecordType) -> usize {
        let asked = |question: &&(String, RecordType)| question.0 == name && question.1 == kind;
        self.state.lock().asked.iter().filter(asked).count()
    }

    async fn serve_udp(self, socket: UdpSocket) {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = self.answer(&buffer[..length], true) {
                drop(socket.send_to(&answer, from).await);
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; usize::from(length)];
                    stream.read_exact(&mut question).await.unwrap();
                    if let Some(answer) = server.answer(&question, false) {
                        stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            });
        }
    }

    fn answer(&self, question: &[u8], datagram: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries[0].clone();
        let name = query.name().to_utf8().trim_end_matches('.').to_lowercase();
        let mut state = self.state.lock();
        state.asked.push((name.clone(), query.query_type()));
        let unknown = Reply::Nothing(ResponseCode::NXDomain, 60);
        let reply = state.replies.get(&(name, query.query_type())).cloned().unwrap_or(unknown);
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.metadata.recursion_desired = true;
        answer.add_query(query);
        match reply {
            Reply::Records(records) => drop(answer.add_answers(records)),
            Reply::Truncated(_) if datagram => answer.metadata.truncation = true,
            Reply::Truncated(records) => drop(answer.add_answers(records)),
            Reply::Nothing(code, ttl) => {
                answer.metadata.response_code = code;
                let soa = SOA::new(name_of("ns.example"), name_of("admin.example"), 1, 1, 1, 1, ttl);
                answer.add_authority(Record::from_rdata(name_of("example"), ttl, RData::SOA(soa)));
            }
            Reply::Error(code) => answer.metadata.response_code = code,
            Reply::Silence => return None,
            Reply::Garbage => {
                return Some(question.metadata.id.to_be_bytes().iter().copied().chain([0xff; 40]).collect());
            }
        }
        Some(answer.to_vec().unwrap())
    }
}

/// One port for both protocols; a port that is free for one may be taken for the other.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both protocols");
}

fn name_of(text: &str) -> Name {
    Name::from_utf8(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

/// An A or AAAA record.
pub(super) fn address(name: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        std::net::IpAddr::V4(four) => RData::A(A(four)),
        std::net::IpAddr::V6(six) => RData::AAAA(AAAA(six)),
    };
    Record::from_rdata(name_of(name), ttl, data)
}

/// An alias.
pub(super) fn alias(name: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name_of(name), ttl, RData::CNAME(CNAME(name_of(target))))
}

/// An SRV record.
pub(super) fn service(name: &str, ttl: u32, priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::from_rdata(name_of(name), ttl, RData::SRV(SRV::new(priority, weight, port, name_of(target))))
}
