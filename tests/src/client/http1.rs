//! HTTP/1.1 by hand, so that framing is seen: how each body ended is part of what tests assert.

use std::fmt::Write as _;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, WriteHalf};

use super::Piece;
use super::message::{End, Head, Request, Response, bodiless};
use super::raw::{RawConnection, RawReader, Transport};

/// Longest head of a response that is read.
const MAX_HEAD: usize = 256 * 1024;

/// How the rest of a body is framed (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// A chunk's size line is next.
    ChunkSize,
    /// So many bytes of a chunk are to come, then its line end.
    Chunk(u64),
    /// Until the connection closes.
    Close,
}

/// The body of a response, with the connection it comes over.
pub(super) struct Body {
    reader: RawReader,
    framing: Framing,
    // Holds the sending half, as dropping that would tell the server that we left.
    sending: tokio::task::JoinHandle<WriteHalf<Box<dyn Transport>>>,
}

/// Sends a request over a fresh connection and reads the response's head. The body goes out beside it: a server
/// may answer before it has read all.
pub(super) async fn open(connection: RawConnection, request: &Request) -> anyhow::Result<(Head, Body)> {
    let RawConnection { mut reader, mut writer, .. } = connection;
    let (head, body) = (request_head(request), request.body.clone());
    let sending = tokio::spawn(async move {
        // A server that refuses a body closes early; its response still counts.
        if writer.write_all(&head).await.is_ok() && writer.write_all(&body).await.is_ok() {
            let _flushed = writer.flush().await;
        }
        writer
    });
    let head = read_head(&mut reader, request).await?;
    let framing = framing(&head)?;
    Ok((head, Body { reader, framing, sending }))
}

