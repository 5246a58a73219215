//! HTTP/1.1 on one connection.
//!
//! Owns the time between requests: it waits for the next header section within the limits, hands it to the proxy, and
//! decides whether the connection goes on. Requests that were pipelined wait in the stream and are served one after
//! the other (RFC 9112 section 9.3.2). Parsing, bodies and responses are Pingora's and the proxy's.

mod chunks;
mod grammar;
mod head;
mod known_fields;

use std::cell::Cell;
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
use self::head::{Head, PlainLine};
use self::known_fields::KnownFields;
use super::client_stream::ClientStream;
use super::gathering::Gathering;
use super::patience::{Closing, DRAIN_LINGER, Deadline};
use super::ready_response::{Application, FieldsNumber, PlainHead, ReadyResponses};
use super::refusal::RequestRefusal;
use super::tcp::ListenerContext;
use super::{CONNECTION, Protocol};

/// Bytes of the header section at the front, if it is whole and accepted.
pub(super) fn head_length(bytes: &[u8], limits: &Limits) -> Option<usize> {
    match head::examine(bytes, limits, b"") {
        Head::Complete { length, .. } => Some(length),
        Head::Partial | Head::Refused(_) => None,
    }
}

/// Pieces of a stored body handed to the kernel in one call: it takes what its buffer holds, so that more calls than
/// that only cost. With pieces of 256 KiB more than a socket's buffer takes by default.
const PIECES_AT_ONCE: usize = 16;

/// What came of waiting for a request.
enum Next {
    Request(Request),
    Refused(RequestRefusal),
    /// The client has left, or the wait is over.
    End,
}

/// A request's header section.
struct Request {
    head: BytesMut,
    /// Its words, and as what its fields are known, where it is a plain one.
    plain: Option<(PlainLine, Option<FieldsNumber>)>,
}

impl Request {
    fn plain(&self, arrived: Instant) -> Option<PlainHead<'_>> {
        let (line, known_as) = self.plain?;
        let (words, fields) = self.head.split_at_checked(line.length)?;
        let (method, rest) = words.split_at_checked(line.method)?;
        Some(PlainHead { method, target: rest.get(1..=line.target)?, fields, known_as, arrived: arrived.into_std() })
    }
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
    let mut ready = CONNECTION.try_with(|connection| context.app.ready_responses(connection)).ok().flatten();
    let mut idle_since = Instant::now();
    for served in 1..=limits.requests_per_connection {
        let request = match wait.next_request(&mut stream, idle_since).await {
            Next::Request(request) => request,
            Next::Refused(refusal) => {
                log::debug!(refusal:?; "request refused");
                context.observer.rejected(Protocol::Http1, refusal.status().as_u16());
                return refuse(stream, refusal).await;
            }
            Next::End => return Shutdown::shutdown(&mut *stream).await,
        };
        let arrived = Instant::now();
        let last = served == limits.requests_per_connection || wait.is_over(arrived);
        if !last
            && let Some(ready) = ready.as_deref_mut()
            && let Some(plain) = request.plain(arrived)
        {
            let mut text = spare_text();
            if ready.begin(&plain, &mut text) {
                let written = write_ready(&stream, ready, &plain, &text).await;
                keep_text(text);
                let Ok(ended) = written else { return };
                idle_since = ended;
                stream.end_request();
                stream.reuse_buffer(request.head);
                continue;
            }
            keep_text(text);
        }
        let session = new_session(stream, request.head, settings.take(), limits, last);
        let answering = context.app.process_new_http(session, wait.closing.signal());
        let Some(reused) = gathered.send_off_while_waiting(answering).await else { return };
        let Some(returned) = take_back(reused, &mut settings) else { return };
        stream = returned;
        idle_since = Instant::now();
    }
    Shutdown::shutdown(&mut *stream).await;
}

/// Largest buffer that a thread keeps for its next response: nearly all that leave in one piece fit.
const MOST_SPARE: usize = 16 << 10;

thread_local! {
    /// What the last response of this thread was written from.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

fn spare_text() -> Vec<u8> {
    SPARE.take()
}

fn keep_text(mut text: Vec<u8>) {
    if text.capacity() <= MOST_SPARE {
        text.clear();
        SPARE.set(text);
    }
}

/// Writes a response that is there, as much of it at once as may be, and tells when that was done.
async fn write_ready<S>(
    stream: &ClientStream<Gathering<S>>,
    ready: &mut dyn ReadyResponses,
    request: &PlainHead<'_>,
    text: &[u8],
) -> io::Result<Instant>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut sent = 0;
    let written = write_pieces(stream.gathering(), ready, text, &mut sent).await;
    let ended = Instant::now();
    ready.sent(request, sent.saturating_sub(text.len() as u64), ended.into_std(), written.as_ref().err());
    written.map(|()| ended)
}

async fn write_pieces<S>(
    stream: &Gathering<S>,
    ready: &mut dyn ReadyResponses,
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
    stream: Box<ClientStream<Gathering<S>>>,
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
) -> Option<Box<ClientStream<Gathering<S>>>> {
    let (stream, kept) = reused.consume();
    *settings = kept;
    let mut stream = stream.into_any().downcast::<ClientStream<Gathering<S>>>().ok()?;
    stream.end_session();
    Some(stream)
}

async fn refuse<S>(mut stream: Box<ClientStream<Gathering<S>>>, refusal: RequestRefusal)
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
    known: KnownFields,
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
            known: KnownFields::default(),
            closing: Closing::new(closing),
            deadline: Deadline::new(now + limits.idle_timeout),
            end_of_life: now + limits.connection_lifetime,
        }
    }

    /// Whether the request at hand is to be the last.
    fn is_over(&self, now: Instant) -> bool {
        self.closing.has_begun() || now >= self.end_of_life
    }

    async fn next_request<S>(&mut self, stream: &mut ClientStream<S>, now: Instant) -> Next
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut begun = false;
        let mut skipped = 0;
        self.await_first_byte(now);
        loop {
            let empty_lines = head::leading_empty_lines(stream.unread());
            stream.skip(empty_lines);
            skipped += empty_lines;
            if head::too_many_empty_lines(skipped) {
                return Next::Refused(RequestRefusal::Malformed("empty lines without end"));
            }
            match head::examine(stream.unread(), self.limits, self.known.section()) {
                Head::Complete { length, framing, plain } => {
                    let head = stream.take_head(length, framing);
                    let plain = plain.map(|line| (line, self.known.number(&head[line.length..])));
                    return Next::Request(Request { head, plain });
                }
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

    fn await_first_byte(&mut self, now: Instant) {
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
