//! Bodies of responses: memory as it is, files in pieces as the client takes them, several ranges as one multipart
//! body. Lengths are known beforehand; a body that cannot be completed fails, it never ends early as if it were whole.

use std::{collections::VecDeque, io, ops::RangeInclusive};

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
};

use crate::resource::Source;

/// The body of every response of this crate.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Each read of a file is a trip to another thread, so larger is cheaper; 128 KiB keeps a thousand connections
/// within 128 MiB.
const READ_SIZE: u64 = 128 * 1024;

/// A part of a body that is still to be sent.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes made here: the header of a part.
    Made(Bytes),
    /// Bytes of the file, inclusive at both ends.
    OfFile(RangeInclusive<u64>),
}

/// No body at all.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A short text made here.
pub(crate) fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

/// The pieces one after another. Every range must lie within the file.
pub(crate) fn pieces(source: Source, pieces: impl IntoIterator<Item = Piece>) -> Body {
    let sender = Sender { source, pieces: pieces.into_iter().collect(), position: 0 };
    let frames = stream::try_unfold(sender, |mut sender| async move {
        let chunk = sender.next_chunk().await?;
        Ok(chunk.map(|chunk| (Frame::data(chunk), sender)))
    });
    StreamBody::new(frames).boxed_unsync()
}

struct Sender {
    source: Source,
    pieces: VecDeque<Piece>,
    /// Where the next read of the file would begin.
    position: u64,
}

impl Sender {
    async fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let range = match self.pieces.pop_front() {
            None => return Ok(None),
            Some(Piece::Made(bytes)) => return Ok(Some(bytes)),
            Some(Piece::OfFile(range)) => range,
        };
        let (start, end) = range.into_inner();
        let chunk = match &mut self.source {
            Source::Memory(bytes) => part_of(bytes, start, end)?,
            Source::File(file) => read(file, &mut self.position, start, end).await?,
        };
        let next = start + chunk.len() as u64;
        if next <= end {
            self.pieces.push_front(Piece::OfFile(next..=end));
        }
        Ok(Some(chunk))
    }
}

fn part_of(bytes: &Bytes, start: u64, end: u64) -> io::Result<Bytes> {
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let (start, end) = bounds.filter(|(_, end)| *end < bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(bytes.slice(start..=end))
}

/// Reads at least one byte. A file that has become shorter since its length was announced is an error.
async fn read(file: &mut File, position: &mut u64, start: u64, end: u64) -> io::Result<Bytes> {
    if *position != start {
        *position = file.seek(SeekFrom::Start(start)).await?;
    }
    let wanted = (end - start + 1).min(READ_SIZE);
    let mut buffer = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or_default());
    let mut limited = file.take(wanted);
    let count = limited.read_buf(&mut buffer).await?;
    if count == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter while it was sent"));
    }
    *position += count as u64;
    Ok(buffer.freeze())
}
