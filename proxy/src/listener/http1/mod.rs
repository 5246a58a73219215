//! HTTP/1.1 on one connection.
//!
//! Owns the time between requests: it waits for the next header section within the limits, hands it to the proxy, and
//! decides whether the connection goes on. Requests that were pipelined wait in the stream and are served one after
//! the other (RFC 9112 section 9.3.2). Parsing, bodies and responses are Pingora's and the proxy's.

mod chunks;
mod grammar;
mod head;

use std::fmt::Debug;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;

use bytes::BytesMut;
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::Shutdown;
use pingora_core::protocols::http::ServerSession;
use tidegate_config::model::Limits;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

pub(super) use self::chunks::ChunkScanner;
pub(super) use self::grammar::plain_length;
use self::head::Head;
use super::Protocol;
use super::client_stream::ClientStream;
use super::gathering::Gathering;
use super::patience::{Closing, DRAIN_LINGER, Deadline};
use super::ready_response::{Application, ReadyResponse};
use super::refusal::RequestRefusal;
use super::tcp::ListenerContext;

/// Bytes of the header section at the front, if it is whole and accepted.
pub(super) fn head_length(bytes: &[u8], limits: &Limits) -> Option<usize> {
    match head::examine(bytes, limits) {
        Head::Complete { length, .. } => Some(length),
        Head::Partial | Head::Refused(_) => None,
    }
}

/// Pieces of a stored body handed to the kernel in one call: it takes what its buffer holds, so that more calls than
/// that only cost. With pieces of 256 KiB more than a socket's buffer takes by default.
const PIECES_AT_ONCE: usize = 16;

/// What came of waiting for a request.
enum Next {
    Request(BytesMut),
    Refused(RequestRefusal),
    /// The client has left, or the wait is over.
    End,
}

/// One reason to stop waiting.
enum Event {
    Read(io::Result<usize>),
    Closing,
    Deadline,
}

/// Serves the connection to its end.
pub(super) async fn serve<A, S>(
    context: &ListenerContext<A>,
    mut stream: Box<ClientStream<Gathering<S>>>,
    limits: &Limits,
    closing: watch::Receiver<bool>,
) where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send + Sync + Debug + 'static,
{
    let mut wait = Wait::new(limits, closing);
    let gathered = stream.gathered();
    let mut settings = None;
    for served in 1..=limits.requests_per_connection {
        let head = match wait.next_request(&mut stream).await {
            Next::Request(head) => head,
            Next::Refused(refusal) => {
                log::debug!(refusal:?; "request refused");
                context.observer.rejected(Protocol::Http1, refusal.status().as_u16());
                return refuse(stream, refusal).await;
            }
            Next::End => return Shutdown::shutdown(&mut *stream).await,
        };
        let last = served == limits.requests_per_connection || wait.is_over();
        if !last && let Some((ready, response_head)) = ready_response(&*context.app, &head) {
            if write_ready(&stream, ready, response_head).await.is_err() {
                return;
            }
            stream.end_request();
            stream.reuse_buffer(head);
            continue;
        }
        let session = new_session(stream, head, settings.take(), limits, last);
        let answering = context.app.process_new_http(session, wait.closing.signal());
        let Some(reused) = gathered.send_off_while_waiting(answering).await else { return };
        let Some(returned) = take_back(reused, &mut settings) else { return };
        stream = returned;
    }
    Shutdown::shutdown(&mut *stream).await;
}

fn ready_response<A: Application>(app: &A, head: &[u8]) -> Option<(Box<dyn ReadyResponse>, Vec<u8>)> {
    let mut ready = app.ready_response(head)?;
    let response_head = ready.head()?;
    Some((ready, response_head))
}

/// Writes a response that is there, as much of it at once as may be.
async fn write_ready<S>(
    stream: &ClientStream<Gathering<S>>,
    mut ready: Box<dyn ReadyResponse>,
    head: Vec<u8>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut sent = 0;
    let written = write_pieces(stream.gathering(), &mut *ready, &head, &mut sent).await;
    ready.sent(sent.saturating_sub(head.len() as u64), written.as_ref().err());
    written
}

async fn write_pieces<S>(
    stream: &Gathering<S>,
    ready: &mut dyn ReadyResponse,
    head: &[u8],
    sent: &mut u64,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(first) = ready.next_piece() else {
        return stream.send(&mut [IoSlice::new(head)], sent).await;
    };
    let mut head = Some(head);
    let mut next = Some(first);
    while let Some(first) = next.take() {
        let mut pieces = vec![first];
        while pieces.len() < PIECES_AT_ONCE {
            let Some(piece) = ready.next_piece() else { break };
            pieces.push(piece);
        }
        if pieces.len() == PIECES_AT_ONCE {
            next = ready.next_piece();
        }
        let bodies = pieces.iter().map(|piece| IoSlice::new(piece));
        let mut slices: Vec<_> = head.take().map(IoSlice::new).into_iter().chain(bodies).collect();
        stream.send(&mut slices, sent).await?;
    }
    Ok(())
}

