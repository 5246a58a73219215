//! The life of one HTTP/3 connection after its handshake: requests, GOAWAY, end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::RequestResolver;
use pingora_core::apps::HttpServerApp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::quic_adapter::{AcceptedHalves, Connection, Role, variable_integer};
use super::request::{RequestContext, RequestOutcome, serve_request};
use crate::listener::Signals;

/// Streams that never became a request, after which a connection is closed: mistakes of a client are few, and each
/// costs us work that is no request.
const REFUSED_REQUESTS: u32 = 32;
/// Requests that a client may cancel beyond those it lets be answered. A page or a player that is left cancels what it
/// had under way, at most `limits.streams` at once; requests that are made to be cancelled are work for nothing
/// (RFC 9114 section 10.5).
const CANCELLED_REQUESTS: u32 = 512;
/// How long requests are served after the first GOAWAY, at least: those sent before the client saw it arrive within a
/// round trip (RFC 9114 section 5.2).
const GOODBYE_MINIMUM: Duration = Duration::from_millis(100);
/// The same in round trips: one for GOAWAY and what crossed it, the rest against a measurement that is too short.
const GOODBYE_ROUND_TRIPS: u32 = 3;
/// How long GOAWAY may wait for the client's flow control. It is five bytes; who has no room for them gets none.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);

type H3Connection = h3::server::Connection<Connection, Bytes>;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Requests are welcome.
    Open,
    /// The first GOAWAY is sent: requests that crossed it on their way are still served.
    Leaving {
        /// When the last GOAWAY is due.
        until: Instant,
    },
    /// The last GOAWAY is sent: h3 rejects what comes, and what is in flight finishes.
    Last,
}

/// One connection and its requests.
pub(super) struct Http3Connection<A> {
    h3: H3Connection,
    accepted: AcceptedHalves,
    context: Arc<RequestContext<A>>,
    requests: JoinSet<RequestOutcome>,
    stage: Stage,
    accepted_count: u32,
    refused_count: u32,
    /// Cancelled beyond those answered.
    cancelled_count: u32,
    /// When the last request ended, or the connection began.
    quiet_since: Instant,
}

