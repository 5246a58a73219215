//! Fields that end at this hop (RFC 9110 section 7.6.1, RFC 9111 section 3.1).

use http::{HeaderMap, HeaderName, header};

const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a proxy says to its own peer (RFC 9110 section 11.7); never stored (RFC 9111 section 3.1).
const PROXY_RESPONSE: [HeaderName; 2] =
    [header::PROXY_AUTHENTICATE, HeaderName::from_static("proxy-authentication-info")];

/// Fields for every recipient, which Connection must not name (RFC 9110 section 7.6.1). A client that names them
/// anyway would have us drop what the origin relies on, or what frames or protects the message.
const END_TO_END: [HeaderName; 16] = [
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
    header::EXPIRES,
    header::FORWARDED,
    header::HOST,
    header::LAST_MODIFIED,
    header::SET_COOKIE,
    header::VARY,
];

/// Takes away what must not be stored or passed on to the client: hop-by-hop fields and those Connection names.
pub fn strip_from_response(headers: &mut HeaderMap) {
    strip(headers);
    for name in &PROXY_RESPONSE {
        headers.remove(name);
    }
}

/// Takes away what must not be passed on to an origin.
pub fn strip_from_request(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(header::PROXY_AUTHORIZATION);
    headers.remove(HeaderName::from_static("http2-settings"));
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
    let lines = headers.get_all(header::CONNECTION).iter();
    let options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
    names.filter(|name| !END_TO_END.contains(name)).collect()
}

#[cfg(test)]
mod tests;
