//! One HTTP/3 request as a session of Pingora, so that it runs through the very pipeline of HTTP/1.1 and HTTP/2.
//!
//! Owns the order of things: what waits, for how long, and what a client that leaves does to it. Bytes are the
//! business of [`RequestBody`] and [`Response`], the request's form that of `request_head`; what Pingora calls stands
//! in `session_calls`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::RequestStream;
use http::Method;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::{Digest, SocketDigest};
use pingora_error::{BError, Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use quinn::WriteError;

use super::bounds::Bounds;
use super::quic_adapter::{BidiStream, Stopped, StreamHalves, variable_integer};
use super::request_body::{RequestBody, RequestBodyError};
use super::request_head::RequestHead;
use super::response::{Response, ResponseError};

/// How long a GET or HEAD may take to show that it has no body. The end of the stream mostly comes in the packet of
/// the field section; where it follows, it does within a packet or two. Without this, such a request would go to
/// the origin as `transfer-encoding: chunked`.
const BODY_GRACE: Duration = Duration::from_millis(10);
/// Queued bytes after which proxy tasks are flushed before the next is taken, so that a slow client holds no more of
/// a response than this.
const TASK_BYTES: usize = 64 * 1024;

/// A request, its body and its response.
pub struct Http3Session {
    pub(super) header: RequestHeader,
    pub(super) body: RequestBody,
    pub(super) response: Response,
    connection: quinn::Connection,
    pub(super) digest: Digest,
    /// Resolves when the client leaves; made when somebody first waits for that.
    stopped: Option<Stopped>,
    pub(super) tasks: VecDeque<HttpTask>,
    pub(super) proxy_tasks: bool,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) drain_timeout: Option<Duration>,
}

impl Http3Session {
    /// A session for a request that was checked, once it is known whether it has a body.
    pub(super) async fn new(
        head: RequestHead,
        fields: RequestStream<BidiStream, Bytes>,
        halves: StreamHalves,
        connection: quinn::Connection,
        socket: Arc<SocketDigest>,
        bounds: &Bounds,
    ) -> Self {
        let mut body = RequestBody::new(halves.receive, head.content_length);
        let known = body.look_ahead() || body.is_announced();
        if !known && matches!(head.header.method, Method::GET | Method::HEAD) {
            // An error means that the grace is over: then there is a body, as far as anyone can know.
            tokio::time::timeout(BODY_GRACE, poll_fn(|cx| body.poll_ahead(cx))).await.ok();
        }
        Self {
            response: Response::new(fields, halves.send, &head.header.method),
            header: head.header,
            body,
            connection,
            digest: Digest { socket_digest: Some(socket), ..Digest::default() },
            stopped: None,
            tasks: VecDeque::new(),
            proxy_tasks: true,
            read_timeout: Some(bounds.body_timeout),
            write_timeout: Some(bounds.write_timeout),
            drain_timeout: Some(bounds.body_timeout),
        }
    }

