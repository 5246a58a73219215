//! One request of HTTP/2 or HTTP/3 as a session of Pingora, so that it runs through the very pipeline of HTTP/1.1.
//!
//! Owns the order of things: what waits, for how long, and what a client that leaves does to it. Bytes are the
//! business of [`RequestBody`] and [`Response`], streams that of a [`Carrier`]; what Pingora calls stands in `calls`.

mod calls;
mod carrier;
mod request_body;
mod response;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_error::{BError, Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

pub(super) use self::carrier::{Abandoned, Carrier, FieldsError, write_patiently};
use self::request_body::RequestBody;
pub(super) use self::request_body::RequestBodyError;
use self::response::{Response, ResponseError};
use super::request_head::RequestHead;
use super::slow_reader::SlowReader;

/// Queued bytes after which proxy tasks are flushed before the next is taken, so that a slow client holds no more of
/// a response than this.
const TASK_BYTES: usize = 64 * 1024;

/// Between which steps a session waits how long for its client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between two pieces of the body; for ever where somebody else looks after that.
    pub(super) read: Option<Duration>,
    /// Of a response that the client does not take.
    pub(super) write: Duration,
    /// For the rest of a body that nobody wants.
    pub(super) drain: Duration,
}

/// A request, its body and its response.
pub(super) struct StreamSession<C: Carrier> {
    header: RequestHeader,
    carrier: C,
    body: RequestBody<C::BodyError>,
    response: Response,
    digest: Digest,
    tasks: VecDeque<HttpTask>,
    proxy_tasks: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    reader: SlowReader,
    drain_timeout: Option<Duration>,
}

impl<C: Carrier> StreamSession<C> {
    /// A session for a request that was checked.
    pub(super) fn new(head: RequestHead, carrier: C, digest: Digest, patience: Patience) -> Self {
        Self {
            carrier,
            body: RequestBody::new(head.content_length),
            response: Response::new(&head.header.method),
            header: head.header,
            digest,
            tasks: VecDeque::new(),
            proxy_tasks: true,
            read_timeout: patience.read,
            write_timeout: Some(patience.write),
            reader: SlowReader::default(),
            drain_timeout: Some(patience.drain),
        }
    }

    /// Whether it is known by now whether there is a body.
    pub(super) fn knows_body(&mut self) -> bool {
        self.body.look_ahead(&mut self.carrier) || self.body.is_announced()
    }

    /// Returns once the first bytes, the end or an error of the body are known.
    pub(super) async fn look_ahead(&mut self) {
        poll_fn(|cx| self.body.poll_ahead(&mut self.carrier, cx)).await;
    }

