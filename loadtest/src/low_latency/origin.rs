//! The origin of one live stream: parts come at a steady pace, and requests for what is to come are held back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use super::wire::Buffer;

/// Parts of one segment.
pub(super) const PARTS_A_SEGMENT: u64 = 10;

/// How a part begins, by which caches may know it: a box `styp` and nothing else.
const PART_BEGINS: [u8; 8] = *b"\0\0\0\x08styp";

/// A live stream.
pub(super) struct Stream {
    start: Instant,
    part: Duration,
    /// How many parts there will be.
    pub(super) parts: u64,
    size: usize,
    playlists: AtomicU64,
    media: AtomicU64,
    released: Mutex<HashMap<u64, Instant>>,
}

impl Stream {
    pub(super) fn new(start: Instant, part: Duration, parts: u64, size: usize) -> Self {
        let (playlists, media) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { start, part, parts, size, playlists, media, released: Mutex::default() }
    }

    /// When the origin first let go of the playlist with this part.
    pub(super) fn released(&self, part: u64) -> Option<Instant> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).get(&part).copied()
    }

    /// Requests for playlists and for parts so far.
    pub(super) fn requests(&self) -> (u64, u64) {
        (self.playlists.load(Ordering::Relaxed), self.media.load(Ordering::Relaxed))
    }

    async fn until_due(&self, part: u64) {
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        sleep_until(self.start + self.part * part).await;
    }

    /// A head and its body.
    async fn answer(&self, target: &str) -> Vec<u8> {
        if let Some(part) = wanted_by_playlist(target) {
            self.playlists.fetch_add(1, Ordering::Relaxed);
            self.until_due(part).await;
            let body = self.playlist(part);
            let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
            released.entry(part).or_insert_with(Instant::now);
            return message("200 OK", "application/vnd.apple.mpegurl", body.as_bytes());
        }
        let Some(part) = target.strip_prefix("/live/p").and_then(|rest| rest.strip_suffix(".mp4")?.parse().ok()) else {
            return message("404 Not Found", "text/plain", b"");
        };
        self.media.fetch_add(1, Ordering::Relaxed);
        self.until_due(part).await;
        let mut body = vec![0; self.size.max(PART_BEGINS.len())];
        body[..PART_BEGINS.len()].copy_from_slice(&PART_BEGINS);
        message("200 OK", "video/mp4", &body)
    }

    /// The playlist that ends with this part.
    fn playlist(&self, part: u64) -> String {
        let seconds = self.part.as_secs_f64();
        let (segment, within) = (part / PARTS_A_SEGMENT, part % PARTS_A_SEGMENT);
        let target = (self.part * 10).as_secs().max(1);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n\
             #EXT-X-PART-INF:PART-TARGET={seconds}\n#EXT-X-MEDIA-SEQUENCE:{segment}\n"
        );
        for number in part - within..=part {
            text.push_str(&format!("#EXT-X-PART:DURATION={seconds},URI=\"p{number}.mp4\"\n"));
        }
        text.push_str(&format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p{}.mp4\"\n", part + 1));
        text
    }
}

/// The number of the part that a request for a playlist waits for.
fn wanted_by_playlist(target: &str) -> Option<u64> {
    let query = target.strip_prefix("/live/v.m3u8?_HLS_msn=")?;
    let (segment, part) = query.split_once("&_HLS_part=")?;
    let segment: u64 = segment.parse().ok()?;
    segment.checked_mul(PARTS_A_SEGMENT)?.checked_add(part.parse().ok()?)
}

fn message(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Serves until it is aborted.
pub(super) async fn serve(listener: TcpListener, stream: Arc<Stream>) {
    while let Ok((connection, _)) = listener.accept().await {
        let stream = Arc::clone(&stream);
        tokio::spawn(async move { drop(converse(connection, &stream).await) });
    }
}

async fn converse(mut connection: TcpStream, stream: &Stream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut buffer = Buffer::default();
    while let Some(head) = buffer.head(&mut connection).await? {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let answer = stream.answer(target).await;
        connection.write_all(&answer).await?;
    }
    Ok(())
}
