//! One HTTP/3 request as a session of Pingora, so that it runs through the very pipeline of HTTP/1.1 and HTTP/2.
//!
//! Owns the order of things: what waits, for how long, and what a client that leaves does to it. Bytes are the
//! business of [`RequestBody`] and [`Response`], the request's form that of `request_head`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use h3::error::Code;
use h3::server::RequestStream;
use http::{HeaderMap, Method};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::{Digest, SocketDigest};
use pingora_error::{BError, Error, ErrorType, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use quinn::WriteError;

use super::bounds::Bounds;
use super::quic_adapter::{BidiStream, Stopped, StreamHalves, variable_integer};
use super::request_body::{RequestBody, RequestBodyError};
use super::request_head::{RequestHead, http1_head};
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
    header: RequestHeader,
    body: RequestBody,
    response: Response,
    connection: quinn::Connection,
    digest: Digest,
    /// Resolves when the client leaves; made when somebody first waits for that.
    stopped: Option<Stopped>,
    tasks: VecDeque<HttpTask>,
    proxy_tasks: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    drain_timeout: Option<Duration>,
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

    fn response_error(error: ResponseError) -> BError {
        Error::because(ErrorType::WriteError, "writing an HTTP/3 response", error).into_down()
    }

    async fn read_piece(&mut self) -> Result<Option<Bytes>> {
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

    /// Hands everything queued to QUIC and finishes the stream if that was all. Cancelled at any point, it goes on
    /// with the next call.
    async fn flush(&mut self) -> Result<()> {
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
        .map_err(Self::response_error)
    }
}

#[async_trait]
impl Session for Http3Session {
    fn req_header(&self) -> &RequestHeader {
        &self.header
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.header
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read_piece().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        let limit = self.drain_timeout.unwrap_or(Duration::MAX);
        let drain = async {
            while !self.body.is_done() && self.read_piece().await?.is_some() {}
            Ok(())
        };
        tokio::time::timeout(limit, drain).await.or_err(ErrorType::ReadTimedout, "draining an HTTP/3 request")?
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.response.queue_header(header, end).map_err(Self::response_error)?;
        self.flush().await
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, end: bool) -> Result<()> {
        self.write_response_header(Box::new(header.clone()), end).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.response.queue_body(data, end).map_err(Self::response_error)?;
        self.flush().await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.response.queue_trailers(trailers).map_err(Self::response_error)?;
        self.flush().await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.tasks.extend(tasks);
        self.write_proxy_tasks().await
    }

    fn proxy_tasks_enabled(&self) -> bool {
        self.proxy_tasks
    }

    fn set_proxy_tasks_enabled(&mut self, enabled: bool) {
        self.proxy_tasks = enabled;
    }

    fn send_proxy_task(&mut self, task: HttpTask) {
        self.tasks.push_back(task);
    }

    fn has_pending_proxy_tasks(&self) -> bool {
        !self.tasks.is_empty() || self.response.is_unsettled()
    }

    async fn write_proxy_tasks(&mut self) -> Result<bool> {
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

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.drain_timeout = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    fn request_summary(&self) -> String {
        let target = String::from_utf8_lossy(self.header.raw_path());
        let host = self.header.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        format!("{} {target}, Host: {}", self.header.method, host.unwrap_or_default())
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.response.header()
    }

    async fn shutdown(&mut self, _code: u32, context: &str) {
        self.abandon(context).await;
    }

    async fn abandon(&mut self, _context: &str) {
        self.response.reset(Code::H3_INTERNAL_ERROR);
        self.body.stop(Code::H3_NO_ERROR);
    }

    fn is_body_done(&mut self) -> bool {
        self.body.is_done()
    }

    async fn finish(&mut self) -> Result<()> {
        self.response.queue_end().map_err(Self::response_error)?;
        self.flush().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.is_empty()
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if no_body_expected || self.body.is_done() {
            return Err(poll_fn(|cx| self.poll_gone(cx)).await);
        }
        // A client that stops the response no longer cares whether its body arrives.
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

    fn body_bytes_sent(&self) -> usize {
        self.response.bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.body.bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.local_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        http1_head(&self.header)
    }

    fn enable_retry_buffering(&mut self) {
        self.body.enable_retry();
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.body.retry_truncated()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.body.retry_buffer()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    /// There are none: with a writer, Pingora would also insist on a reader.
    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
