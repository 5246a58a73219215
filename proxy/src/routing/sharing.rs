//! With which pages of other sites a route is shared: the server's side of the CORS protocol (WHATWG Fetch section 3.3).
//!
//! Owns whom a response is shared with and the fields that say so. A response that is shared with everyone says the same
//! to all, whether or not they name an origin, so that caches behind this node need not tell them apart; where it names
//! one, it varies by `Origin` for everyone (section 3.3.5). Nothing is ever stored by origin.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tidegate_config::model::CorsRules;

/// With whom one response is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// With every page.
    Everyone,
    /// With pages of this origin, as the request named it.
    To(HeaderValue),
    /// With none: the request names no origin, or none that may.
    Nobody,
}

/// What a route shares, ready to be said.
#[derive(Debug)]
pub struct Sharing {
    audience: Audience,
    credentials: bool,
    expose: Option<HeaderValue>,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    max_age: HeaderValue,
}

#[derive(Debug)]
enum Audience {
    Everyone,
    /// Origins by their serialisation.
    Origins {
        exact: Vec<Box<[u8]>>,
        below: Vec<Below>,
    },
}

/// Origins of all hosts below one.
#[derive(Debug)]
struct Below {
    /// `https://`.
    scheme: Box<[u8]>,
    /// `.example.com`, with the port where there is one.
    suffix: Box<[u8]>,
}

impl Sharing {
    /// By these rules.
    #[must_use]
    pub fn new(rules: &CorsRules) -> Self {
        // With credentials `*` means nothing (section 3.3.4): every origin would have to be echoed, which nobody may say.
        let audience = match rules.origins.is_empty() && !rules.credentials {
            true => Audience::Everyone,
            false => origins(&rules.origins),
        };
        let methods: Vec<&str> = rules.methods.iter().map(Method::as_str).collect();
        Self {
            audience,
            credentials: rules.credentials,
            expose: list(rules.expose.iter().map(HeaderName::as_str)),
            methods: list(methods.into_iter()).unwrap_or(HeaderValue::from_static("GET, HEAD")),
            headers: list(rules.headers.iter().map(HeaderName::as_str)),
            max_age: HeaderValue::from(rules.max_age.as_secs()),
        }
    }

    /// With whom the response to a request with these fields is shared.
    #[must_use]
    pub fn grant(&self, request: &HeaderMap) -> Grant {
        let Audience::Origins { exact, below } = &self.audience else { return Grant::Everyone };
        let mut origins = request.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return Grant::Nobody };
        // `null` is what any page can be that hides where it comes from: it is in no list.
        let named = origin.as_bytes();
        let allowed = exact.iter().any(|exact| **exact == *named) || below.iter().any(|below| below.holds(named));
        if allowed { Grant::To(origin.clone()) } else { Grant::Nobody }
    }

    /// The fields of a response (section 3.3.3), that of `Vary` to be added to others of its name.
    pub fn fields(&self, grant: &Grant) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let allowed = match grant {
            Grant::Everyone => Some(HeaderValue::from_static("*")),
            Grant::To(origin) => Some(origin.clone()),
            Grant::Nobody => None,
        };
        let is_shared = allowed.is_some();
        let varies = matches!(self.audience, Audience::Origins { .. });
        let vary = varies.then_some((header::VARY, HeaderValue::from_static("Origin")));
        let credentials = (is_shared && self.credentials)
            .then_some((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        let expose = self.expose.clone().filter(|_| is_shared);
        vary.into_iter()
            .chain(allowed.map(|allowed| (header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed)))
            .chain(credentials)
            .chain(expose.map(|expose| (header::ACCESS_CONTROL_EXPOSE_HEADERS, expose)))
    }

    /// The further fields of the answer to a preflight: the same to all, whatever they ask for, so that it varies by
    /// nothing else.
    pub fn preflight_fields(&self, grant: &Grant) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let is_shared = *grant != Grant::Nobody;
        let headers = self.headers.clone().map(|headers| (header::ACCESS_CONTROL_ALLOW_HEADERS, headers));
        let fields = [
            Some((header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())),
            headers,
            Some((header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone())),
        ];
        fields.into_iter().flatten().filter(move |_| is_shared)
    }
}

fn origins(texts: &[String]) -> Audience {
    let (mut exact, mut below) = (Vec::new(), Vec::new());
    for text in texts {
        match text.split_once("://*.") {
            Some((scheme, suffix)) => {
                let scheme = format!("{scheme}://").into_bytes().into();
                below.push(Below { scheme, suffix: format!(".{suffix}").into_bytes().into() });
            }
            None => exact.push(text.clone().into_bytes().into()),
        }
    }
    Audience::Origins { exact, below }
}

impl Below {
    /// Whether a serialised origin is of a host below. Its host has at least one character before the dot, and only such
    /// as hosts have: what a browser sends is one, and nothing else is echoed.
    fn holds(&self, origin: &[u8]) -> bool {
        let inner = origin.strip_prefix(&*self.scheme).and_then(|host| host.strip_suffix(&*self.suffix));
        let is_host = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(byte);
        inner.is_some_and(|inner| !inner.is_empty() && inner.iter().all(is_host))
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let joined = names.collect::<Vec<_>>().join(", ");
    if joined.is_empty() { None } else { HeaderValue::try_from(joined).ok() }
}

#[cfg(test)]
mod tests;
