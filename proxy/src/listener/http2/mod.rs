//! HTTP/2 on one connection.
//!
//! Owns the loop that accepts streams and drives the connection, its bounds, and its end: GOAWAY, then the streams in
//! flight finish. All requests that have arrived are accepted before the first is answered, and so their answers leave
//! together. What is there is answered by the loop itself; every other stream is a task of its own that the proxy
//! serves. Frames and flow control are the `h2` crate's, requests and responses Pingora's.

mod frame_meter;
mod options;
mod streams;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::Connection;
use h2::{Ping, PingPong, Reason};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Accept, HttpSession, handshake};
use pingora_core::protocols::{Digest, Stream};
use pingora_http::ResponseHeader;
use tidegate_config::model::Limits;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub(super) use self::frame_meter::{Flooded, FrameMeter};
use self::streams::Streams;
use super::body_progress::while_body_comes;
use super::http1::plain_length;
use super::patience::{Closing, DRAIN_LINGER, Deadline};
use super::ready_response::{Application, AtOnce};
use super::refusal::RequestRefusal;
use super::tcp::ListenerContext;
use super::{CONNECTION, ConnectionInfo, ConnectionObserver, Protocol};

/// How often a connection with streams in flight is asked whether the client is still there. A client that is silent
/// for a whole interval after a PING is gone. Idle connections need none: they end by the idle time-out.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may take, once all streams have ended, to answer the end of the connection.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Malformed requests on one connection. Rejecting costs work, and a client that keeps sending them is broken or
/// means harm.
const MALFORMED_REQUESTS: u32 = 32;

/// Tasks of streams for each stream that may be open. A client that resets streams at once (CVE-2023-44487) frees
/// them for HTTP/2's own limit while their tasks still run; this many of them are not honest cancellation.
const TASKS_PER_STREAM: usize = 2;

/// Serves the connection to its end, the ends of its streams' tasks included.
pub(super) async fn serve<A>(
    context: &ListenerContext<A>,
    stream: Stream,
    flooded: Flooded,
    info: Arc<ConnectionInfo>,
    limits: &Limits,
    closing: watch::Receiver<bool>,
) where
    A: Application,
{
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: None,
        socket_digest: stream.get_socket_digest(),
    });
    // The client's preface belongs to the handshake and has its patience.
    let greeting = handshake(stream, Some(options::server_options(limits)));
    let Ok(Ok(connection)) = timeout(limits.handshake_timeout, greeting).await else { return };
    let mut driver = Driver::new(connection, flooded, limits, closing, &*context.observer);
    driver
        .run(digest, |session, streams, signal| {
            let session = match context.app.answer_at_once(session, &info) {
                AtOnce::Answered => return,
                AtOnce::Ready(writing) => {
                    let guard = Streams::begin(streams);
                    tokio::spawn(async move {
                        let _guard = guard;
                        writing.await;
                    });
                    return;
                }
                AtOnce::NotReady(session) => session,
            };
            let app = Arc::clone(&context.app);
            let (observer, patience) = (Arc::clone(&context.observer), limits.body_timeout);
            let (guard, signal) = (Streams::begin(streams), signal.clone());
            let serving = async move {
                let _guard = guard;
                let serving = app.process_new_http(ServerSession::new_http2(session), &signal);
                if while_body_comes(patience, serving).await.is_none() {
                    // The stream is reset as its session is dropped.
                    log::debug!("a client did not go on with the body of a request");
                    observer.rejected(Protocol::Http2, StatusCode::REQUEST_TIMEOUT.as_u16());
                }
            };
            tokio::spawn(CONNECTION.scope(Arc::clone(&info), serving));
        })
        .await;
    let streams = Arc::clone(&driver.streams);
    // Whatever of the connection is left ends here, so that streams that still write learn that nobody reads.
    drop(driver);
    streams.all_ended().await;
}

/// Where the connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// GOAWAY was sent.
    Closing,
    /// GOAWAY was sent because of what the client does; its streams end.
    BrokenOff,
}