fn new_session<S>(
    stream: Box<ClientStream<S>>,
    head: BytesMut,
    settings: Option<HttpPersistentSettings>,
    limits: &Limits,
    last: bool,
) -> ServerSession
where
    S: AsyncRead + AsyncWrite + Unpin + Send + Sync + Debug + 'static,
{
    let mut session = ServerSession::new_http1(stream);
    if let Some(settings) = settings {
        settings.apply_to_session(&mut session);
    }
    // No reuse left makes the response say `Connection: close`. Reading the request resets every other switch.
    session.set_keepalive_reuses_remaining(last.then_some(0));
    session.set_pipelined_prefix(head);
    session.set_read_timeout(Some(limits.body_timeout));
    session.set_total_drain_timeout(Some(limits.body_timeout));
    // A client may send its request, close its side and still read the response (RFC 9112 section 9.6).
    session.set_abort_on_close(false);
    // Without it one slow reader would hold up what shares its origin's response.
    session.set_proxy_tasks_enabled(true);
    session
}

/// The stream when the connection goes on, with what Pingora keeps for the next request.
fn take_back<S: 'static>(
    reused: ReusedHttpStream,
    settings: &mut Option<HttpPersistentSettings>,
) -> Option<Box<ClientStream<S>>> {
    let (stream, kept) = reused.consume();
    *settings = kept;
    let mut stream = stream.into_any().downcast::<ClientStream<S>>().ok()?;
    stream.end_request();
    Some(stream)
}

async fn refuse<S>(mut stream: Box<ClientStream<S>>, refusal: RequestRefusal)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // The client is not owed more than the attempt.
    if stream.write_all(refusal.http1_response().as_bytes()).await.is_ok() {
        stream.expect_rest();
        Shutdown::shutdown(&mut *stream).await;
    }
}

/// Waiting for requests, within the limits of the connection.
struct Wait<'a> {
    limits: &'a Limits,
    closing: Closing,
    deadline: Deadline,
    /// When the connection has lived long enough.
    end_of_life: Instant,
}

impl<'a> Wait<'a> {
    fn new(limits: &'a Limits, closing: watch::Receiver<bool>) -> Self {
        let now = Instant::now();
        Self {
            limits,
            closing: Closing::new(closing),
            deadline: Deadline::new(now + limits.idle_timeout),
            end_of_life: now + limits.connection_lifetime,
        }
    }

    /// Whether the request at hand is to be the last.
    fn is_over(&self) -> bool {
        self.closing.has_begun() || Instant::now() >= self.end_of_life
    }

    async fn next_request<S>(&mut self, stream: &mut ClientStream<S>) -> Next
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut begun = false;
        let mut skipped = 0;
        self.await_first_byte();
        loop {
            let empty_lines = head::leading_empty_lines(stream.unread());
            stream.skip(empty_lines);
            skipped += empty_lines;
            if head::too_many_empty_lines(skipped) {
                return Next::Refused(RequestRefusal::Malformed("empty lines without end"));
            }
            match head::examine(stream.unread(), self.limits) {
                Head::Complete { length, framing } => return Next::Request(stream.take_head(length, framing)),
                Head::Refused(refusal) => return Next::Refused(refusal),
                Head::Partial => {}
            }
            if !begun && !stream.unread().is_empty() {
                begun = true;
                self.deadline.set(Instant::now() + self.limits.header_timeout);
            }
            match self.event(stream).await {
                Event::Read(Ok(read)) if read > 0 => {}
                Event::Closing if !begun => self.deadline.set_earlier(Instant::now() + DRAIN_LINGER),
                Event::Closing => {}
                Event::Deadline if begun => return Next::Refused(RequestRefusal::HeaderTimeout),
                Event::Read(_) | Event::Deadline => return Next::End,
            }
        }
    }

    fn await_first_byte(&mut self) {
        let now = Instant::now();
        let patience = if self.closing.has_begun() { DRAIN_LINGER } else { self.limits.idle_timeout };
        self.deadline.set((now + patience).min(self.end_of_life.max(now + DRAIN_LINGER)));
    }

    async fn event<S>(&mut self, stream: &mut ClientStream<S>) -> Event
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        poll_fn(|context| {
            // What has arrived is served before a deadline or a drain is looked at.
            if let Poll::Ready(read) = stream.poll_fill(context) {
                return Poll::Ready(Event::Read(read));
            }
            if self.closing.poll(context).is_ready() {
                return Poll::Ready(Event::Closing);
            }
            self.deadline.poll(context).map(|()| Event::Deadline)
        })
        .await
    }
}
