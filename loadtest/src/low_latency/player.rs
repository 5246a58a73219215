//! One player.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::origin::{PARTS_A_SEGMENT, Stream};
use super::wire::{Buffer, content_length};

/// What a player has seen.
#[derive(Default)]
pub(super) struct Played {
    /// How long after the origin let go of each playlist it was here.
    pub(super) delays: Vec<Duration>,
    /// Answers that were as they should be.
    pub(super) answers: u64,
    /// 1 when it was cut off.
    pub(super) failed: u64,
}

/// Plays all parts.
pub(super) async fn play(edge: SocketAddr, host: String, stream: Arc<Stream>) -> Played {
    let mut played = Played::default();
    if let Err(error) = follow(edge, &host, &stream, &mut played).await {
        eprintln!("a player was cut off: {error:#}");
        played.failed = 1;
    }
    played
}

async fn follow(edge: SocketAddr, host: &str, stream: &Stream, played: &mut Played) -> Result<()> {
    let mut connection = TcpStream::connect(edge).await.context("cannot connect")?;
    connection.set_nodelay(true)?;
    let mut buffer = Buffer::default();
    for part in 0..stream.parts {
        let (segment, within) = (part / PARTS_A_SEGMENT, part % PARTS_A_SEGMENT);
        let playlist = format!("/live/v.m3u8?_HLS_msn={segment}&_HLS_part={within}");
        get(&mut connection, &mut buffer, host, &playlist).await?;
        let here = Instant::now();
        let released = stream.released(part).context("a playlist that the origin has not let go of")?;
        played.delays.push(here.duration_since(released));
        played.answers += 1;
        get(&mut connection, &mut buffer, host, &format!("/live/p{part}.mp4")).await?;
        played.answers += 1;
    }
    Ok(())
}

async fn get(connection: &mut TcpStream, buffer: &mut Buffer, host: &str, target: &str) -> Result<()> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let head = buffer.head(connection).await?.context("the connection has ended")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{target}: {}", head.lines().next().unwrap_or_default());
    }
    let length = content_length(&head).with_context(|| format!("{target}: no length"))?;
    buffer.body(connection, length).await
}
