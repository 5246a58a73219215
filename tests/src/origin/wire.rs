//! Reading requests and writing heads: HTTP/1.1 as far as the edge speaks it to origins.

use std::fmt::Write as _;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _};

use super::record::{Outcome, Recorded};

/// Longest head that is read: twice what the edge accepts from clients.
const MAX_HEAD: usize = 128 * 1024;
/// Longest request body that is kept.
const MAX_BODY: usize = 128 * 1024 * 1024;

/// Bytes read ahead of what has been parsed, and where more come from.
pub(super) struct RequestReader<R> {
    input: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> RequestReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: BytesMut::new() }
    }

    /// The next request with its body, or nothing when the connection ended between two. Who waits to be told to send
    /// the body is told so by `output`.
    pub(super) async fn next(&mut self, output: &mut (impl AsyncWrite + Unpin)) -> io::Result<Option<Recorded>> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let mut request = parse_head(&head)?;
        if request.field("expect").is_some() {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = self.body(&request).await?;
        Ok(Some(request))
    }

    /// Waits until the peer sends more or leaves; true when it left.
    pub(super) async fn peer_left(&mut self) -> bool {
        loop {
            match self.input.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return true,
                Ok(_) if self.buffer.len() > MAX_HEAD => return true,
                Ok(_) => {}
            }
        }
    }

    async fn head(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.buffer.split_to(end + 4).freeze()));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::Error::other("request head too long"));
            }
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    async fn body(&mut self, request: &Recorded) -> io::Result<Bytes> {
        if request.field("transfer-encoding").is_some() {
            return self.chunks().await;
        }
        match request.field("content-length") {
            Some(length) => self.exactly(length.trim().parse().map_err(io::Error::other)?).await,
            None => Ok(Bytes::new()),
        }
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(io::Error::other)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            if body.len() + size > MAX_BODY {
                return Err(io::Error::other("request body too long"));
            }
            let chunk = self.exactly(size + 2).await?;
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.input.read_buf(&mut self.buffer).await? == 0 || self.buffer.len() > MAX_BODY {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        if length > MAX_BODY {
            return Err(io::Error::other("request body too long"));
        }
        while self.buffer.len() < length {
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }
}

fn parse_head(head: &[u8]) -> io::Result<Recorded> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Ok(Recorded {
        method: method.to_owned(),
        target: target.to_owned(),
        fields,
        body: Bytes::new(),
        outcome: Outcome::Running,
    })
}

/// A response head, ending with the empty line.
pub(super) fn head(status: u16, fields: &[(String, String)]) -> String {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in fields {
        write!(text, "{name}: {value}\r\n").expect("writing to a string cannot fail");
    }
    text.push_str("\r\n");
    text
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
