//! One request to one response: method, lookup, conditions, ranges, fields. It owns no sockets and no paths.

use std::{io, ops::RangeInclusive, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{self, InvalidHeaderValue},
};

use crate::{
    OriginName,
    body::{self, Body, Piece},
    byte_range::{self, Selection},
    directory::Directory,
    embedded,
    preconditions::{self, Outcome},
    request_path::{PathRefusal, RequestPath},
    resource::{Lookup, Resource},
};

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What a page on another host may read of our responses, and of what caches in front of us add to them.
const EXPOSED_FIELDS: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Cache-Status, CMSD-Dynamic, CMSD-Static, Content-Length, Content-Range, Date, ETag, \
     Server-Timing, X-Tidegate-Edge, X-Tidegate-Origin",
);

/// What a page on another host may send: ranges, conditions, and what players report (CTA-5004).
const ALLOWED_FIELDS: HeaderValue = HeaderValue::from_static(
    "CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, Content-Type, If-Match, If-Modified-Since, If-None-Match, \
     If-Range, If-Unmodified-Since, Range",
);

/// Browsers keep the answer to a preflight for two hours at most.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Which files are served.
pub(crate) enum Store {
    Embedded,
    Directory(Directory),
}

/// All that answering takes, shared by all connections.
pub(crate) struct Site {
    store: Store,
    /// For `X-Tidegate-Origin`.
    name: HeaderValue,
    /// For `Server-Timing`, which pages can read without fetching anything themselves.
    server_timing: HeaderValue,
}

impl Site {
    pub(crate) fn new(store: Store, name: &OriginName) -> Result<Self, InvalidHeaderValue> {
        let server_timing = format!("origin;desc=\"{name}\"");
        Ok(Self { store, name: name.as_str().try_into()?, server_timing: server_timing.try_into()? })
    }

    /// Answers one request. Whatever goes wrong is an answer too.
    pub(crate) async fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        let mut response = match *request.method() {
            Method::GET | Method::HEAD => self.file(request).await,
            Method::OPTIONS => preflight(),
            _ => method_not_allowed(),
        };
        if request.method() == Method::HEAD {
            // The fields stay, Content-Length included: they describe what GET would have sent.
            *response.body_mut() = body::empty();
        }
        let fields = response.headers_mut();
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_FIELDS);
        fields.insert(HeaderName::from_static("timing-allow-origin"), HeaderValue::from_static("*"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(HeaderName::from_static("x-tidegate-origin"), self.name.clone());
        fields.insert(HeaderName::from_static("server-timing"), self.server_timing.clone());
        response
    }

    async fn file<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = match RequestPath::parse(request.uri().path()) {
            Ok(path) => path,
            Err(refusal) => return refused(refusal),
        };
        match self.find(path).await {
            Ok(Lookup::Found(resource)) => found(resource, request.method(), request.headers(), SystemTime::now()),
            Ok(Lookup::MissingSlash) => redirect_to_directory(request.uri().path()),
            Ok(Lookup::NotFound) => refusal(StatusCode::NOT_FOUND, "no file has this name"),
            Ok(Lookup::Forbidden) => refusal(StatusCode::FORBIDDEN, "what has this name may not be read"),
            Err(failure) => {
                log::error!(path = request.uri().path(), failure:%; "a file could not be opened");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be opened")
            }
        }
    }

    async fn find(&self, path: RequestPath) -> io::Result<Lookup> {
        match &self.store {
            Store::Embedded => Ok(embedded::find(&path)),
            Store::Directory(directory) => directory.find(path).await,
        }
    }
}

/// Conditions first, then ranges (RFC 9110, section 13.2.2).
fn found(resource: Resource, method: &Method, fields: &HeaderMap, now: SystemTime) -> Response<Body> {
    let mut response = match preconditions::evaluate(fields, &resource.validators) {
        Outcome::PreconditionFailed => {
            return refusal(StatusCode::PRECONDITION_FAILED, "the file is not the version the request is about");
        }
        Outcome::NotModified => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(&mut response, &resource);
            return response;
        }
        Outcome::Proceed => Response::new(body::empty()),
    };
    describe(&mut response, &resource);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(resource.content_type.media_type));
    let selection = match fields.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        // Section 14.2: Range means something for GET alone.
        Some(range) if method == Method::GET && preconditions::range_applies(fields, &resource.validators, now) => {
            byte_range::select(range, resource.length)
        }
        _ => Selection::Whole,
    };
    match selection {
        Selection::Whole => whole(response, resource),
        Selection::Single(range) => single(response, resource, range),
        Selection::Several(ranges) => several(response, resource, ranges),
        Selection::Unsatisfiable => unsatisfiable(resource.length),
    }
}

