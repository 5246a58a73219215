//! What an origin is told of the client: `Forwarded` (RFC 7239) and the older `X-Forwarded-*`, saying the same.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderName, HeaderValue, header};
use tidegate_config::field::is_token;

use crate::cache::key::Scheme;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The way of a request to this node.
#[derive(Debug, Clone, Copy)]
pub enum Route<'a> {
    /// A client's.
    Client {
        /// Its address.
        address: IpAddr,
        /// Scheme of the URL that it asked for.
        scheme: Scheme,
        /// Trusted proxies in between, this node's own peer last.
        proxies: &'a [IpAddr],
        /// Scheme of what this node was asked.
        connection: Scheme,
    },
    /// A fill's: it is made for everyone who asks for its key, so that it names nobody. The scheme is the key's.
    Fill(Scheme),
}

/// Fields for an origin, in place of whatever had these names.
#[derive(Debug, PartialEq, Eq)]
pub struct ForwardingFields(Vec<(HeaderName, HeaderValue)>);

impl ForwardingFields {
    /// For a request that came this way and asks for this host.
    #[must_use]
    pub fn new(route: Route<'_>, host: Option<&HeaderValue>) -> Self {
        let (Route::Client { scheme, .. } | Route::Fill(scheme)) = route;
        let mut fields = vec![(FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()))];
        if let Some(host) = host {
            fields.push((FORWARDED_HOST, host.clone()));
        }
        if let Route::Client { address, proxies, .. } = route
            && let Ok(value) = HeaderValue::from_str(&forwarded_for(address, proxies))
        {
            fields.push((FORWARDED_FOR, value));
        }
        if let Ok(value) = HeaderValue::from_bytes(&forwarded(route, host)) {
            fields.push((header::FORWARDED, value));
        }
        Self(fields)
    }
}

impl IntoIterator for ForwardingFields {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The client, then the proxies that were believed. What stood before the client was its own claim and is left out:
/// many applications take the first of the list.
fn forwarded_for(client: IpAddr, proxies: &[IpAddr]) -> String {
    let mut text = client.to_string();
    for proxy in proxies {
        // Writing to a string cannot fail.
        let _infallible = write!(text, ", {proxy}");
    }
    text
}

/// The same as elements: the first tells what the client asked for, the last what this node was asked.
fn forwarded(route: Route<'_>, host: Option<&HeaderValue>) -> Vec<u8> {
    let mut text = Vec::new();
    match route {
        Route::Fill(scheme) => asked(&mut text, scheme, host),
        Route::Client { address, scheme, proxies, connection } => {
            node(&mut text, address);
            text.push(b';');
            asked(&mut text, scheme, host);
            for (place, proxy) in proxies.iter().enumerate() {
                text.extend_from_slice(b", ");
                node(&mut text, *proxy);
                if place + 1 == proxies.len() {
                    text.push(b';');
                    asked(&mut text, connection, host);
                }
            }
        }
    }
    text
}

/// RFC 7239 section 6: an IPv6 address stands in brackets, and therefore in quotes.
fn node(text: &mut Vec<u8>, address: IpAddr) {
    let node = match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    text.extend_from_slice(node.as_bytes());
}

fn asked(text: &mut Vec<u8>, scheme: Scheme, host: Option<&HeaderValue>) {
    text.extend_from_slice(b"proto=");
    text.extend_from_slice(scheme.as_str().as_bytes());
    if let Some(host) = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty()) {
        text.extend_from_slice(b";host=");
        value(text, host);
    }
}

/// As a token where it is one, else quoted.
fn value(text: &mut Vec<u8>, value: &[u8]) {
    if is_token(value) {
        text.extend_from_slice(value);
        return;
    }
    text.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text.push(b'"');
}