impl Body {
    pub(super) async fn next(&mut self) -> Piece {
        next(&mut self.reader, &mut self.framing).await
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// Reads the body that belongs to this head.
pub(super) async fn read_response(reader: &mut RawReader, head: Head) -> anyhow::Result<Response> {
    let mut framing = framing(&head)?;
    let mut body = Vec::new();
    loop {
        match next(reader, &mut framing).await {
            Piece::Data(data) => body.extend_from_slice(&data),
            Piece::End(end, trailers) => {
                let Head { status, fields, interim, .. } = head;
                return Ok(Response { status, fields, body: Bytes::from(body), trailers, end, interim });
            }
        }
    }
}

/// A request's head as bytes.
pub(super) fn request_head(request: &Request) -> Vec<u8> {
    let Request { method, target, authority, fields, .. } = request;
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {authority}\r\n");
    for (name, value) in fields {
        write!(head, "{name}: {value}\r\n").expect("writing to a string cannot fail");
    }
    if request.has_body() {
        write!(head, "content-length: {}\r\n", request.body.len()).expect("writing to a string cannot fail");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Reads a final head, and the interim ones (1xx) that precede it.
pub(super) async fn read_head(reader: &mut RawReader, request: &Request) -> anyhow::Result<Head> {
    let mut interim = Vec::new();
    loop {
        let head = read_any_head(reader, &request.method).await?;
        if head.status >= 200 {
            return Ok(head.behind(interim));
        }
        interim.push(head.into_interim(request));
    }
}

/// Reads the next head, interim or final.
pub(super) async fn read_any_head(reader: &mut RawReader, method: &str) -> anyhow::Result<Head> {
    let head = until(reader, b"\r\n\r\n").await.context("a response head")?;
    parse_head(&head, method)
}

fn parse_head(bytes: &[u8], method: &str) -> anyhow::Result<Head> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.1 ").with_context(|| format!("status line {status_line:?}"))?;
    let status = rest.get(..3).and_then(|digits| digits.parse().ok());
    let status = status.with_context(|| format!("status line {status_line:?}"))?;
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("field line {line:?}"))?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Head { status, fields, bodiless: bodiless(method, status), interim: Vec::new() })
}

fn framing(head: &Head) -> anyhow::Result<Framing> {
    let lengths = head.fields.iter().filter(|(name, _)| name == "content-length").count();
    match (head.field("transfer-encoding"), head.field("content-length")) {
        _ if head.bodiless => Ok(Framing::Length(0)),
        (Some(_), Some(_)) => anyhow::bail!("both Transfer-Encoding and Content-Length"),
        (Some("chunked"), None) => Ok(Framing::ChunkSize),
        (Some(other), None) => anyhow::bail!("Transfer-Encoding: {other}"),
        (None, Some(_)) if lengths > 1 => anyhow::bail!("{lengths} Content-Length fields"),
        (None, Some(length)) => Ok(Framing::Length(length.parse().context("Content-Length")?)),
        (None, None) => Ok(Framing::Close),
    }
}

async fn next(reader: &mut RawReader, framing: &mut Framing) -> Piece {
    match advance(reader, framing).await {
        Ok(piece) => piece,
        Err(error) => Piece::End(End::Broken(format!("{error:#}")), Vec::new()),
    }
}

async fn advance(reader: &mut RawReader, framing: &mut Framing) -> anyhow::Result<Piece> {
    loop {
        match *framing {
            Framing::Length(0) => return Ok(Piece::End(End::Clean, Vec::new())),
            Framing::Length(left) => {
                let data = some(reader, left).await?.context("the connection ended within the body")?;
                *framing = Framing::Length(left - data.len() as u64);
                return Ok(Piece::Data(data));
            }
            Framing::Close => match some(reader, u64::MAX).await? {
                Some(data) => return Ok(Piece::Data(data)),
                None => return Ok(Piece::End(End::Clean, Vec::new())),
            },
            Framing::ChunkSize => match chunk_size(reader).await? {
                0 => return Ok(Piece::End(End::Clean, trailers(reader).await?)),
                size => *framing = Framing::Chunk(size),
            },
            Framing::Chunk(0) => {
                let line = until(reader, b"\r\n").await?;
                anyhow::ensure!(line.len() == 2, "a chunk is longer than its size");
                *framing = Framing::ChunkSize;
            }
            Framing::Chunk(left) => {
                let data = some(reader, left).await?.context("the connection ended within a chunk")?;
                *framing = Framing::Chunk(left - data.len() as u64);
                return Ok(Piece::Data(data));
            }
        }
    }
}

async fn chunk_size(reader: &mut RawReader) -> anyhow::Result<u64> {
    let line = until(reader, b"\r\n").await.context("a chunk's size")?;
    let text = String::from_utf8_lossy(&line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {text:?}"))
}

async fn trailers(reader: &mut RawReader) -> anyhow::Result<Vec<(String, String)>> {
    let mut trailers = Vec::new();
    loop {
        let line = until(reader, b"\r\n").await.context("trailers")?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            return Ok(trailers);
        }
        let (name, value) = text.split_once(':').with_context(|| format!("trailer line {text:?}"))?;
        trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Some bytes, at most `limit`; nothing at the end of the connection.
async fn some(reader: &mut RawReader, limit: u64) -> anyhow::Result<Option<Bytes>> {
    if reader.buffer.is_empty() && reader.fill().await? == 0 {
        return Ok(None);
    }
    let length = usize::try_from(limit).unwrap_or(usize::MAX).min(reader.buffer.len());
    Ok(Some(reader.buffer.split_to(length).freeze()))
}

/// Everything up to and with `end`.
async fn until(reader: &mut RawReader, end: &[u8]) -> anyhow::Result<Bytes> {
    loop {
        let found = reader.buffer.windows(end.len()).position(|window| window == end);
        if let Some(position) = found {
            return Ok(reader.buffer.split_to(position + end.len()).freeze());
        }
        anyhow::ensure!(reader.buffer.len() <= MAX_HEAD, "more than {MAX_HEAD} bytes without an end");
        let length = reader.buffer.len();
        anyhow::ensure!(reader.fill().await? > 0, "the connection ended after {length} bytes");
    }
}
