//! One stream as its request holds it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;

use super::frame::Reason;
use super::hpack::{write_field, write_status};
use super::stream::Gone;
use super::streams::Shared;
use crate::listener::priority::Signal;
use crate::listener::session::{Abandoned, Carrier, FieldsError, RequestBodyError};
use crate::listener::slow_reader::Taken;

/// What a field takes besides its value, about.
const FIELD_ROOM: usize = 48;

/// A stream; dropped before its response has ended, it is reset.
pub(super) struct Http2Carrier {
    streams: Arc<Shared>,
    id: u32,
}

impl Http2Carrier {
    /// The stream with this number, which was entered.
    pub(super) fn new(streams: Arc<Shared>, id: u32) -> Self {
        Self { streams, id }
    }

    /// Queues a field section that is compressed already.
    pub(super) fn push_section(&mut self, section: Vec<u8>) {
        self.streams.lock().change(self.id, |stream| stream.push_section(section));
    }
}

impl Drop for Http2Carrier {
    fn drop(&mut self) {
        self.streams.lock().forget(self.id);
    }
}

impl Carrier for Http2Carrier {
    type BodyError = Gone;
    type WriteError = Gone;
    const PROTOCOL: &'static str = "HTTP/2";

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Gone>> {
        let mut streams = self.streams.lock();
        if let Some(piece) = streams.take_received(self.id) {
            return Poll::Ready(Ok(Some(piece)));
        }
        let Some(stream) = streams.get(self.id) else { return Poll::Ready(Err(Gone::Ended)) };
        match stream.gone {
            Some(gone) => Poll::Ready(Err(gone)),
            None if stream.received_end => Poll::Ready(Ok(None)),
            None => {
                stream.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn refuse_body(&mut self, error: &RequestBodyError<Gone>) {
        if matches!(error, RequestBodyError::Length) {
            self.streams.lock().at_fault(self.id);
        }
    }

    /// The stream is reset when the session is dropped.
    fn stop_body(&mut self) {}

    fn push_fields(&mut self, header: &ResponseHeader) -> Result<(), FieldsError> {
        let values: usize = header.headers.values().map(http::HeaderValue::len).sum();
        let mut section = Vec::with_capacity(values + (header.headers.len() + 1) * FIELD_ROOM);
        write_status(&mut section, header.status);
        for (name, value) in &header.headers {
            write_field(&mut section, name, value.as_bytes());
        }
        self.push_section(section);
        Ok(())
    }

    fn push_body(&mut self, bytes: Bytes) {
        self.streams.lock().change(self.id, |stream| stream.push_data(bytes));
    }

    fn push_trailers(&mut self, trailers: HeaderMap) -> Result<(), FieldsError> {
        let mut section = Vec::new();
        for (name, value) in &trailers {
            write_field(&mut section, name, value.as_bytes());
        }
        // One without the other would be no end of a response (RFC 9113 section 8.1).
        self.streams.lock().change(self.id, |stream| {
            stream.push_section(section);
            stream.push_end();
        });
        Ok(())
    }

    fn push_end(&mut self) {
        self.streams.lock().change(self.id, |stream| stream.push_end());
    }

    fn finish(&mut self) {}

    fn reset(&mut self, why: Abandoned) {
        let reason = match why {
            Abandoned::NotTaken => Reason::CANCEL,
            Abandoned::Broken => Reason::INTERNAL_ERROR,
        };
        self.streams.lock().reset(self.id, reason);
    }

    fn decide(&mut self, signal: Signal) {
        self.streams.lock().prioritise(self.id, |priority| priority.decided = signal);
    }

    fn has_queued(&self) -> bool {
        self.streams.lock().get(self.id).is_some_and(|stream| !stream.is_flushed())
    }

    fn queued_bytes(&self) -> usize {
        self.streams.lock().get(self.id).map_or(0, |stream| stream.queued_bytes())
    }

    fn unsent_bytes(&self) -> usize {
        self.streams.lock().get(self.id).map_or(0, |stream| stream.unsent_bytes())
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Gone>> {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.get(self.id) else { return Poll::Ready(Err(Gone::Ended)) };
        if let Some(gone) = stream.gone.filter(|_| !stream.sent_end) {
            return Poll::Ready(Err(gone));
        }
        let progressed = stream.take_progress();
        if stream.is_flushed() {
            return Poll::Ready(Ok(true));
        }
        if progressed {
            return Poll::Ready(Ok(false));
        }
        stream.writer = Some(context.waker().clone());
        Poll::Pending
    }

    fn taken(&self) -> Taken {
        self.streams.lock().taken(self.id)
    }

    fn kind_of(_error: &Gone) -> ErrorType {
        ErrorType::ConnectionClosed
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<String> {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.get(self.id) else { return Poll::Ready(Gone::Ended.to_string()) };
        if let Some(gone) = stream.gone {
            return Poll::Ready(gone.to_string());
        }
        stream.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::frame::{END_STREAM, HEADERS, Header};
    use super::super::output::Output;
    use super::super::stream::Prefix;
    use super::super::streams::Streams;
    use super::*;

    /// Whoever sends in between must not see trailers without the end.
    #[test]
    fn trailers_end_the_stream_at_once() {
        let streams = Arc::new(Shared::new(Streams::new()));
        streams.lock().insert(1, true);
        let mut carrier = Http2Carrier::new(Arc::clone(&streams), 1);
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"a\""))]);
        carrier.push_trailers(trailers).unwrap();
        let (mut output, mut prefix) = (Output::default(), Prefix::NO_TABLE);
        streams.lock().fill(&mut output, usize::MAX, &mut prefix);
        let header = output.with_slices(|slices| Header::parse(&slices[0]));
        assert!(header.is_some_and(|header| header.kind == HEADERS && header.has(END_STREAM)), "{header:?}");
    }
}
