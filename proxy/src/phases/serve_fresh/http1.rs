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
use pingora_error::Result;

use super::{Asked, Exchange, FreshHit, HeadFields, PIECE, RequestContext, record};
use crate::edge_proxy::EdgeProxy;
use crate::listener::{ConnectionInfo, ReadyResponse};
use crate::phases::route_facts::changes_responses;
use crate::phases::shape_response::is_replaced;
use crate::route_actions::HeaderSection;

/// Fields of a request that is read here. Browsers send some twenty; more go the long way.
const MAX_FIELDS: usize = 48;

/// Room for the head of a usual response.
const USUAL_HEAD: usize = 1024;

/// A hit with the request it answers.
pub(crate) struct Http1Hit {
    proxy: Arc<EdgeProxy>,
    hit: FreshHit,
    target: Box<[u8]>,
    fields: HeaderMap,
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
        Some(Self { proxy: Arc::clone(proxy), hit, target: target.into(), fields })
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

impl ReadyResponse for Http1Hit {
    fn head(&mut self) -> Option<Vec<u8>> {
        let mut head = Http1Head::with_status_line();
        if self.hit.context.route.as_ref().is_some_and(changes_responses) {
            for (name, value) in &self.hit.head().ok()?.headers {
                head.line(name, value);
            }
        } else {
            for (name, value) in &self.hit.object.meta.headers {
                if !is_replaced(name, &self.hit.context) && *name != header::CONTENT_LENGTH {
                    head.line(name, value);
                }
            }
            self.hit.finish_head(&mut head).ok()?;
        }
        self.hit.context.response.first_byte = Some(Instant::now());
        Some(head.end())
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.hit.reader.next_stored(PIECE)
    }

    fn sent(&mut self, body_bytes: u64, error: Option<&io::Error>) {
        let asked = Asked {
            method: &Method::GET,
            raw_target: &self.target,
            target: &self.target,
            authority: None,
            scheme: None,
            fields: &self.fields,
        };
        let status = Some(StatusCode::OK);
        let exchange = Exchange { asked, status, request_bytes: 0, response_bytes: body_bytes };
        let context: &RequestContext = &self.hit.context;
        record(&self.proxy, &exchange, error.map(|error| error as &dyn Display), context);
    }
}

/// A response's header section as bytes.
struct Http1Head {
    text: Vec<u8>,
    dated: bool,
}

impl Http1Head {
    fn with_status_line() -> Self {
        let mut text = Vec::with_capacity(USUAL_HEAD);
        text.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        Self { text, dated: false }
    }

    fn line(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.dated |= *name == header::DATE;
        // In lower case, as in HTTP/2 and HTTP/3: case means nothing in a field's name (RFC 9110 section 5.1).
        self.text.extend_from_slice(name.as_str().as_bytes());
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(value.as_bytes());
        self.text.extend_from_slice(b"\r\n");
    }

    fn end(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"connection: keep-alive\r\n\r\n");
        self.text
    }
}

impl HeadFields for Http1Head {
    /// The stored fields that are replaced have been left out before.
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.line(&name, &value);
        Ok(())
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.line(&name, &value);
        Ok(())
    }

    fn has_date(&self) -> bool {
        self.dated
    }

    /// Where a route changes fields, the head is not made line by line.
    fn section(&mut self) -> Option<&mut dyn HeaderSection> {
        None
    }
}