/// What the loop wakes up for.
enum Event {
    /// All requests that have arrived are accepted.
    Batch,
    /// One was malformed, and has been answered.
    Malformed,
    /// The connection is over.
    Over,
    Closing,
    Deadline,
    Flooded,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

struct Driver<'a> {
    connection: Connection<Stream, Bytes>,
    flooded: Flooded,
    limits: &'a Limits,
    observer: &'a dyn ConnectionObserver,
    closing: Closing,
    deadline: Deadline,
    end_of_life: Instant,
    phase: Phase,
    streams: Arc<Streams>,
    accepted: u32,
    malformed: u32,
    /// Streams accepted and not begun, as many as may be open at most.
    batch: Vec<HttpSession>,
    ping_pong: Option<PingPong>,
    /// A PING was sent and not answered.
    ping_pending: bool,
}

impl<'a> Driver<'a> {
    fn new(
        mut connection: Connection<Stream, Bytes>,
        flooded: Flooded,
        limits: &'a Limits,
        closing: watch::Receiver<bool>,
        observer: &'a dyn ConnectionObserver,
    ) -> Self {
        let now = Instant::now();
        Self {
            ping_pong: connection.ping_pong(),
            connection,
            flooded,
            limits,
            observer,
            closing: Closing::new(closing),
            deadline: Deadline::new(now + limits.idle_timeout.min(PING_INTERVAL).min(limits.connection_lifetime)),
            end_of_life: now + limits.connection_lifetime,
            phase: Phase::Open,
            streams: Arc::new(Streams::new(now)),
            accepted: 0,
            malformed: 0,
            batch: Vec::new(),
            ping_pending: false,
        }
    }

    async fn run<F>(&mut self, digest: Arc<Digest>, mut start: F)
    where
        F: FnMut(HttpSession, &Arc<Streams>, &watch::Receiver<bool>),
    {
        loop {
            let event = self.event(&digest).await;
            self.begin_batch(&mut start);
            let flow = match event {
                Event::Batch => Flow::Continue,
                Event::Malformed => self.count_malformed(),
                // Clients often just leave; there is nothing to be told to anyone.
                Event::Over => Flow::End,
                Event::Flooded => self.on_flood(),
                Event::Closing => self.on_closing(),
                Event::Deadline => self.on_deadline(Instant::now()),
            };
            if flow == Flow::End {
                return;
            }
        }
    }

    async fn event(&mut self, digest: &Arc<Digest>) -> Event {
        let Self { connection, closing, deadline, ping_pong, ping_pending, flooded, phase, batch, .. } = self;
        poll_fn(|context| {
            // Accepting begins anew with each poll: nothing is lost, as what it waits for is in the connection.
            while let Poll::Ready(accepted) =
                pin!(HttpSession::from_h2_conn(connection, Arc::clone(digest))).poll(context)
            {
                match accepted {
                    Ok(Some(H2Accept::Session(session))) => batch.push(session),
                    Ok(Some(H2Accept::Rejected)) => return Poll::Ready(Event::Malformed),
                    Ok(None) | Err(_) => return Poll::Ready(Event::Over),
                }
            }
            if !batch.is_empty() {
                return Poll::Ready(Event::Batch);
            }
            if flooded.is_set() && *phase != Phase::BrokenOff {
                return Poll::Ready(Event::Flooded);
            }
            if *ping_pending {
                *ping_pending = is_unanswered(ping_pong.as_mut(), context);
            }
            if closing.poll(context).is_ready() {
                return Poll::Ready(Event::Closing);
            }
            deadline.poll(context).map(|()| Event::Deadline)
        })
        .await
    }

    fn begin_batch<F>(&mut self, start: &mut F)
    where
        F: FnMut(HttpSession, &Arc<Streams>, &watch::Receiver<bool>),
    {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        for session in batch.drain(..) {
            self.accept(session, start);
        }
        self.batch = batch;
        self.streams.note_activity();
    }

    fn accept<F>(&mut self, mut session: HttpSession, start: &mut F)
    where
        F: FnMut(HttpSession, &Arc<Streams>, &watch::Receiver<bool>),
    {
        self.accepted = self.accepted.saturating_add(1);
        if let Some(refusal) = exceeded(&session, self.limits) {
            self.observer.rejected(Protocol::Http2, refusal.status().as_u16());
            refuse(&mut session, refusal);
        } else {
            session.set_write_timeout(Some(self.limits.write_timeout));
            session.set_total_drain_timeout(Some(self.limits.body_timeout));
            start(session, &self.streams, self.closing.signal());
        }
        if self.streams.running() > self.limits.streams as usize * TASKS_PER_STREAM {
            self.break_off(Reason::ENHANCE_YOUR_CALM);
        } else if self.accepted >= self.limits.requests_per_connection || self.closing.has_begun() {
            self.go_away();
        }
    }