    /// Ready when the client stopped the response or its connection ended. Once the response is delivered, only the
    /// connection can still end.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<BError> {
        let half = self.response.half();
        let connection = &self.connection;
        let stopped = self.stopped.get_or_insert_with(|| half.lock().stopped());
        let Poll::Ready(outcome) = stopped.as_mut().poll(cx) else { return Poll::Pending };
        let reason = match outcome {
            Ok(Some(code)) => format!("client stopped the response with code {code}"),
            Ok(None) if connection.close_reason().is_none() => {
                let connection = connection.clone();
                self.stopped = Some(Box::pin(async move { Err(connection.closed().await.into()) }));
                return self.poll_gone(cx);
            }
            Ok(None) => "connection ended".to_owned(),
            Err(error) => format!("connection ended: {error}"),
        };
        Poll::Ready(Error::explain(ErrorType::ConnectionClosed, reason).into_down())
    }

    fn body_error(&mut self, error: RequestBodyError) -> BError {
        let code = error.code();
        if error.closes_connection() {
            self.connection.close(variable_integer(code.value()), b"");
        }
        self.body.stop(code);
        Error::because(ErrorType::ReadError, "reading an HTTP/3 request body", error).into_down()
    }

    /// Puts something of the response into the queue.
    pub(super) fn queue(&mut self, part: impl FnOnce(&mut Response) -> Result<(), ResponseError>) -> Result<()> {
        part(&mut self.response).map_err(response_error)
    }

    pub(super) async fn read_piece(&mut self) -> Result<Option<Bytes>> {
        let read = poll_fn(|cx| self.body.poll_read(cx));
        let piece = match self.read_timeout {
            Some(limit) => tokio::time::timeout(limit, read).await,
            None => Ok(read.await),
        };
        match piece {
            Ok(piece) => piece.map_err(|error| self.body_error(error)),
            Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "HTTP/3 request body").into_down()),
        }
    }

    /// Returns when the client has left, and why.
    pub(super) async fn wait_until_gone(&mut self) -> BError {
        poll_fn(|cx| self.poll_gone(cx)).await
    }

    /// The next piece of the body, or an error when the client leaves first: one that stops the response no longer
    /// cares whether its body arrives.
    pub(super) async fn read_unless_gone(&mut self) -> Result<Option<Bytes>> {
        let limit = self.read_timeout.unwrap_or(Duration::MAX);
        let read = poll_fn(|cx| match self.poll_gone(cx) {
            Poll::Ready(gone) => Poll::Ready(Err(gone)),
            Poll::Pending => self.body.poll_read(cx).map(Ok),
        });
        match tokio::time::timeout(limit, read).await {
            Ok(Ok(piece)) => piece.map_err(|error| self.body_error(error)),
            Ok(Err(gone)) => Err(gone),
            Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "HTTP/3 request body").into_down()),
        }
    }

    /// Reads the body to its end and forgets it.
    pub(super) async fn drain(&mut self) -> Result<()> {
        let limit = self.drain_timeout.unwrap_or(Duration::MAX);
        let drain = async {
            while !self.body.is_done() && self.read_piece().await?.is_some() {}
            Ok(())
        };
        tokio::time::timeout(limit, drain).await.or_err(ErrorType::ReadTimedout, "draining an HTTP/3 request")?
    }

    /// Method, target and host, for messages.
    pub(super) fn summary(&self) -> String {
        let target = String::from_utf8_lossy(self.header.raw_path());
        let host = self.header.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        format!("{} {target}, Host: {}", self.header.method, host.unwrap_or_default())
    }

    /// Hands everything queued to QUIC and finishes the stream if that was all. Cancelled at any point, it goes on
    /// with the next call.
    pub(super) async fn flush(&mut self) -> Result<()> {
        while !self.write_some().await? {}
        self.response.settle();
        Ok(())
    }

    /// Hands over what can go; true once nothing is left. The time-out runs while nothing moves.
    async fn write_some(&mut self) -> Result<bool> {
        let half = Arc::clone(self.response.half());
        let write = poll_fn(|cx| half.lock().poll_write(cx));
        let written = match self.write_timeout {
            Some(limit) if half.lock().has_queued() => tokio::time::timeout(limit, write).await,
            _ => Ok(write.await),
        };
        match written {
            Ok(result) => result.map_err(|error| self.write_error(error)),
            Err(_) => {
                self.response.reset(Code::H3_REQUEST_CANCELLED);
                Err(Error::explain(ErrorType::WriteTimedout, "HTTP/3 response").into_down())
            }
        }
    }

    fn write_error(&mut self, error: WriteError) -> BError {
        self.response.reset(Code::H3_REQUEST_CANCELLED);
        let kind = match error {
            WriteError::ConnectionLost(_) | WriteError::Stopped(_) => ErrorType::ConnectionClosed,
            _ => ErrorType::WriteError,
        };
        Error::because(kind, "writing an HTTP/3 response", error).into_down()
    }

    /// Writes all tasks; true when the response has ended. Cancelled at any point, it goes on with the next call.
    pub(super) async fn write_tasks(&mut self) -> Result<bool> {
        let written = self.write_some_at_a_time().await;
        if written.is_err() {
            // Nothing can be written any more: whoever asks must not be told that something waits.
            self.tasks.clear();
        }
        written
    }

    async fn write_some_at_a_time(&mut self) -> Result<bool> {
        loop {
            while self.response.half().lock().queued_bytes() < TASK_BYTES {
                let Some(task) = self.tasks.pop_front() else { break };
                self.queue_task(task)?;
            }
            self.flush().await?;
            if self.tasks.is_empty() {
                return Ok(self.response.is_ended());
            }
        }
    }

    /// Queues what a task of the proxy carries.
    fn queue_task(&mut self, task: HttpTask) -> Result<()> {
        match task {
            HttpTask::Header(header, end) => self.response.queue_header(header, end),
            HttpTask::Body(data, end) => self.response.queue_body(data.unwrap_or_default(), end),
            HttpTask::Trailer(Some(trailers)) => self.response.queue_trailers(*trailers),
            HttpTask::Trailer(None) | HttpTask::Done => self.response.queue_end(),
            HttpTask::UpgradedBody(..) => Err(ResponseError::Upgrade),
            HttpTask::Failed(error) => return Err(error),
        }
        .map_err(response_error)
    }
}

fn response_error(error: ResponseError) -> BError {
    Error::because(ErrorType::WriteError, "writing an HTTP/3 response", error).into_down()
}
