//! Templates filled with the facts of a request.
//!
//! Owns what a fact may look like where it is put: nothing that a client wrote can end a field or begin another one,
//! or turn a URL into one of another shape.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::HeaderValue;
use tidegate_config::model::{Continent, CountryCode, Template, TemplatePart, Variable};

/// The longest text made of a template. A target or a field beyond this is refused by most servers; what is cut off
/// here is only ever a client's own excess.
const MAX_LENGTH: usize = 16 * 1024;

/// Facts of one request. What is not known is absent, and empty in a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// Canonical host.
    pub host: &'a str,
    /// Path as sent.
    pub path: &'a [u8],
    /// Query with its `?`, or nothing.
    pub query: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The request's id in hexadecimal.
    pub request_id: &'a str,
    /// The client's address.
    pub client_address: Option<IpAddr>,
    /// Its country.
    pub client_country: Option<CountryCode>,
    /// Its continent.
    pub client_continent: Option<Continent>,
    /// Its autonomous system.
    pub client_asn: Option<u32>,
    /// This node's name.
    pub edge: &'a str,
}

impl<'a> Facts<'a> {
    fn text(&self, variable: Variable) -> Cow<'a, [u8]> {
        fn shown<'a>(value: Option<impl ToString>) -> Cow<'a, [u8]> {
            value.map_or_else(|| Cow::Borrowed(&b""[..]), |value| Cow::Owned(value.to_string().into_bytes()))
        }
        match variable {
            Variable::Host => Cow::Borrowed(self.host.as_bytes()),
            Variable::Path => Cow::Borrowed(self.path),
            Variable::Query => Cow::Borrowed(self.query),
            Variable::Scheme => Cow::Borrowed(self.scheme.as_bytes()),
            Variable::RequestId => Cow::Borrowed(self.request_id.as_bytes()),
            Variable::ClientAddress => shown(self.client_address.map(|address| address.to_canonical())),
            Variable::ClientCountry => shown(self.client_country.as_ref().map(CountryCode::as_str)),
            Variable::ClientContinent => shown(self.client_continent.map(Continent::as_str)),
            Variable::ClientAsn => shown(self.client_asn),
            Variable::Edge => Cow::Borrowed(self.edge.as_bytes()),
        }
    }
}

/// The value of a field. Bytes that may not stand in one, and those outside ASCII, become escapes such as `%0D`.
#[must_use]
pub fn field_value(template: &Template, facts: &Facts<'_>) -> HeaderValue {
    let text = render(template, facts, |byte| byte == b' ' || byte.is_ascii_graphic());
    // The configuration admits printable ASCII alone and facts are escaped, so that a value is always made of it.
    HeaderValue::from_str(text.trim()).unwrap_or(HeaderValue::from_static(""))
}

/// A URL for `Location` (RFC 9110 section 10.2.2). Bytes of facts that no URL may have (RFC 3986 section 2) become
/// escapes, and so does `#`, which would make a fragment of what is none.
#[must_use]
pub fn location(template: &Template, facts: &Facts<'_>) -> HeaderValue {
    let text = render(template, facts, is_url_byte);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("/"))
}

/// Whether a text made of it is for one client, or for one request alone.
#[must_use]
pub fn is_personal(template: &Template) -> bool {
    template.0.iter().any(|part| match part {
        TemplatePart::Text(_) => false,
        TemplatePart::Variable(variable) => match variable {
            Variable::Host | Variable::Path | Variable::Query | Variable::Scheme | Variable::Edge => false,
            Variable::RequestId
            | Variable::ClientAddress
            | Variable::ClientCountry
            | Variable::ClientContinent
            | Variable::ClientAsn => true,
        },
    })
}

/// A path. As for a URL, and a `?` of a fact begins no query.
pub(super) fn path(template: &Template, facts: &Facts<'_>) -> String {
    render(template, facts, |byte| is_url_byte(byte) && byte != b'?')
}

fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte)
}

fn render(template: &Template, facts: &Facts<'_>, passes: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(64);
    for part in template.0.iter() {
        match part {
            TemplatePart::Text(fixed) => text.push_str(fixed),
            TemplatePart::Variable(variable) => escape_into(&mut text, &facts.text(*variable), &passes),
        }
    }
    text
}

/// Appends these bytes, those that may not stand there as escapes (RFC 3986 section 2.1).
fn escape_into(text: &mut String, bytes: &[u8], passes: impl Fn(u8) -> bool) {
    for byte in bytes {
        if text.len() >= MAX_LENGTH {
            return;
        }
        if passes(*byte) {
            text.push(char::from(*byte));
        } else if write!(text, "%{byte:02X}").is_err() {
            return; // writing to a string does not fail
        }
    }
}

#[cfg(test)]
mod tests;
