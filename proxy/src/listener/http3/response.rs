//! The response to one request: field sections through h3, bodies straight into the stream's sending half.
//!
//! Nothing here waits: everything is queued in the half, and the session flushes. A response that turns out shorter
//! or longer than its `content-length` ends in a reset, so that nobody takes it for whole.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use pingora_core::protocols::http::date::get_cached_date;
use pingora_http::ResponseHeader;
use tidegate_config::field::HOP_BY_HOP;

use super::field_section::headers_frame;
use super::frame::data_header;
use super::priority::Signal;
use super::quic_adapter::{BidiStream, SendHalf};

/// Why a response cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseError {
    /// A body or trailers before the fields.
    #[error("response body before its header")]
    NoHeader,
    /// More or fewer bytes than `content-length` says.
    #[error("response body of {sent} bytes disagrees with content-length {announced}")]
    Length {
        /// What `content-length` says.
        announced: u64,
        /// What there was.
        sent: u64,
    },
    /// It was given up before: the client left, or it turned out wrong.
    #[error("response was given up")]
    GivenUp,
    /// Its `content-length` is no number.
    #[error("response with an invalid content-length")]
    InvalidLength,
    /// 101 has no meaning in HTTP/3 (RFC 9114 section 4.5).
    #[error("protocol upgrade over HTTP/3")]
    Upgrade,
    /// The client takes no field section of this size, or its connection is gone.
    #[error("field section was not sent: {0}")]
    Fields(#[source] StreamError),
}

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing but interim responses so far.
    Header,
    /// The body.
    Body,
    /// All of it is queued; once flushed, the stream is to be finished.
    Ending,
    /// Finished.
    Ended,
    /// Given up.
    Failed,
}

/// The response to one request.
pub(super) struct Response {
    fields: RequestStream<BidiStream, Bytes>,
    half: Arc<Mutex<SendHalf>>,
    stage: Stage,
    method_is_head: bool,
    /// Set when what is sent must be this long.
    announced: Option<u64>,
    /// False for responses to HEAD and for statuses that have no body.
    has_body: bool,
    bytes_sent: u64,
    header: Option<Box<ResponseHeader>>,
}

impl Response {
    /// The response on this stream to a request with this method.
    pub(super) fn new(fields: RequestStream<BidiStream, Bytes>, half: Arc<Mutex<SendHalf>>, method: &Method) -> Self {
        Self {
            fields,
            half,
            stage: Stage::Header,
            method_is_head: method == Method::HEAD,
            announced: None,
            has_body: true,
            bytes_sent: 0,
            header: None,
        }
    }

