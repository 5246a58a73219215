//! What an origin answers, step by step. Plain data, so that it also travels to a process of its own as JSON.

use serde::{Deserialize, Serialize};

/// The answer to every request for one path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Script {
    /// Status code.
    pub status: u16,
    /// Fields in the order sent; framing fields are added by `framing`.
    pub fields: Vec<(String, String)>,
    /// The whole body.
    pub body: Body,
    /// How its end is shown.
    pub framing: Framing,
    /// Trailer fields; only with [`Framing::Chunked`].
    pub trailers: Vec<(String, String)>,
    /// Done before the head is sent.
    pub before: Vec<Step>,
    /// Done after the head; what they leave of the body follows at once, and then its end.
    pub steps: Vec<Step>,
    /// Whether conditions and ranges are obeyed.
    pub semantics: Semantics,
}

/// Content of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Nothing.
    Empty,
    /// This text.
    Text(String),
    /// So many bytes of [`crate::pattern::Pattern`].
    Pattern {
        /// Its seed.
        seed: u64,
        /// Its length.
        size: u64,
    },
    /// The body of the request.
    Echo,
}

/// How the end of a body is shown (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Content-Length, as it is.
    Length,
    /// Content-Length, with this value whatever the body is.
    FalseLength(u64),
    /// Chunked; each [`Step::Send`] is one chunk.
    Chunked,
    /// The connection closes.
    Close,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Send so many bytes of the body.
    Send(u64),
    /// Wait until the test opens this gate.
    Gate(String),
    /// Wait so many milliseconds.
    Pause(u64),
    /// Never go on.
    Hang,
    /// Close the connection in good order, whatever is missing.
    Close,
    /// Reset the connection.
    Reset,
    /// Send this as it stands, such as an interim response before the head.
    Raw(String),
}

/// Whether the request's conditions and ranges matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Semantics {
    /// The same answer to every request.
    Verbatim,
    /// If-None-Match, If-Modified-Since and single ranges are obeyed, from ETag and Last-Modified among the fields.
    Resource,
    /// Single ranges are obeyed, and no conditions but If-Range.
    Ranges,
    /// 304 to every request with If-None-Match or If-Modified-Since, whatever they say; the whole to others.
    Confirming,
}

impl Script {
    /// An empty answer of this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            fields: Vec::new(),
            body: Body::Empty,
            framing: Framing::Length,
            trailers: Vec::new(),
            before: Vec::new(),
            steps: Vec::new(),
            semantics: Semantics::Verbatim,
        }
    }

    /// A 200 that may be stored for a minute, with so many bytes of the pattern with seed 0.
    #[must_use]
    pub fn cacheable(size: u64) -> Self {
        Self::status(200).pattern(0, size).field("cache-control", "max-age=60")
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body to this text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.body(Body::Text(text.to_owned()))
    }

    /// Sets the body to so many bytes of the pattern.
    #[must_use]
    pub fn pattern(self, seed: u64, size: u64) -> Self {
        self.body(Body::Pattern { seed, size })
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sets the framing.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Adds a trailer field; the body becomes chunked.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.framing(Framing::Chunked)
    }

    /// Adds a step before the head.
    #[must_use]
    pub fn before(mut self, step: Step) -> Self {
        self.before.push(step);
        self
    }

    /// Adds a step after the head.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Sends so many bytes and waits at this gate before the rest.
    #[must_use]
    pub fn pausing_after(self, bytes: u64, gate: &str) -> Self {
        self.then(Step::Send(bytes)).then(Step::Gate(gate.to_owned()))
    }

    /// Regards so much of the request.
    #[must_use]
    pub fn semantics(mut self, semantics: Semantics) -> Self {
        self.semantics = semantics;
        self
    }

    /// Obeys conditions and single ranges.
    #[must_use]
    pub fn resource(mut self) -> Self {
        self.semantics = Semantics::Resource;
        self
    }

    /// The first field of this name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
