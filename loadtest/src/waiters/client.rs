//! One client: one GET, and the times of what comes.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Most that is read at once: with more, whoever is read first would hold up the clocks of all others.
const READ: usize = 64 << 10;

/// Longest head.
const MAX_HEAD: usize = 16 << 10;

/// What is asked for, and where.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    pub(super) host: String,
    pub(super) path: String,
}

/// What the body must be, if that is known.
pub(super) struct Right(pub(super) Option<Vec<u8>>);

/// When what came.
pub(super) struct Seen {
    pub(super) asked: Instant,
    pub(super) first_byte: Instant,
    pub(super) first_body_byte: Instant,
    pub(super) all: Instant,
}

/// Asks, and compares what comes as it comes.
pub(super) async fn get(mut connection: TcpStream, way: &Way, right: &Right) -> Result<Seen> {
    let asked = Instant::now();
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", way.path, way.host);
    connection.write_all(request.as_bytes()).await?;
    let (mut buffer, mut head) = (vec![0; READ], Vec::new());
    let mut first_byte = None;
    let end = loop {
        let read = receive(&connection, &mut buffer).await?;
        ensure!(read > 0, "cut within the head");
        first_byte.get_or_insert_with(Instant::now);
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        ensure!(head.len() <= MAX_HEAD, "a head without end");
    };
    let (length, body) = (length(&head[..end])?, head.split_off(end + 4));
    let expected = right.0.as_deref();
    ensure!(expected.is_none_or(|right| right.len() == length), "a body of {length} bytes");
    let mut first_body_byte = (!body.is_empty()).then_some(first_byte).flatten();
    let mut position = compare(&body, 0, expected)?;
    while position < length {
        let read = receive(&connection, &mut buffer).await?;
        if read == 0 {
            bail!("cut at byte {position} of {length}");
        }
        first_body_byte.get_or_insert_with(Instant::now);
        position = compare(&buffer[..read], position, expected)?;
    }
    let all = Instant::now();
    let first_byte = first_byte.unwrap_or(all);
    Ok(Seen { asked, first_byte, first_body_byte: first_body_byte.unwrap_or(all), all })
}

async fn receive(connection: &TcpStream, buffer: &mut [u8]) -> Result<usize> {
    // Others first: who has much to read must not hold up the clocks of those whose first byte has come.
    tokio::task::yield_now().await;
    loop {
        connection.readable().await?;
        match connection.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Ok(read?),
        }
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).context("a head that is no text")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "{status}");
    let fields = lines.filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).context("no length")
}

/// The position behind these bytes, which must be the right ones.
fn compare(bytes: &[u8], position: usize, right: Option<&[u8]>) -> Result<usize> {
    let end = position + bytes.len();
    let wrong = right.is_some_and(|right| right.get(position..end) != Some(bytes));
    ensure!(!wrong, "wrong bytes from {position} on");
    Ok(end)
}
