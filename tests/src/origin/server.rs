//! Connections of the scripted origin: reads requests, plays scripts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::record::{Outcome, Recorded};
use super::resource::{Selection, select};
use super::script::{Body, Framing, Script, Step};
use super::wire::{self, RequestReader};
use super::{Gates, State};
use crate::pattern::Pattern;

/// Bytes given to the socket at once.
const PIECE: u64 = 64 * 1024;

/// Accepts until the task is aborted; connections end with it, as their tasks belong to a set that it owns.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // Errors here mean that the edge went away, which tests see in the records.
    let _ended = serve_requests(stream, &state).await;
}

async fn serve_requests(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (input, output) = stream.into_split();
    let mut reader = RequestReader::new(input);
    let mut output = output;
    while let Some(request) = reader.next(&mut output).await? {
        let number = state.records.add(request.clone());
        let script = state.script_for(request.host(), request.path());
        match play(&script, &request, &mut reader, &mut output, &state.gates).await {
            Ok(Connection::KeepAlive) => state.records.end(number, Outcome::Written),
            Ok(Connection::Close) => {
                state.records.end(number, Outcome::Written);
                return output.shutdown().await;
            }
            Ok(Connection::Reset) => {
                state.records.end(number, Outcome::Written);
                return reset(output);
            }
            Err(error) => {
                state.records.end(number, Outcome::PeerLeft);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    KeepAlive,
    Close,
    Reset,
}

/// Plays a script, watching for the peer's departure: a stalled answer must not outlive the one who asked.
async fn play(
    script: &Script,
    request: &Recorded,
    reader: &mut RequestReader<OwnedReadHalf>,
    output: &mut OwnedWriteHalf,
    gates: &Gates,
) -> io::Result<Connection> {
    let mut answer = Answer::new(script, request, output, gates);
    tokio::select! {
        biased;
        played = answer.play(script) => played,
        true = reader.peer_left() => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// An answer being written.
struct Answer<'a> {
    output: &'a mut OwnedWriteHalf,
    gates: &'a Gates,
    content: Content,
    head: String,
    framing: Framing,
    position: u64,
    end: u64,
}

impl<'a> Answer<'a> {
    fn new(script: &Script, request: &Recorded, output: &'a mut OwnedWriteHalf, gates: &'a Gates) -> Self {
        let content = Content::new(&script.body, request);
        let size = content.size();
        let selection = select(script, request, size);
        let (status, position, end) = match selection {
            Selection::Whole => (script.status, 0, size),
            Selection::NotModified => (304, 0, 0),
            Selection::Part { start, end } => (206, start, end),
            Selection::Unsatisfiable => (416, 0, 0),
        };
        let bodiless = request.method == "HEAD" || matches!(status, 204 | 304) || status < 200;
        let framing = if bodiless { Framing::Length } else { script.framing };
        let head = wire::head(status, &fields(script, selection, end - position, size));
        Self { output, gates, content, head, framing, position, end: if bodiless { position } else { end } }
    }

    async fn play(&mut self, script: &Script) -> io::Result<Connection> {
        for step in &script.before {
            if let Some(end) = self.step(step).await? {
                return Ok(end);
            }
        }
        self.output.write_all(self.head.as_bytes()).await?;
        for step in &script.steps {
            if let Some(end) = self.step(step).await? {
                return Ok(end);
            }
        }
        self.send(self.end - self.position).await?;
        self.finish(script).await
    }

    /// Does one step; says so when it ends the answer.
    async fn step(&mut self, step: &Step) -> io::Result<Option<Connection>> {
        match step {
            Step::Send(bytes) => self.send(*bytes).await?,
            Step::Gate(name) => self.gates.gate(name).pass().await,
            Step::Pause(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Step::Raw(bytes) => self.output.write_all(bytes.as_bytes()).await?,
            Step::Hang => std::future::pending().await,
            Step::Close => return Ok(Some(Connection::Close)),
            Step::Reset => return Ok(Some(Connection::Reset)),
        }
        Ok(None)
    }

    /// Sends so many bytes, or what is left; as one chunk when chunked.
    async fn send(&mut self, bytes: u64) -> io::Result<()> {
        let end = self.end.min(self.position + bytes);
        if end == self.position {
            return Ok(());
        }
        let chunked = self.framing == Framing::Chunked;
        if chunked {
            self.output.write_all(format!("{:x}\r\n", end - self.position).as_bytes()).await?;
        }
        while self.position < end {
            let next = end.min(self.position + PIECE);
            let piece = self.content.bytes(self.position, next);
            self.output.write_all(&piece).await?;
            self.position = next;
        }
        if chunked {
            self.output.write_all(b"\r\n").await?;
        }
        Ok(())
    }

    async fn finish(&mut self, script: &Script) -> io::Result<Connection> {
        match self.framing {
            Framing::Length => Ok(Connection::KeepAlive),
            Framing::Close | Framing::FalseLength(_) => Ok(Connection::Close),
            Framing::Chunked => {
                let trailers = script.trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                let end = format!("0\r\n{}\r\n", trailers.collect::<String>());
                self.output.write_all(end.as_bytes()).await?;
                Ok(Connection::KeepAlive)
            }
        }
    }
}

/// Fields of an answer with those that its framing and selection add.
fn fields(script: &Script, selection: Selection, length: u64, size: u64) -> Vec<(String, String)> {
    let mut fields = script.fields.clone();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    match selection {
        Selection::Part { start, end } => add("content-range", format!("bytes {start}-{}/{size}", end - 1)),
        Selection::Unsatisfiable => add("content-range", format!("bytes */{size}")),
        Selection::Whole | Selection::NotModified => {}
    }
    let bodiless = matches!(script.status, 204 | 304) || selection == Selection::NotModified;
    match script.framing {
        Framing::Length if bodiless => {}
        Framing::Length => add("content-length", length.to_string()),
        Framing::FalseLength(false_length) => add("content-length", false_length.to_string()),
        Framing::Chunked if bodiless => {}
        Framing::Chunked => add("transfer-encoding", "chunked".to_owned()),
        Framing::Close => add("connection", "close".to_owned()),
    }
    fields
}

/// A body whose bytes can be had at any place.
enum Content {
    Known(Vec<u8>),
    Pattern { pattern: Pattern, size: u64 },
}

impl Content {
    fn new(body: &Body, request: &Recorded) -> Self {
        match body {
            Body::Empty => Self::Known(Vec::new()),
            Body::Text(text) => Self::Known(text.clone().into_bytes()),
            Body::Pattern { seed, size } => Self::Pattern { pattern: Pattern::new(*seed), size: *size },
            Body::Echo => Self::Known(request.body.to_vec()),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Known(bytes) => bytes.len() as u64,
            Self::Pattern { size, .. } => *size,
        }
    }

    fn bytes(&self, start: u64, end: u64) -> Vec<u8> {
        let index = |position: u64| usize::try_from(position).expect("a known body fits in memory");
        match self {
            Self::Known(bytes) => bytes[index(start)..index(end)].to_vec(),
            Self::Pattern { pattern, .. } => pattern.bytes(start, end),
        }
    }
}

/// Closes with a TCP reset: SO_LINGER of zero, and unread data has the same effect.
fn reset(output: OwnedWriteHalf) -> io::Result<()> {
    let socket = socket2::SockRef::from(output.as_ref());
    socket.set_linger(Some(Duration::ZERO))?;
    output.forget();
    Ok(())
}
