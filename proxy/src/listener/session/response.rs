//! The response to one request: which of its parts may follow which, and how long its body must be.
//!
//! Nothing here waits: everything is queued in the carrier, and the session flushes. A response that turns out shorter
//! or longer than its `content-length` ends in a reset, so that nobody takes it for whole.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, Method, StatusCode};
use pingora_core::protocols::http::date::get_cached_date;
use pingora_http::ResponseHeader;
use tidegate_config::field::HOP_BY_HOP;

use super::{Abandoned, Carrier, FieldsError};
use crate::listener::priority::Signal;

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
    /// 101 has no meaning in HTTP/2 and HTTP/3 (RFC 9113 section 8.6, RFC 9114 section 4.5).
    #[error("protocol upgrade over a protocol that has none")]
    Upgrade,
    /// The client takes no field section of this size, or its connection is gone.
    #[error("field section was not sent: {0}")]
    Fields(FieldsError),
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
    stage: Stage,
    method_is_head: bool,
    /// Set when what is sent must be this long.
    announced: Option<u64>,
    /// False for responses to HEAD and for statuses that have no body.
    has_body: bool,
    bytes_queued: u64,
    header: Option<Box<ResponseHeader>>,
}

impl Response {
    /// The response to a request with this method.
    pub(super) fn new(method: &Method) -> Self {
        Self {
            stage: Stage::Header,
            method_is_head: method == Method::HEAD,
            announced: None,
            has_body: true,
            bytes_queued: 0,
            header: None,
        }
    }

    /// Queues the fields; interim responses (1xx) may precede the final one. A second final one is ignored. An interim one
    /// that cannot be sent is left out: the final one may well be small enough, and where the connection is gone it fails
    /// by itself.
    pub(super) fn queue_header(
        &mut self,
        carrier: &mut impl Carrier,
        mut header: Box<ResponseHeader>,
        end: bool,
    ) -> Result<(), ResponseError> {
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
                carrier.decide(signal);
            }
        }
        let pushed = carrier.push_fields(&header);
        if interim {
            pushed.unwrap_or_else(|error| log::debug!("an interim response was not sent: {error}"));
        } else {
            pushed.map_err(ResponseError::Fields)?;
            self.stage = Stage::Body;
            self.header = Some(header);
            if end {
                self.queue_end(carrier)?;
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

    /// Whether content can follow; behind the end it is nothing to anybody.
    fn takes_content(&self) -> Result<bool, ResponseError> {
        match self.stage {
            Stage::Header => Err(ResponseError::NoHeader),
            Stage::Body => Ok(true),
            Stage::Ending | Stage::Ended => Ok(false),
            Stage::Failed => Err(ResponseError::GivenUp),
        }
    }

    /// Queues a piece of the body; the bytes are not copied.
    pub(super) fn queue_body(
        &mut self,
        carrier: &mut impl Carrier,
        bytes: Bytes,
        end: bool,
    ) -> Result<(), ResponseError> {
        if !self.takes_content()? {
            return Ok(());
        }
        if self.has_body && !bytes.is_empty() {
            let sent = self.bytes_queued + bytes.len() as u64;
            if let Some(announced) = self.announced.filter(|announced| sent > *announced) {
                return Err(self.fail(carrier, ResponseError::Length { announced, sent }));
            }
            self.bytes_queued = sent;
            carrier.push_body(bytes);
        }
        if end { self.queue_end(carrier) } else { Ok(()) }
    }

    /// Queues trailers, which end the response.
    pub(super) fn queue_trailers(
        &mut self,
        carrier: &mut impl Carrier,
        trailers: HeaderMap,
    ) -> Result<(), ResponseError> {
        if !self.takes_content()? {
            return Ok(());
        }
        if self.has_body && !trailers.is_empty() {
            carrier.push_trailers(trailers).map_err(ResponseError::Fields)?;
        }
        self.queue_end(carrier)
    }

    /// Says that nothing follows. Without a header there is nothing to end; dropping the session then resets.
    pub(super) fn queue_end(&mut self, carrier: &mut impl Carrier) -> Result<(), ResponseError> {
        if self.stage != Stage::Body {
            return Ok(());
        }
        let sent = self.bytes_queued;
        if let Some(announced) = self.announced.filter(|announced| *announced != sent) {
            return Err(self.fail(carrier, ResponseError::Length { announced, sent }));
        }
        carrier.push_end();
        self.stage = Stage::Ending;
        Ok(())
    }

    /// Finishes the stream if everything was queued; call it when the carrier is flushed.
    pub(super) fn settle(&mut self, carrier: &mut impl Carrier) {
        if self.stage == Stage::Ending {
            carrier.finish();
            self.stage = Stage::Ended;
        }
    }

    /// Gives the response up in a way that the client can tell from its end.
    pub(super) fn reset(&mut self, carrier: &mut impl Carrier, why: Abandoned) {
        if self.stage != Stage::Ended {
            carrier.reset(why);
            self.stage = Stage::Failed;
        }
    }

    fn fail(&mut self, carrier: &mut impl Carrier, error: ResponseError) -> ResponseError {
        self.reset(carrier, Abandoned::Broken);
        error
    }

    /// Whether something is still to be flushed or finished.
    pub(super) fn is_unsettled(&self, carrier: &impl Carrier) -> bool {
        self.stage == Stage::Ending || carrier.has_queued()
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
    pub(super) fn bytes_queued(&self) -> usize {
        usize::try_from(self.bytes_queued).unwrap_or(usize::MAX)
    }
}

/// The length of one field; that there are no more was checked when the response came.
fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let digits = length.to_str().ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map(Some).ok_or(ResponseError::InvalidLength)
}
