//! HTTP/3 frames by hand (RFC 9114 section 7.1), and field sections in plain literals (RFC 9204).

use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use tidegate_tests::client::{Protocol, quic};
use tidegate_tests::edge::{Edge, HOST};
use tidegate_tests::within;

pub(super) const DATA: u64 = 0x0;
pub(super) const HEADERS: u64 = 0x1;
pub(super) const SETTINGS: u64 = 0x4;
pub(super) const GOAWAY: u64 = 0x7;

pub(super) fn integer(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

pub(super) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [integer(kind), integer(payload.len() as u64), payload.to_vec()].concat()
}

/// A field section in which nothing is indexed or compressed.
pub(super) fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        put_length(&mut section, 0x20, 0x07, name.len());
        section.extend_from_slice(name.as_bytes());
        put_length(&mut section, 0x00, 0x7f, value.len());
        section.extend_from_slice(value.as_bytes());
    }
    section
}

fn put_length(output: &mut Vec<u8>, flags: u8, most: u8, length: usize) {
    let Some(mut rest) = length.checked_sub(usize::from(most)) else { return output.push(flags | length as u8) };
    output.push(flags | most);
    while rest >= 0x80 {
        output.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    output.push(rest as u8);
}

pub(super) fn request(method: &'static str, path: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path)]
}

/// A QUIC connection on which the test writes everything itself.
pub(super) struct Http3 {
    pub(super) endpoint: Endpoint,
    pub(super) quic: Connection,
    /// Streams that must not end while the test goes on.
    held: Vec<SendStream>,
}

impl Http3 {
    /// Without a control stream.
    pub(super) async fn bare(edge: &Edge) -> Self {
        let (endpoint, quic) = within("a handshake", quic(&edge.target(Protocol::Http3))).await.unwrap();
        Self { endpoint, quic, held: Vec::new() }
    }

    /// With a control stream and SETTINGS.
    pub(super) async fn open(edge: &Edge) -> Self {
        let mut connection = Self::bare(edge).await;
        connection.uni(&[vec![0x00], frame(SETTINGS, &[])].concat()).await;
        connection
    }

    /// Opens a unidirectional stream with these bytes, and leaves it open.
    pub(super) async fn uni(&mut self, bytes: &[u8]) {
        let Ok(Ok(mut stream)) = tokio::time::timeout(std::time::Duration::from_secs(5), self.quic.open_uni()).await
        else {
            return; // no more streams are allowed, or the connection has ended
        };
        drop(stream.write_all(bytes).await);
        self.held.push(stream);
    }

    /// Ends the unidirectional stream opened first.
    pub(super) fn end_first_uni(&mut self) {
        drop(self.held[0].finish());
    }

    /// Sends this on a request stream of its own and ends it.
    pub(super) async fn ask(&self, bytes: &[u8]) -> anyhow::Result<(SendStream, RecvStream)> {
        let (mut send, receive) = within("a stream", self.quic.open_bi()).await?;
        send.write_all(bytes).await?;
        Ok((send, receive))
    }

    /// The code that the connection was closed with.
    pub(super) async fn closed_with(&self, what: &str) -> u64 {
        match within(what, self.quic.closed()).await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("{what}: {other}"),
        }
    }

    /// Whether a plain request is answered with 200.
    pub(super) async fn is_served(&self) -> bool {
        let bytes = frame(HEADERS, &section(&request("GET", "/.well-known/tidegate/live")));
        let Ok((mut send, mut receive)) = self.ask(&bytes).await else { return false };
        drop(send.finish());
        let answer = within("an answer", receive.read_to_end(64 << 10)).await.unwrap_or_default();
        status(&answer) == Some(200)
    }
}

/// The status of an answer: the first field of its first frame.
pub(super) fn status(answer: &[u8]) -> Option<u16> {
    let lengths = 1 << (answer.get(1)? >> 6);
    match answer.get(1 + lengths + 2..)? {
        [0xd9, ..] => Some(200),
        [0xda, ..] => Some(304),
        [0xdb, ..] => Some(404),
        [0xdc, ..] => Some(503),
        [0x5f, 0x09, 0x03, rest @ ..] => std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok(),
        [0xff, index, ..] => [Some(100), Some(204), Some(206), None, Some(400), Some(403), None, None, Some(500)]
            .get(usize::from(*index))
            .copied()
            .flatten(),
        _ => Some(0),
    }
}