    /// Ready when the client stopped the response or its connection ended.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<BError> {
        let gone = self.carrier.poll_gone(cx);
        gone.map(|reason| Error::explain(ErrorType::ConnectionClosed, reason).into_down())
    }

    fn body_error(&mut self, error: RequestBodyError<C::BodyError>) -> BError {
        self.carrier.refuse_body(&error);
        let context = format!("reading an {} request body", C::PROTOCOL);
        Error::because(ErrorType::ReadError, context, error).into_down()
    }

    fn read_timed_out() -> BError {
        Error::explain(ErrorType::ReadTimedout, format!("{} request body", C::PROTOCOL)).into_down()
    }

    /// Puts something of the response into the queue.
    fn queue(&mut self, part: impl FnOnce(&mut Response, &mut C) -> Result<(), ResponseError>) -> Result<()> {
        part(&mut self.response, &mut self.carrier).map_err(response_error::<C>)
    }

    async fn read_piece(&mut self) -> Result<Option<Bytes>> {
        let read = poll_fn(|cx| self.body.poll_read(&mut self.carrier, cx));
        let piece = match self.read_timeout {
            Some(limit) => tokio::time::timeout(limit, read).await,
            None => Ok(read.await),
        };
        match piece {
            Ok(piece) => piece.map_err(|error| self.body_error(error)),
            Err(_) => Err(Self::read_timed_out()),
        }
    }

    /// Returns when the client has left, and why.
    async fn wait_until_gone(&mut self) -> BError {
        poll_fn(|cx| self.poll_gone(cx)).await
    }

    /// The next piece of the body, or an error when the client leaves first: one that stops the response no longer
    /// cares whether its body arrives.
    async fn read_unless_gone(&mut self) -> Result<Option<Bytes>> {
        let limit = self.read_timeout.unwrap_or(Duration::MAX);
        let read = poll_fn(|cx| match self.poll_gone(cx) {
            Poll::Ready(gone) => Poll::Ready(Err(gone)),
            Poll::Pending => self.body.poll_read(&mut self.carrier, cx).map(Ok),
        });
        match tokio::time::timeout(limit, read).await {
            Ok(Ok(piece)) => piece.map_err(|error| self.body_error(error)),
            Ok(Err(gone)) => Err(gone),
            Err(_) => Err(Self::read_timed_out()),
        }
    }

    /// Reads the body to its end and forgets it.
    async fn drain(&mut self) -> Result<()> {
        let limit = self.drain_timeout.unwrap_or(Duration::MAX);
        let drain = async {
            while !self.body.is_done() && self.read_piece().await?.is_some() {}
            Ok(())
        };
        tokio::time::timeout(limit, drain).await.or_err(ErrorType::ReadTimedout, "draining a request")?
    }

    /// Method, target and host, for messages.
    fn summary(&self) -> String {
        let target = String::from_utf8_lossy(self.header.raw_path());
        let host = self.header.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        format!("{} {target}, Host: {}", self.header.method, host.unwrap_or_default())
    }

    /// Hands everything queued over and finishes the stream if that was all. Cancelled at any point, it goes on
    /// with the next call.
    async fn flush(&mut self) -> Result<()> {
        while !self.write_some().await? {}
        self.response.settle(&mut self.carrier);
        Ok(())
    }

    /// Hands over what can go; true once nothing is left. Waits no longer than for a slow reader.
    async fn write_some(&mut self) -> Result<bool> {
        let waits = self.carrier.has_queued();
        let written = match self.write_timeout {
            Some(limit) if waits => write_patiently(&mut self.carrier, &mut self.reader, limit).await,
            _ => Some(poll_fn(|cx| self.carrier.poll_write(cx)).await),
        };
        match written {
            Some(result) => result.map_err(|error| self.write_error(error)),
            None => {
                self.response.reset(&mut self.carrier, Abandoned::NotTaken);
                Err(Error::explain(ErrorType::WriteTimedout, format!("{} response", C::PROTOCOL)).into_down())
            }
        }
    }

    fn write_error(&mut self, error: C::WriteError) -> BError {
        self.response.reset(&mut self.carrier, Abandoned::NotTaken);
        let context = format!("writing an {} response", C::PROTOCOL);
        Error::because(C::kind_of(&error), context, error).into_down()
    }

    /// Writes all tasks; true when the response has ended. Cancelled at any point, it goes on with the next call.
    async fn write_tasks(&mut self) -> Result<bool> {
        let written = self.write_some_at_a_time().await;
        if written.is_err() {
            // Nothing can be written any more: whoever asks must not be told that something waits.
            self.tasks.clear();
        }
        written
    }

    async fn write_some_at_a_time(&mut self) -> Result<bool> {
        loop {
            while self.carrier.queued_bytes() < TASK_BYTES {
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
        let (response, carrier) = (&mut self.response, &mut self.carrier);
        match task {
            HttpTask::Header(header, end) => response.queue_header(carrier, header, end),
            HttpTask::Body(data, end) => response.queue_body(carrier, data.unwrap_or_default(), end),
            HttpTask::Trailer(Some(trailers)) => response.queue_trailers(carrier, *trailers),
            HttpTask::Trailer(None) | HttpTask::Done => response.queue_end(carrier),
            HttpTask::UpgradedBody(..) => Err(ResponseError::Upgrade),
            HttpTask::Failed(error) => return Err(error),
        }
        .map_err(response_error::<C>)
    }
}

fn response_error<C: Carrier>(error: ResponseError) -> BError {
    Error::because(ErrorType::WriteError, format!("writing an {} response", C::PROTOCOL), error).into_down()
}
