//! As much of HTTP/1.1 as one origin and its players need of each other.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// Longest body that is read.
const MAX_BODY: usize = 64 << 20;

/// What was read of a connection and is not used yet.
#[derive(Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// The next head, without its empty line; nothing when the connection has ended in between.
    pub(super) async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.0.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.0[..end].to_vec()).context("a head that is no text")?;
                self.0.drain(..end + 4);
                return Ok(Some(head));
            }
            if self.0.len() > MAX_HEAD {
                bail!("a head without end");
            }
            if stream.read_buf(&mut self.0).await? == 0 {
                return if self.0.is_empty() { Ok(None) } else { bail!("cut within a head") };
            }
        }
    }

    /// Reads a body of this length and forgets it.
    pub(super) async fn body(&mut self, stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<()> {
        if length > MAX_BODY {
            bail!("a body of {length} bytes");
        }
        while self.0.len() < length {
            if stream.read_buf(&mut self.0).await? == 0 {
                bail!("cut within a body");
            }
        }
        self.0.drain(..length);
        Ok(())
    }
}

/// The value of `Content-Length`.
pub(super) fn content_length(head: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.trim().parse().ok()
}
