//! What the rules need to know of a request, taken from its header section once and without allocating.

use http::{HeaderMap, Method, header};

use super::directives::RequestDirectives;

/// A method, as far as caching tells methods apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// Any other; never answered from store (RFC 9111 section 4: only what is safe and has cache semantics).
    Other,
}

/// The facts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts {
    /// Its method.
    pub method: CacheMethod,
    /// Its Cache-Control or Pragma.
    pub directives: RequestDirectives,
    /// Whether it carries Authorization (RFC 9111 section 3.5).
    pub authorization: bool,
    /// Whether it carries content. An origin may answer by it, and it is no part of the key.
    pub content: bool,
    /// Whether it asks for another protocol on this connection (but not merely h2c, which we never take up).
    pub upgrade: bool,
    /// Whether it carries Range.
    pub range: bool,
    /// Whether it carries any of the conditional fields of RFC 9110 section 13.1 but If-Range.
    pub conditional: bool,
}

impl RequestFacts {
    /// Takes the facts.
    #[must_use]
    pub fn new(method: &Method, headers: &HeaderMap) -> Self {
        let mut facts = Self {
            method: cache_method(method),
            directives: RequestDirectives::default(),
            authorization: false,
            content: false,
            upgrade: false,
            range: false,
            conditional: false,
        };
        // One pass over the names: this runs for every request, and most have few fields and none of these.
        let mut directed = false;
        for name in headers.keys() {
            match *name {
                header::CACHE_CONTROL | header::PRAGMA => directed = true,
                header::AUTHORIZATION => facts.authorization = true,
                header::CONTENT_LENGTH | header::TRANSFER_ENCODING => facts.content = has_content(headers),
                header::UPGRADE => facts.upgrade = asks_for_upgrade(headers),
                header::RANGE => facts.range = true,
                header::IF_NONE_MATCH | header::IF_MODIFIED_SINCE | header::IF_MATCH | header::IF_UNMODIFIED_SINCE => {
                    facts.conditional = true
                }
                _ => {}
            }
        }
        if directed {
            facts.directives = RequestDirectives::parse(headers);
        }
        facts
    }

    /// Whether it may be answered from store at all, by its method.
    #[must_use]
    pub fn is_cacheable_method(&self) -> bool {
        self.method != CacheMethod::Other
    }
}

fn cache_method(method: &Method) -> CacheMethod {
    match *method {
        Method::GET => CacheMethod::Get,
        Method::HEAD => CacheMethod::Head,
        _ => CacheMethod::Other,
    }
}

/// RFC 9112 section 6: content is signalled by Transfer-Encoding, or by a Content-Length other than zero.
fn has_content(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|value| value.as_bytes() != b"0")
}

fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::UPGRADE).iter();
    lines.any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"h2c"))
}