    fn count_malformed(&mut self) -> Flow {
        self.malformed += 1;
        if self.malformed >= MALFORMED_REQUESTS {
            self.break_off(Reason::ENHANCE_YOUR_CALM);
        }
        Flow::Continue
    }

    /// More frames without content than any client needs.
    fn on_flood(&mut self) -> Flow {
        log::debug!("an HTTP/2 client sends frames without content");
        self.break_off(Reason::ENHANCE_YOUR_CALM);
        Flow::Continue
    }

    /// A drain or stop has begun. A connection that was opened for a request gets its answer first.
    fn on_closing(&mut self) -> Flow {
        if self.accepted == 0 {
            self.deadline.set_earlier(Instant::now() + DRAIN_LINGER);
        } else {
            self.go_away();
        }
        Flow::Continue
    }

    fn on_deadline(&mut self, now: Instant) -> Flow {
        let running = self.streams.running() > 0;
        if self.phase == Phase::BrokenOff || (self.phase == Phase::Closing && !running && !self.may_owe(now)) {
            return Flow::End;
        }
        if running && self.is_dead() {
            return Flow::End;
        }
        let idle_until = self.streams.last_ended() + self.limits.idle_timeout;
        if now >= self.end_of_life || self.closing.has_begun() || (!running && now >= idle_until) {
            self.go_away();
        }
        self.deadline.set(match self.phase {
            Phase::Closing if !running => now + CLOSE_PATIENCE,
            Phase::Closing | Phase::BrokenOff => now + CLOSE_PATIENCE.max(PING_INTERVAL),
            Phase::Open if running => (now + PING_INTERVAL).min(self.end_of_life),
            Phase::Open => idle_until.min(self.end_of_life),
        });
        Flow::Continue
    }

    /// Whether a slow client may still have to take what it was answered. Short answers are handed over whole; once they
    /// are all taken, the connection that closes is over by itself.
    fn may_owe(&self, now: Instant) -> bool {
        self.streams.has_answered() && now < self.streams.last_ended() + self.limits.write_timeout
    }

    /// Whether the last PING was never answered; sends the next one otherwise.
    fn is_dead(&mut self) -> bool {
        if self.ping_pending {
            return true;
        }
        if let Some(ping_pong) = &mut self.ping_pong {
            self.ping_pending = ping_pong.send_ping(Ping::opaque()).is_ok();
        }
        false
    }

    /// Tells the client to open no more streams (RFC 9113 section 6.8); those in flight finish.
    fn go_away(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.connection.graceful_shutdown();
            self.deadline.set_earlier(Instant::now() + CLOSE_PATIENCE);
        }
    }

    /// Ends the connection with all its streams.
    fn break_off(&mut self, reason: Reason) {
        self.phase = Phase::BrokenOff;
        self.connection.abrupt_shutdown(reason);
        self.deadline.set_earlier(Instant::now() + CLOSE_PATIENCE);
    }
}

fn is_unanswered(ping_pong: Option<&mut PingPong>, context: &mut Context<'_>) -> bool {
    ping_pong.is_some_and(|ping_pong| ping_pong.poll_pong(context).is_pending())
}

/// What `h2` does not bound: the target and the number of fields. It answers 431 itself to a field section that is
/// larger than announced.
fn exceeded(session: &HttpSession, limits: &Limits) -> Option<RequestRefusal> {
    let header = session.req_header();
    if header.raw_path().len() > limits.target_bytes.as_usize() {
        return Some(RequestRefusal::TargetTooLong);
    }
    if header.headers.len() > limits.header_count {
        return Some(RequestRefusal::FieldsTooLarge);
    }
    // A list of equal lengths, or leading zeros, would go to an origin of HTTP/1.1 as they are.
    let mut lengths = header.headers.get_all(CONTENT_LENGTH).iter();
    let plain = lengths.next().is_none_or(|length| plain_length(length.as_bytes()).is_some());
    (!plain || lengths.next().is_some()).then_some(RequestRefusal::Malformed("Content-Length is no number"))
}

fn refuse(session: &mut HttpSession, refusal: RequestRefusal) {
    let response = ResponseHeader::build(refusal.status(), None).map(Box::new);
    let written = response.and_then(|response| session.write_response_header(response, true));
    if let Err(error) = written {
        log::debug!(error:%; "client was gone before its request was refused");
    }
}
