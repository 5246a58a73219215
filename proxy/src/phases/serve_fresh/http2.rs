//! Plain hits over HTTP/2: found from the decoded fields of the request and written as the compressed ones of the
//! response, without a session.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora_error::Result;

use super::http2_head::Http2Head;
use super::{Asked, Exchange, FreshHit, PIECE, is_answer, record};
use crate::edge_proxy::EdgeProxy;
use crate::listener::{ConnectionInfo, ReadyStream, Signal, StreamRequest};
use crate::phases::route_facts::changes_responses;

/// A body up to this length leaves with its head: one frame of the default size (RFC 9113 section 4.2).
const SHORT_BODY: u64 = 16 << 10;

/// A hit with the request it answers.
pub(crate) struct Http2Hit {
    proxy: Arc<EdgeProxy>,
    hit: FreshHit,
    request: StreamRequest,
    client_has_left: bool,
}

impl Http2Hit {
    /// The answer to this request, if it is a plain one; then the request has been taken.
    pub(crate) fn find(
        proxy: &Arc<EdgeProxy>,
        request: &mut StreamRequest,
        connection: &Arc<ConnectionInfo>,
    ) -> Option<Self> {
        let hit = FreshHit::find(proxy, &asked(request), Arc::clone(connection))?;
        Some(Self { proxy: Arc::clone(proxy), hit, request: std::mem::take(request), client_has_left: false })
    }
}

fn asked(request: &StreamRequest) -> Asked<'_> {
    Asked {
        method: &request.method,
        raw_target: &request.target,
        target: &request.target,
        authority: request.fields.get(header::HOST).map(HeaderValue::as_bytes),
        scheme: None, // in origin form
        fields: &request.fields,
    }
}

impl FreshHit {
    /// Writes its head as HTTP/2 sends it.
    fn write_http2_head(&self, section: &mut Vec<u8>) -> Result<()> {
        if !self.context.route.as_ref().is_some_and(changes_responses) {
            return self.hit_head().write_http2(section);
        }
        // A route changes what is a list of fields.
        let fields = self.head()?;
        let mut head = Http2Head::ok(section);
        fields.headers.iter().for_each(|(name, value)| head.field(name, value));
        Ok(())
    }

    /// What its head says of how urgent it is.
    fn priority(&self) -> Option<Signal> {
        if self.context.route.as_ref().is_some_and(changes_responses) {
            return Signal::of(&self.head().ok()?.headers);
        }
        let head = self.hit_head();
        let added = || head.node.priority.as_ref().map(|value| Signal::parse(value.as_bytes()));
        Signal::of(&head.meta.headers).or_else(added)
    }
}

impl ReadyStream for Http2Hit {
    fn length(&self) -> u64 {
        self.hit.length
    }

    fn write_section(&mut self, section: &mut Vec<u8>) -> bool {
        let before = section.len();
        let written = self.hit.write_http2_head(section).is_ok();
        if !written {
            section.truncate(before);
        }
        if self.hit.length > SHORT_BODY {
            self.hit.context.response.first_byte = Some(Instant::now());
        }
        written
    }

    fn priority(&self) -> Option<Signal> {
        self.hit.priority()
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.hit.reader.next_stored(PIECE)
    }

    fn client_left(&mut self) {
        self.client_has_left = true;
    }

    fn sent(&mut self, body_bytes: u64, error: Option<&dyn Display>) {
        let ended = Instant::now();
        // What leaves in one piece has its first byte and its last at one time.
        self.hit.context.response.first_byte.get_or_insert(ended);
        let exchange = Exchange {
            asked: asked(&self.request),
            status: is_answer(body_bytes, self.client_has_left).then_some(StatusCode::OK),
            request_bytes: 0,
            response_bytes: body_bytes,
            ended,
        };
        record(&self.proxy, &exchange, error, &self.hit.context);
    }
}
