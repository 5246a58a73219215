//! One request stream of HTTP/3 as sessions use it: field sections through h3, bodies straight into the stream's
//! sending half.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::HeaderMap;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use quinn::WriteError;

use super::field_section::headers_frame;
use super::frame::data_header;
use super::quic_adapter::{BidiStream, BodyError, Stopped, StreamHalves, variable_integer};
use crate::listener::priority::Signal;
use crate::listener::session::{Abandoned, Carrier, FieldsError, RequestBodyError};
use crate::listener::slow_reader::{Taken, Turn};

/// A request stream and its connection.
pub(super) struct Http3Carrier {
    fields: RequestStream<BidiStream, Bytes>,
    halves: StreamHalves,
    connection: quinn::Connection,
    /// Resolves when the client leaves; made when somebody first waits for that.
    stopped: Option<Stopped>,
}

impl Http3Carrier {
    pub(super) fn new(
        fields: RequestStream<BidiStream, Bytes>,
        halves: StreamHalves,
        connection: quinn::Connection,
    ) -> Self {
        Self { fields, halves, connection, stopped: None }
    }
}

impl Carrier for Http3Carrier {
    type BodyError = BodyError;
    type WriteError = WriteError;
    const PROTOCOL: &'static str = "HTTP/3";

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        self.halves.receive.lock().poll_body(context)
    }

    fn refuse_body(&mut self, error: &RequestBodyError<BodyError>) {
        let code = match error {
            RequestBodyError::Stream(error) => error.code(),
            RequestBodyError::Length => Code::H3_MESSAGE_ERROR,
        };
        if matches!(error, RequestBodyError::Stream(error) if error.closes_connection()) {
            self.connection.close(variable_integer(code.value()), b"");
        }
        self.halves.receive.lock().stop(code);
    }

    fn stop_body(&mut self) {
        self.halves.receive.lock().stop(Code::H3_NO_ERROR);
    }

    fn push_fields(&mut self, header: &ResponseHeader) -> Result<(), FieldsError> {
        if let Some(frame) = headers_frame(header.status, &header.headers) {
            self.halves.send.lock().push(frame);
            return Ok(());
        }
        let mut response = http::Response::new(());
        *response.status_mut() = header.status;
        *response.headers_mut() = header.headers.clone();
        queued(self.fields.send_response(response))
    }

    fn push_body(&mut self, bytes: Bytes) {
        let mut half = self.halves.send.lock();
        half.push(data_header(bytes.len()));
        half.push(bytes);
    }

    fn push_trailers(&mut self, trailers: HeaderMap) -> Result<(), FieldsError> {
        queued(self.fields.send_trailers(trailers))
    }

    fn finish(&mut self) {
        self.halves.send.lock().finish();
    }

    fn reset(&mut self, why: Abandoned) {
        self.halves.send.lock().reset(match why {
            Abandoned::NotTaken => Code::H3_REQUEST_CANCELLED,
            Abandoned::Broken => Code::H3_INTERNAL_ERROR,
        });
    }

    fn decide(&mut self, signal: Signal) {
        self.halves.send.lock().decide(signal);
    }

    fn has_queued(&self) -> bool {
        self.halves.send.lock().has_queued()
    }

    fn queued_bytes(&self) -> usize {
        self.halves.send.lock().queued_bytes()
    }

    fn unsent_bytes(&self) -> usize {
        self.halves.send.lock().unsent_bytes()
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, WriteError>> {
        self.halves.send.lock().poll_write(context)
    }

    fn taken(&self) -> Taken {
        // Whether this stream's window is closed or all of the connection waits, quinn does not say.
        let all = self.connection.stats().udp_tx.bytes;
        Taken { own: self.halves.send.lock().taken(), all, turn: Turn::Unknown }
    }

    fn kind_of(error: &WriteError) -> ErrorType {
        match error {
            WriteError::ConnectionLost(_) | WriteError::Stopped(_) => ErrorType::ConnectionClosed,
            _ => ErrorType::WriteError,
        }
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<String> {
        let (half, connection) = (&self.halves.send, &self.connection);
        let stopped = self.stopped.get_or_insert_with(|| half.lock().stopped());
        let Poll::Ready(outcome) = stopped.as_mut().poll(context) else { return Poll::Pending };
        Poll::Ready(match outcome {
            Ok(Some(code)) => format!("client stopped the response with code {code}"),
            Ok(None) if connection.close_reason().is_none() => {
                let connection = connection.clone();
                self.stopped = Some(Box::pin(async move { Err(connection.closed().await.into()) }));
                return self.poll_gone(context);
            }
            Ok(None) => "connection ended".to_owned(),
            Err(error) => format!("connection ended: {error}"),
        })
    }
}

/// Lets h3 encode a field section into the half's queue. It never waits, because the adapter leaves flushing to the
/// session.
fn queued(encode: impl Future<Output = Result<(), StreamError>>) -> Result<(), FieldsError> {
    match encode.now_or_never() {
        Some(result) => result.map_err(Into::into),
        None => unreachable!("a response stream of the adapter is always ready"),
    }
}
