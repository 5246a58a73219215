//! HTTP/2 frames by hand (RFC 9113 section 4.1), and field sections in plain literals (RFC 7541).

use tidegate_tests::client::{Protocol, RawConnection};
use tidegate_tests::edge::{Edge, HOST};
use tidegate_tests::within;

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const PRIORITY: u8 = 0x2;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PUSH_PROMISE: u8 = 0x5;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;
pub(super) const CONTINUATION: u8 = 0x9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const ACK: u8 = 0x1;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field section in which nothing is indexed or compressed.
pub(super) fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in fields {
        section.push(0x00);
        for text in [name, value] {
            put_length(&mut section, text.len());
            section.extend_from_slice(text.as_bytes());
        }
    }
    section
}

fn put_length(output: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(0x7f) else { return output.push(length as u8) };
    output.push(0x7f);
    while rest >= 0x80 {
        output.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    output.push(rest as u8);
}

/// The four pseudo-headers of a GET.
pub(super) fn request(path: &str) -> Vec<(&str, &str)> {
    vec![(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", path)]
}

/// One frame that came.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub(super) fn code(&self) -> Option<u32> {
        let bytes = match self.kind {
            RST_STREAM => self.payload.get(..4)?,
            GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The status of a response, which is the first field of its section and the first of its connection.
    pub(super) fn status(&self) -> Option<u16> {
        if self.kind != HEADERS {
            return None;
        }
        // Size updates of the dynamic table may come first.
        let start = self.payload.iter().position(|byte| byte & 0xe0 != 0x20)?;
        match self.payload.get(start..)? {
            [index @ 0x88..=0x8e, ..] => Some([200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)]),
            [_, length, rest @ ..] if length & 0x80 != 0 => huffman_digits(rest),
            [_, 3, rest @ ..] => std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// Three digits in Huffman's code (RFC 7541 appendix B).
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let bits: String = bytes.iter().take(3).map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut number) = (bits.as_str(), 0);
    for _ in 0..3 {
        let short = u16::from_str_radix(rest.get(..5)?, 2).ok()?;
        let (digit, length) = match short {
            0..=2 => (short, 5),
            _ => (u16::from_str_radix(rest.get(..6)?, 2).ok()?.checked_sub(0b01_1001)? + 3, 6),
        };
        number = number * 10 + digit;
        rest = &rest[length..];
    }
    Some(number)
}

/// A connection on which the preface and SETTINGS have been exchanged.
pub(super) struct Http2 {
    raw: RawConnection,
    received: Vec<u8>,
}

impl Http2 {
    pub(super) async fn open(edge: &Edge) -> Self {
        let mut connection = Self::bare(edge).await;
        connection.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        let first = connection.next().await.unwrap();
        assert_eq!((first.kind, first.flags), (SETTINGS, 0));
        connection.send(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
        connection
    }

    /// Nothing sent yet.
    pub(super) async fn bare(edge: &Edge) -> Self {
        let opening = RawConnection::speaking(&edge.target(Protocol::Http2), "h2").await;
        Self { raw: opening.unwrap(), received: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        // A server that reads no more must not hold up a test: it is about to close.
        match tokio::time::timeout(std::time::Duration::from_secs(5), self.raw.send(bytes)).await {
            Ok(sent) => sent,
            Err(_) => anyhow::bail!("nobody reads any more"),
        }
    }

    /// The next frame; nothing at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, stream @ ..] = &self.received[..]
                && let Some(stream) = stream.first_chunk::<4>()
            {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if self.received.len() >= 9 + length {
                    let (kind, flags, stream) = (*kind, *flags, u32::from_be_bytes(*stream));
                    let payload = self.received[9..9 + length].to_vec();
                    self.received.drain(..9 + length);
                    return Some(Frame { kind, flags, stream, payload });
                }
            }
            let more = within("a frame or the end", self.raw.receive()).await.unwrap_or_default();
            if more.is_empty() {
                return None;
            }
            self.received.extend_from_slice(&more);
        }
    }
}
