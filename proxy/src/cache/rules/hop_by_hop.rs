//! Fields that end at this hop (RFC 9110 section 7.6.1, RFC 9111 section 3.1).

use http::{HeaderMap, HeaderName, header};
use tidegate_config::field::{HOP_BY_HOP, HOP_BY_HOP_IN_REQUESTS, HOP_BY_HOP_IN_RESPONSES, is_token};

/// Options of one Connection field. Clients send one to three; some origins' proxies refuse ten.
const MOST_OPTIONS: usize = 9;

/// Fields for every recipient, which Connection must not name (RFC 9110 section 7.6.1). A client that names them
/// anyway would have us drop what the origin relies on, what frames or protects the message, what a response is
/// selected by, or what tells of the request's way.
const END_TO_END: [HeaderName; 38] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::FORWARDED,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LAST_MODIFIED,
    header::ORIGIN,
    header::RANGE,
    header::REFERER,
    header::SET_COOKIE,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    HeaderName::from_static("cdn-loop"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-request-id"),
];

/// Whether a request's Connection names what it must not, names nothing that can be a field, or does not end. Whoever
/// sends that wants this node and the next to see different requests.
#[must_use]
pub fn misleads(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::CONNECTION) {
        return false;
    }
    let names = |option: &[u8]| HeaderName::from_bytes(option).ok().filter(|_| is_token(option));
    let mut options = options(headers).filter(|option| !option.is_empty());
    let named = options.by_ref().take(MOST_OPTIONS);
    let mut ill = named.map(names).filter(|name| name.as_ref().is_none_or(|name| END_TO_END.contains(name)));
    ill.next().is_some() || options.next().is_some()
}

/// Whether Connection names a field that this message has. Nothing is copied to find out.
#[must_use]
pub fn takes_away(headers: &HeaderMap) -> bool {
    options(headers).any(|option| str::from_utf8(option).is_ok_and(|name| headers.contains_key(name)))
}

/// Names of the fields of a request that end here.
#[must_use]
pub fn request_fields(headers: &HeaderMap) -> Vec<HeaderName> {
    let known = HOP_BY_HOP.into_iter().chain(HOP_BY_HOP_IN_REQUESTS).filter(|name| headers.contains_key(name));
    nominated(headers).into_iter().chain(known).collect()
}

/// Names of the fields of a response that end here, but for the one that frames it, which its way to the client reads.
#[must_use]
pub fn response_fields(headers: &HeaderMap) -> Vec<HeaderName> {
    let known = HOP_BY_HOP.into_iter().chain(HOP_BY_HOP_IN_RESPONSES).filter(|name| headers.contains_key(name));
    nominated(headers).into_iter().chain(known).filter(|name| *name != header::TRANSFER_ENCODING).collect()
}

/// Takes away what must not be stored or passed on to the client: hop-by-hop fields and those Connection names.
pub fn strip_from_response(headers: &mut HeaderMap) {
    strip(headers);
    for name in &HOP_BY_HOP_IN_RESPONSES {
        headers.remove(name);
    }
}

/// Takes away what must not be passed on to an origin.
pub fn strip_from_request(headers: &mut HeaderMap) {
    strip(headers);
    for name in &HOP_BY_HOP_IN_REQUESTS {
        headers.remove(name);
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Names in Connection. Most messages have none and cost no allocation.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = options(headers).filter_map(|option| HeaderName::from_bytes(option).ok());
    names.filter(|name| !END_TO_END.contains(name)).collect()
}

fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