/// The fields that a 304 carries as well (section 15.4.5).
fn describe(response: &mut Response<Body>, resource: &Resource) {
    let modified = httpdate::fmt_http_date(resource.validators.modified);
    let fields = response.headers_mut();
    set(fields, header::ETAG, &resource.validators.entity_tag);
    set(fields, header::LAST_MODIFIED, &modified);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(resource.cache_control));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

fn whole(mut response: Response<Body>, resource: Resource) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_LENGTH, resource.length.into());
    if let Some(end) = resource.length.checked_sub(1) {
        *response.body_mut() = body::pieces(resource.source, [Piece::OfFile(0..=end)]);
    }
    response
}

fn single(mut response: Response<Body>, resource: Resource, range: RangeInclusive<u64>) -> Response<Body> {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_LENGTH, length_of(&range).into());
    set(fields, header::CONTENT_RANGE, &content_range(&range, resource.length));
    *response.body_mut() = body::pieces(resource.source, [Piece::OfFile(range)]);
    response
}

/// Section 14.6: each range with fields of its own.
fn several(mut response: Response<Body>, resource: Resource, ranges: Vec<RangeInclusive<u64>>) -> Response<Body> {
    // A file hardly contains its own entity tag, and equal requests get equal bodies.
    let boundary = format!("tidegate-{}", resource.validators.entity_tag.trim_matches('"'));
    let media_type = resource.content_type.media_type;
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut length = 0;
    for range in ranges {
        let header = format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(&range, resource.length)
        );
        length += header.len() as u64 + length_of(&range);
        pieces.push(Piece::Made(Bytes::from(header)));
        pieces.push(Piece::OfFile(range));
    }
    let end = format!("\r\n--{boundary}--\r\n");
    length += end.len() as u64;
    pieces.push(Piece::Made(Bytes::from(end)));

    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let fields = response.headers_mut();
    set(fields, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
    fields.insert(header::CONTENT_LENGTH, length.into());
    *response.body_mut() = body::pieces(resource.source, pieces);
    response
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let mut response = refusal(StatusCode::RANGE_NOT_SATISFIABLE, &format!("the file has {length} bytes"));
    set(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{length}"));
    response
}

fn length_of(range: &RangeInclusive<u64>) -> u64 {
    range.end() - range.start() + 1
}

fn content_range(range: &RangeInclusive<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start(), range.end())
}

/// Answers plain OPTIONS and CORS preflights alike: nothing served here depends on who asks.
fn preflight() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    fields.insert(header::ALLOW, ALLOWED_METHODS);
    fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_FIELDS);
    fields.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    response
}

fn method_not_allowed() -> Response<Body> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "files are only read here: use GET, HEAD or OPTIONS");
    response.headers_mut().insert(header::ALLOW, ALLOWED_METHODS);
    response
}

fn refused(refused: PathRefusal) -> Response<Body> {
    match refused {
        PathRefusal::TooLong => refusal(StatusCode::URI_TOO_LONG, "no file has a path as long as this"),
        PathRefusal::Malformed(reason) => refusal(StatusCode::BAD_REQUEST, reason),
        PathRefusal::Hidden => refusal(StatusCode::NOT_FOUND, "no file has this name"),
    }
}

/// The reference is relative and begins with `./`, so that no path can make it name another host.
fn redirect_to_directory(path: &str) -> Response<Body> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut response = refusal(StatusCode::MOVED_PERMANENTLY, "this is a directory: its address ends in a slash");
    set(response.headers_mut(), header::LOCATION, &format!("./{last}/"));
    response
}

/// A refusal in words, so that a person with curl sees why.
fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    let text = format!("{} {}: {reason}\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let length = text.len();
    let mut response = Response::new(body::text(text));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(header::CONTENT_LENGTH, length.into());
    response
}

/// Sets a field made of text that we wrote ourselves; the checks before made sure that it fits.
fn set(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(fields.insert(name, value)),
        Err(failure) => log::error!(name:%, failure:%; "a field could not be written"),
    }
}