impl<A> Http3Connection<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    /// Opens the control streams; `None` when the client does not let us.
    pub(super) async fn open(context: Arc<RequestContext<A>>) -> Option<Self> {
        let bounds = &context.bounds;
        let size = bounds.field_section_size();
        // The adapter's bound is on the encoded section. Huffman coding may lengthen a value up to fourfold only in
        // the worst case, which no client chooses; decoded size is what h3 measures.
        let adapter = Connection::new(context.connection.clone(), Role::Server { field_section_bytes: size });
        let accepted = adapter.accepted();
        let mut builder = h3::server::builder();
        builder.max_field_section_size(size).send_grease(false);
        let h3 = tokio::time::timeout(bounds.handshake_timeout, builder.build(adapter)).await.ok()?.ok()?;
        Some(Self {
            h3,
            accepted,
            context,
            requests: JoinSet::new(),
            stage: Stage::Open,
            accepted_count: 0,
            refused_count: 0,
            cancelled_count: 0,
            quiet_since: Instant::now(),
        })
    }

    /// Serves requests until the client leaves, a limit is reached or the signals say so, and waits for those in
    /// flight.
    pub(super) async fn serve(mut self, mut signals: Signals) {
        let end_of_life = Instant::now() + self.context.bounds.lifetime;
        loop {
            self.leave_if_told(&signals, end_of_life).await;
            if self.stage == Stage::Last && self.requests.is_empty() {
                break;
            }
            let deadline = self.deadline(end_of_life);
            tokio::select! {
                accepted = self.h3.accept() => match accepted {
                    Ok(Some(resolver)) => self.spawn(resolver),
                    Ok(None) => break,
                    Err(error) => {
                        log::debug!(peer:% = self.context.info.peer, error:%; "HTTP/3 connection ended");
                        break;
                    }
                },
                Some(ended) = self.requests.join_next() => self.ended(ended),
                () = changed(&mut signals.drain) => {}
                () = changed(&mut signals.stop) => {}
                () = tokio::time::sleep_until(deadline) => {
                    if self.stage == Stage::Open && self.requests.is_empty() && deadline < end_of_life {
                        break;
                    }
                }
            }
            if self.refused_count >= REFUSED_REQUESTS || self.cancelled_count >= CANCELLED_REQUESTS {
                let code = variable_integer(Code::H3_EXCESSIVE_LOAD.value());
                self.context.connection.close(code, b"too many malformed or cancelled requests");
                break;
            }
        }
        while self.requests.join_next().await.is_some() {}
    }

    /// When something is due though nothing happens: the end of an idle connection, the last GOAWAY, or the end of the
    /// connection's life. How long requests in flight may take after that is for others to bound.
    fn deadline(&self, end_of_life: Instant) -> Instant {
        match self.stage {
            Stage::Open if self.requests.is_empty() => {
                (self.quiet_since + self.context.bounds.idle_timeout).min(end_of_life)
            }
            Stage::Open => end_of_life,
            Stage::Leaving { until } => until,
            Stage::Last => Instant::now() + self.context.bounds.lifetime,
        }
    }

    /// Says GOAWAY when it is time: first with the largest id, so that requests on their way are served, then with the
    /// id of the next request (RFC 9114 section 5.2). A connection that came during a drain gets one request first:
    /// with GOAWAY before it, nobody could be served while draining. Past its number of requests a connection gets no
    /// more of them.
    async fn leave_if_told(&mut self, signals: &Signals, end_of_life: Instant) {
        let now = Instant::now();
        let worn_out = self.accepted_count >= self.context.bounds.requests;
        match self.stage {
            Stage::Open => {
                let stopping = *signals.stop.borrow();
                let draining = *signals.drain.borrow() && self.accepted_count > 0;
                if worn_out {
                    self.last_goaway().await;
                } else if stopping || draining || now >= end_of_life {
                    let goodbye = GOODBYE_MINIMUM.max(self.context.connection.rtt() * GOODBYE_ROUND_TRIPS);
                    self.stage = Stage::Leaving { until: now + goodbye };
                    self.goaway(usize::MAX).await;
                }
            }
            Stage::Leaving { until } if worn_out || now >= until => self.last_goaway().await,
            Stage::Leaving { .. } | Stage::Last => {}
        }
    }

    async fn last_goaway(&mut self) {
        self.stage = Stage::Last;
        // One more than the last: GOAWAY names the first request that was not served, h3 the last that is.
        self.goaway(1).await;
    }

    async fn goaway(&mut self, more_requests: usize) {
        // An error shows at the next accept; who has no room for the frame goes without.
        tokio::time::timeout(GOAWAY_TIMEOUT, self.h3.shutdown(more_requests)).await.ok();
    }

    fn spawn(&mut self, resolver: RequestResolver<Connection, Bytes>) {
        let Some(halves) = self.accepted.lock().take() else { return };
        self.accepted_count += 1;
        self.requests.spawn(serve_request(Arc::clone(&self.context), resolver, halves));
    }

    fn ended(&mut self, ended: Result<RequestOutcome, JoinError>) {
        self.quiet_since = Instant::now();
        match ended {
            Ok(RequestOutcome::Served) => self.cancelled_count = self.cancelled_count.saturating_sub(1),
            Ok(RequestOutcome::Cancelled) => self.cancelled_count += 1,
            Ok(RequestOutcome::Refused) => self.refused_count += 1,
            // The stream was reset when the task's session was dropped; other requests go on.
            Err(error) => log::error!(peer:% = self.context.info.peer, error:%; "request task failed"),
        }
    }
}

/// Waits for a new value; for ever when there will be none.
async fn changed(signal: &mut tokio::sync::watch::Receiver<bool>) {
    if signal.changed().await.is_err() {
        std::future::pending().await
    }
}
