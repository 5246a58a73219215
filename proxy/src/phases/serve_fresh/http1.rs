//! Plain hits over HTTP/1.1: read from the bytes of the request and written as the bytes of the response.
//!
//! What is accepted here is a small part of what Pingora's parser accepts, and means the same there: one Host, a
//! target in origin form, no body, and a connection that stays open.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::http1_head::Http1Head;
use super::{Asked, Exchange, FreshHit, PIECE, RequestContext, record};
use crate::edge_proxy::EdgeProxy;
use crate::listener::{ConnectionInfo, ReadyResponse};
use crate::phases::route_facts::changes_responses;

/// Fields of a request that is read here. Browsers send some twenty; more go the long way.
const MAX_FIELDS: usize = 48;

/// A body up to this length is copied behind its head, so that both leave in one piece: a copy of a page costs less
/// than a second buffer for the kernel to gather.
const SHORT_BODY: usize = 8 << 10;

/// A hit with the request it answers.
pub(crate) struct Http1Hit {
    proxy: Arc<EdgeProxy>,
    hit: FreshHit,
    target: Box<[u8]>,
    fields: HeaderMap,
    /// Bytes of the body that leave with the head.
    with_head: u64,
}

impl Http1Hit {
    /// The answer to the request with this header section, if it is a plain one.
    pub(crate) fn find(proxy: &Arc<EdgeProxy>, head: &[u8], connection: Arc<ConnectionInfo>) -> Option<Self> {
        let mut parsed = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut parsed);
        if !matches!(request.parse(head), Ok(httparse::Status::Complete(length)) if length == head.len()) {
            return None;
        }
        let target = request.path.filter(|target| target.starts_with('/'))?.as_bytes();
        if request.method != Some("GET") || request.version != Some(1) {
            return None;
        }
        let fields = plain_fields(request.headers)?;
        let host = fields.get(header::HOST)?.as_bytes();
        let asked = Asked {
            method: &Method::GET,
            raw_target: target,
            target,
            authority: Some(host),
            scheme: None, // in origin form
            fields: &fields,
        };
        let hit = FreshHit::find(proxy, &asked, connection)?;
        Some(Self { proxy: Arc::clone(proxy), hit, target: target.into(), fields, with_head: 0 })
    }
}

/// The fields, unless one of them needs more than a look.
fn plain_fields(parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        let plain = match name {
            header::HOST => !fields.contains_key(header::HOST) && !field.value.contains(&b'@'),
            header::CONNECTION => field.value.eq_ignore_ascii_case(b"keep-alive"),
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::UPGRADE | header::EXPECT => false,
            _ => true,
        };
        if !plain {
            return None;
        }
        fields.append(name, value);
    }
    Some(fields)
}

impl FreshHit {
    /// Its head as HTTP/1.1 sends it, with room for a body of this length.
    fn http1_head(&self, room: usize) -> Option<Vec<u8>> {
        if !self.context.route.as_ref().is_some_and(changes_responses) {
            return self.hit_head().http1(room).ok();
        }
        // A route changes what is a list of fields.
        let mut head = Http1Head::ok(room);
        for (name, value) in &self.head().ok()?.headers {
            head.line(name, value);
        }
        Some(head.end())
    }
}

impl ReadyResponse for Http1Hit {
    fn head(&mut self) -> Option<Vec<u8>> {
        let short = usize::try_from(self.hit.length).ok().filter(|length| *length <= SHORT_BODY);
        let mut text = self.hit.http1_head(short.unwrap_or_default())?;
        if short.is_none() {
            self.hit.context.response.first_byte = Some(Instant::now());
            return Some(text);
        }
        while let Some(piece) = self.hit.reader.next_stored(PIECE) {
            self.with_head += piece.len() as u64;
            text.extend_from_slice(&piece);
        }
        Some(text)
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.hit.reader.next_stored(PIECE)
    }

    fn sent(&mut self, body_bytes: u64, error: Option<&io::Error>) {
        let ended = Instant::now();
        // What leaves in one piece has its first byte and its last at one time.
        self.hit.context.response.first_byte.get_or_insert(ended);
        let with_head = if error.is_some() { 0 } else { self.with_head };
        let asked = Asked {
            method: &Method::GET,
            raw_target: &self.target,
            target: &self.target,
            authority: None,
            scheme: None,
            fields: &self.fields,
        };
        let status = Some(StatusCode::OK);
        let response_bytes = body_bytes + with_head;
        let exchange = Exchange { asked, status, request_bytes: 0, response_bytes, ended };
        let context: &RequestContext = &self.hit.context;
        record(&self.proxy, &exchange, error.map(|error| error as &dyn Display), context);
    }
}
