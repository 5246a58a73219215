//! Plain hits over HTTP/1.1: read from the bytes of the request and written as the bytes of the response.
//!
//! What is accepted here is a small part of what Pingora's parser accepts, and means the same there: one Host, a
//! target in origin form, no body, and a connection that stays open. What the fields say is kept for the next request
//! of the connection: players send the same ones with one target after the other.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pingora_error::Result;

use super::http1_head::Http1Head;
use super::preamble::{KeptPreamble, Preamble};
use super::{Asked, Exchange, FreshHit, PIECE, RequestContext, is_answer, record};
use crate::edge_proxy::EdgeProxy;
use crate::listener::{ConnectionInfo, FieldsNumber, PlainHead, ReadyResponses};
use crate::phases::route_facts::changes_responses;

/// Fields of a request that is read here. Browsers send some twenty; more go the long way.
const MAX_FIELDS: usize = 48;

/// A body up to this length is copied behind its head, so that both leave in one piece: a copy of a page costs less
/// than a second buffer for the kernel to gather.
const SHORT_BODY: usize = 8 << 10;

/// The hits of one connection.
pub(crate) struct Http1Hits {
    proxy: Arc<EdgeProxy>,
    connection: Arc<ConnectionInfo>,
    /// What the last fields came to that the listener may tell again.
    known: Option<KnownRequest>,
    /// The fields of the request that is being answered, where they are not those.
    passing: HeaderMap,
    hit: Option<FreshHit>,
    /// Bytes of the body that leave with the head.
    with_head: u64,
}

/// Fields, and what they say whatever the target is.
struct KnownRequest {
    number: FieldsNumber,
    fields: HeaderMap,
    preamble: KeptPreamble,
}

impl Http1Hits {
    pub(crate) fn new(proxy: Arc<EdgeProxy>, connection: Arc<ConnectionInfo>) -> Self {
        Self { proxy, connection, known: None, passing: HeaderMap::new(), hit: None, with_head: 0 }
    }

    fn find(&mut self, request: &PlainHead<'_>) -> Option<FreshHit> {
        if request.method != b"GET" {
            return None;
        }
        let snapshot = self.proxy.snapshot.load_full();
        let known = self.known.take_if(|known| {
            // What was found for others is of no use any more.
            Some(known.number) != request.known_as || !known.preamble.holds_in(&snapshot)
        });
        drop(known);
        let context =
            |snapshot| Box::new(RequestContext::arrived(request.arrived, snapshot, self.proxy.request_ids.next_id()));
        if let Some(known) = &self.known {
            if !known.preamble.is_plain() {
                return None;
            }
            let mut context = context(snapshot);
            let preamble = known.preamble.recall(&self.connection, &mut context)?;
            return FreshHit::find_in(&self.proxy, &asked(request, &known.fields), &preamble, context);
        }
        let fields = plain_fields(request.fields);
        let mut context = context(snapshot);
        let preamble = fields.as_ref().and_then(|fields| {
            let authority = fields.get(header::HOST).map(HeaderValue::as_bytes);
            let asked = Asked { authority, ..asked(request, fields) };
            Preamble::read(&asked, Arc::clone(&self.connection), &mut context)
        });
        let kept = KeptPreamble::of(preamble.as_ref(), &context);
        let fields = fields.unwrap_or_default();
        let hit = preamble.and_then(|it| FreshHit::find_in(&self.proxy, &asked(request, &fields), &it, context));
        match request.known_as {
            Some(number) => self.known = Some(KnownRequest { number, fields, preamble: kept }),
            None => self.passing = fields,
        }
        hit
    }
}

/// A GET with these fields, to a host that is known already.
fn asked<'a>(request: &PlainHead<'a>, fields: &'a HeaderMap) -> Asked<'a> {
    let target = request.target;
    // There is no scheme in origin form.
    Asked { method: &Method::GET, raw_target: target, target, authority: None, scheme: None, fields }
}

/// Whether the client was gone; one that takes nothing is still there.
fn is_gone(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::TimedOut
}

/// The fields, unless one of them needs more than a look.
fn plain_fields(section: &[u8]) -> Option<HeaderMap> {
    let mut parsed = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((length, parsed))) = httparse::parse_headers(section, &mut parsed) else {
        return None;
    };
    if length != section.len() {
        return None;
    }
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
    /// Writes its head as HTTP/1.1 sends it, with room behind it for so many bytes of the body.
    fn write_http1_head(&self, room: usize, text: &mut Vec<u8>) -> Result<()> {
        if !self.context.route.as_ref().is_some_and(changes_responses) {
            return self.hit_head().write_http1(room, text);
        }
        // A route changes what is a list of fields.
        let fields = self.head()?;
        let mut head = Http1Head::ok(room, text);
        for (name, value) in &fields.headers {
            head.line(name, value);
        }
        head.end();
        Ok(())
    }
}

impl ReadyResponses for Http1Hits {
    fn begin(&mut self, request: &PlainHead<'_>, text: &mut Vec<u8>) -> bool {
        self.with_head = 0;
        self.hit = self.find(request);
        let Some(hit) = &mut self.hit else { return false };
        let short = usize::try_from(hit.length).ok().filter(|length| *length <= SHORT_BODY);
        if hit.write_http1_head(short.unwrap_or_default(), text).is_err() {
            text.clear();
            self.hit = None;
            return false;
        }
        if short.is_none() {
            hit.context.response.first_byte = Some(Instant::now());
            return true;
        }
        while let Some(piece) = hit.reader.next_stored(PIECE) {
            self.with_head += piece.len() as u64;
            text.extend_from_slice(&piece);
        }
        true
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.hit.as_mut()?.reader.next_stored(PIECE)
    }

    fn sent(&mut self, request: &PlainHead<'_>, body_bytes: u64, ended: Instant, error: Option<&io::Error>) {
        let Some(mut hit) = self.hit.take() else { return };
        // What leaves in one piece has its first byte and its last at one time.
        hit.context.response.first_byte.get_or_insert(ended);
        let with_head = if error.is_some() { 0 } else { self.with_head };
        let fields = self.known.as_ref().map_or(&self.passing, |known| &known.fields);
        let exchange = Exchange {
            asked: asked(request, fields),
            status: is_answer(body_bytes + with_head, error.is_some_and(is_gone)).then_some(StatusCode::OK),
            request_bytes: 0,
            response_bytes: body_bytes + with_head,
            ended,
        };
        record(&self.proxy, &exchange, error.map(|error| error as &dyn Display), &hit.context);
        self.passing = HeaderMap::new();
    }
}
