//! What is particular about messages of routes that are shared with pages of other sites (WHATWG Fetch section 3.3).
//!
//! Owns what a preflight is, and what is left out of origins' responses because this node says it. With whom a route is
//! shared is [`crate::routing::Sharing`]'s.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use pingora_error::Result;

use super::fields::HeaderSection;

/// The fields by which a server shares. What an origin says in them is replaced.
static SHARING_FIELDS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The method that a preflight asks leave for (section 3.3.2); `None` for every other request.
#[must_use]
pub fn preflight(method: &Method, request: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !request.contains_key(header::ORIGIN) {
        return None;
    }
    let mut asked = request.get_all(header::ACCESS_CONTROL_REQUEST_METHOD).iter();
    let (Some(asked), None) = (asked.next(), asked.next()) else { return None };
    Method::from_bytes(asked.as_bytes()).ok()
}

/// Takes out of an origin's response what this node says instead, before it is stored: its sharing fields, and that it
/// varies by `Origin`. `vary` are its lines of Vary.
///
/// # Errors
/// When there is no room.
pub fn withhold(response: &mut dyn HeaderSection, vary: &[HeaderValue]) -> Result<()> {
    for name in &SHARING_FIELDS {
        response.remove(name);
    }
    let is_origin = |element: &[u8]| element.trim_ascii().eq_ignore_ascii_case(b"origin");
    let elements = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b',').any(is_origin);
    if !vary.iter().any(elements) {
        return Ok(());
    }
    response.remove(&header::VARY);
    for line in vary {
        let others = line.as_bytes().split(|byte| *byte == b',').filter(|element| !is_origin(element));
        let others = others.collect::<Vec<_>>().join(&b',');
        if let Ok(others) = HeaderValue::from_bytes(others.trim_ascii())
            && !others.is_empty()
        {
            response.add(header::VARY, others)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
