//! Requests and responses, the same for all protocols.

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Path and query as they go over the wire.
    pub target: String,
    /// Host; that of the client when empty.
    pub authority: String,
    /// Fields in order.
    pub fields: Vec<(String, String)>,
    /// Body; sent with its length when not empty or when the method is POST, PUT or PATCH.
    pub body: Bytes,
    /// Who is told of interim responses as they come.
    pub hints: Option<UnboundedSender<Interim>>,
}

/// An interim response (RFC 9110 section 15.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interim {
    /// Status code.
    pub status: u16,
    /// Fields in order, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Interim {
    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }
}

impl Request {
    /// A request without fields or body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            authority: String::new(),
            fields: Vec::new(),
            body: Bytes::new(),
            hints: None,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names this host.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Tells of interim responses as they come.
    #[must_use]
    pub fn hints(mut self, hints: UnboundedSender<Interim>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Whether it has a body to be framed.
    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH")
    }

    /// As the `http` crate wants it, for HTTP/2 and HTTP/3.
    pub(crate) fn to_http(&self) -> anyhow::Result<http::Request<()>> {
        let uri = http::Uri::builder()
            .scheme("https")
            .authority(self.authority.as_str())
            .path_and_query(self.target.as_str())
            .build()?;
        let mut request = http::Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        if self.has_body() {
            request = request.header("content-length", self.body.len());
        }
        Ok(request.body(())?)
    }
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The protocol said that it is whole, and it is as long as promised.
    Clean,
    /// It was cut; the text says how.
    Broken(String),
}

/// Status and fields.
#[derive(Debug, Clone)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Fields in order, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Whether a body may follow it at all.
    pub bodiless: bool,
    /// What came before it.
    pub interim: Vec<Interim>,
}

impl Head {
    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }

    /// From the `http` crate's parts.
    pub(crate) fn from_http(method: &str, status: http::StatusCode, fields: &http::HeaderMap) -> Self {
        let status = status.as_u16();
        Self { status, fields: from_map(fields), bodiless: bodiless(method, status), interim: Vec::new() }
    }

    /// Behind these.
    pub(crate) fn behind(self, interim: Vec<Interim>) -> Self {
        Self { interim, ..self }
    }

    /// As an interim one, of which whoever wants to know is told.
    pub(crate) fn into_interim(self, request: &Request) -> Interim {
        let interim = Interim { status: self.status, fields: self.fields };
        // Who hears no more has heard enough.
        let _told = request.hints.as_ref().map(|hints| hints.send(interim.clone()));
        interim
    }

    /// A clean end of a body whose length is not the promised one is none.
    pub(crate) fn check_length(&self, end: End, received: u64) -> End {
        let promised = self.field("content-length").and_then(|length| length.parse::<u64>().ok());
        match (end, promised) {
            (End::Clean, Some(promised)) if !self.bodiless && promised != received => {
                End::Broken(format!("ended cleanly with {received} of {promised} bytes"))
            }
            (end, _) => end,
        }
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Fields in order, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// Trailer fields, names in lower case.
    pub trailers: Vec<(String, String)>,
    /// How it ended.
    pub end: End,
    /// What came before it.
    pub interim: Vec<Interim>,
}

impl Response {
    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn first<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// Fields of a map as text.
pub(crate) fn from_map(fields: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Whether a response to this method with this status has no body (RFC 9112 section 6.3).
pub(crate) fn bodiless(method: &str, status: u16) -> bool {
    method == "HEAD" || matches!(status, 204 | 304) || status < 200
}