    /// Queues the fields; interim responses (1xx) may precede the final one. A second final one is ignored.
    pub(super) fn queue_header(&mut self, mut header: Box<ResponseHeader>, end: bool) -> Result<(), ResponseError> {
        if header.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ResponseError::Upgrade);
        }
        if self.stage != Stage::Header {
            log::warn!("a second response header was not sent");
            return Ok(());
        }
        for name in &HOP_BY_HOP {
            header.remove_header(name);
        }
        let interim = header.status.is_informational();
        if !interim {
            if !header.headers.contains_key(DATE) {
                header.insert_header(DATE, get_cached_date()).ok();
            }
            self.set_body_rule(&header)?;
            if let Some(signal) = Signal::of(&header.headers) {
                self.half.lock().decide(signal);
            }
        }
        match headers_frame(header.status, &header.headers) {
            Some(frame) => self.half.lock().push(frame),
            None => {
                let mut response = http::Response::new(());
                *response.status_mut() = header.status;
                *response.headers_mut() = header.headers.clone();
                queued(self.fields.send_response(response))?;
            }
        }
        if !interim {
            self.stage = Stage::Body;
            self.header = Some(header);
            if end {
                self.queue_end()?;
            }
        }
        Ok(())
    }

    /// What the header says of the body: none to HEAD nor with 204 and 304 (RFC 9110 section 6.4.1), else as long as
    /// `content-length`.
    fn set_body_rule(&mut self, header: &ResponseHeader) -> Result<(), ResponseError> {
        let bodiless = matches!(header.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.has_body = !self.method_is_head && !bodiless;
        if self.has_body {
            self.announced = announced_length(&header.headers)?;
        }
        Ok(())
    }

    /// Queues a piece of the body; the bytes are not copied.
    pub(super) fn queue_body(&mut self, bytes: Bytes, end: bool) -> Result<(), ResponseError> {
        match self.stage {
            Stage::Header => return Err(ResponseError::NoHeader),
            Stage::Body => {}
            Stage::Ending | Stage::Ended => return Ok(()),
            Stage::Failed => return Err(ResponseError::GivenUp),
        }
        if self.has_body && !bytes.is_empty() {
            let sent = self.bytes_sent + bytes.len() as u64;
            if let Some(announced) = self.announced.filter(|announced| sent > *announced) {
                return Err(self.fail(ResponseError::Length { announced, sent }));
            }
            self.bytes_sent = sent;
            let mut half = self.half.lock();
            half.push(data_header(bytes.len()));
            half.push(bytes);
        }
        if end { self.queue_end() } else { Ok(()) }
    }

    /// Queues trailers, which end the response.
    pub(super) fn queue_trailers(&mut self, trailers: HeaderMap) -> Result<(), ResponseError> {
        match self.stage {
            Stage::Header => return Err(ResponseError::NoHeader),
            Stage::Body => {}
            Stage::Ending | Stage::Ended => return Ok(()),
            Stage::Failed => return Err(ResponseError::GivenUp),
        }
        if self.has_body && !trailers.is_empty() {
            queued(self.fields.send_trailers(trailers))?;
        }
        self.queue_end()
    }

    /// Says that nothing follows. Without a header there is nothing to end; dropping the session then resets.
    pub(super) fn queue_end(&mut self) -> Result<(), ResponseError> {
        if self.stage != Stage::Body {
            return Ok(());
        }
        let sent = self.bytes_sent;
        if let Some(announced) = self.announced.filter(|announced| *announced != sent) {
            return Err(self.fail(ResponseError::Length { announced, sent }));
        }
        self.stage = Stage::Ending;
        Ok(())
    }

    /// Finishes the stream if everything was queued; call it when the half is flushed.
    pub(super) fn settle(&mut self) {
        if self.stage == Stage::Ending {
            self.half.lock().finish();
            self.stage = Stage::Ended;
        }
    }

    /// Gives the response up in a way that the client can tell from its end.
    pub(super) fn reset(&mut self, code: Code) {
        if self.stage != Stage::Ended {
            self.half.lock().reset(code);
            self.stage = Stage::Failed;
        }
    }

    fn fail(&mut self, error: ResponseError) -> ResponseError {
        self.reset(Code::H3_INTERNAL_ERROR);
        error
    }

    /// The sending half.
    pub(super) fn half(&self) -> &Arc<Mutex<SendHalf>> {
        &self.half
    }

    /// Whether something is still to be flushed or finished.
    pub(super) fn is_unsettled(&self) -> bool {
        self.stage == Stage::Ending || self.half.lock().has_queued()
    }

    /// Whether all of it was handed over.
    pub(super) fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// The final header, once written.
    pub(super) fn header(&self) -> Option<&ResponseHeader> {
        self.header.as_deref()
    }

    /// Bytes of the body that were queued.
    pub(super) fn bytes_sent(&self) -> usize {
        usize::try_from(self.bytes_sent).unwrap_or(usize::MAX)
    }
}

/// Lets h3 encode a field section into the half's queue. It never waits, because the adapter leaves flushing to the
/// session.
fn queued(encode: impl Future<Output = Result<(), StreamError>>) -> Result<(), ResponseError> {
    match encode.now_or_never() {
        Some(result) => result.map_err(ResponseError::Fields),
        None => unreachable!("a response stream of the adapter is always ready"),
    }
}

/// The length of one field; that there are no more was checked when the response came.
fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let digits = length.to_str().ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map(Some).ok_or(ResponseError::InvalidLength)
}
