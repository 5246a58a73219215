//! A row of the table: what the origin has, what is asked, and what is to come back.

use tidegate_tests::client::{Request, Response};
use tidegate_tests::origin::{Body, Script};
use tidegate_tests::pattern::Pattern;

/// Length of most bodies: more than the first window of any protocol, no round number.
pub(crate) const SIZE: u64 = 100_003;

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) script: Script,
    pub(crate) request: Request,
    /// The request that fills the cache first, on a hit and when joining. Its authority is always the row's host.
    pub(crate) warm: Request,
    pub(crate) reuse: Reuse,
    pub(crate) expected: Expected,
    /// Where a miss differs: the cache knows nothing yet.
    pub(crate) on_miss: Option<Expected>,
    /// Where joining differs: not all is known yet.
    pub(crate) on_join: Option<Expected>,
}

/// How often the origin is asked when a second request follows or joins the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Once: the second is served from what the first brought.
    Shared,
    /// Once on a hit; what joins a fill may be sent on.
    SharedWhenWhole,
    /// Twice: each request goes to the origin.
    Never,
    /// Twice on a hit; what joins a fill may be served from that, being as fresh as can be.
    NeverWhenWhole,
    /// Not said: standards leave it open.
    Open,
}

/// What is to come back.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// The first is the usual one; further ones are as right.
    pub(crate) answers: Vec<(u16, Content)>,
    pub(crate) fields: Vec<(&'static str, Field)>,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// What the script has.
    Whole,
    /// From the first offset up to the second.
    Part(u64, u64),
    /// `multipart/byteranges` with these parts.
    Parts(Vec<(u64, u64)>),
    Empty,
    /// What the edge says by itself: anything.
    Any,
}

/// A field of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Is(String),
    Absent,
    Present,
    Contains(&'static str),
    /// All values of that name in this order.
    Each(Vec<&'static str>),
    /// A number not below this.
    AtLeast(u64),
    /// A number from the first to the second.
    Between(u64, u64),
}

impl Row {
    /// A GET of a stored object of [`SIZE`] bytes with validators.
    pub(crate) fn get(name: &'static str) -> Self {
        Self::of(name, resource())
    }

    /// A GET of what this script has; 200 with all of it, shared.
    pub(crate) fn of(name: &'static str, script: Script) -> Self {
        let status = script.status;
        Self {
            name,
            script,
            request: Request::get(&format!("/{name}")),
            warm: Request::get(&format!("/{name}")),
            reuse: Reuse::Shared,
            expected: Expected::new(status, Content::Whole),
            on_miss: None,
            on_join: None,
        }
    }

    /// Asks by this method.
    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.request.method);
        if method == "HEAD" {
            self.expected = Expected::new(self.script.status, Content::Empty);
            // Its answer is small; nothing is lost by asking while a fill runs.
            self.reuse = Reuse::SharedWhenWhole;
        }
        self
    }

    /// Asks with this field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.field(name, value);
        self
    }

    /// Asks for this target.
    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.request.target);
        self
    }

    /// Sends this body.
    pub(crate) fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// Fills the cache by this request.
    pub(crate) fn warmed_by(mut self, warm: Request) -> Self {
        self.warm = warm;
        self
    }

    /// Fills the cache by the very request of the row.
    pub(crate) fn warmed_by_itself(mut self) -> Self {
        self.warm = self.request.clone();
        self
    }

    pub(crate) fn reuse(mut self, reuse: Reuse) -> Self {
        self.reuse = reuse;
        self
    }

    pub(crate) fn gives(mut self, status: u16, content: Content) -> Self {
        self.expected.answers = vec![(status, content)];
        self
    }

    /// As right as what `gives` says.
    pub(crate) fn or(mut self, status: u16, content: Content) -> Self {
        self.expected.answers.push((status, content));
        self
    }

    pub(crate) fn field(mut self, name: &'static str, field: Field) -> Self {
        self.expected.fields.push((name, field));
        self
    }

    pub(crate) fn field_is(self, name: &'static str, value: &str) -> Self {
        self.field(name, Field::Is(value.to_owned()))
    }

    /// On a miss this comes back instead.
    pub(crate) fn on_miss(mut self, status: u16, content: Content) -> Self {
        self.on_miss = Some(Expected::new(status, content));
        self
    }

    /// On a miss any of these comes back instead.
    pub(crate) fn on_miss_or(mut self, answers: &[(u16, Content)]) -> Self {
        self.on_miss = Some(Expected { answers: answers.to_vec(), fields: Vec::new() });
        self
    }

    /// The origin sends this field too.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.script = self.script.field(name, value);
        self
    }

    /// When joining any of these comes back instead.
    pub(crate) fn on_join(mut self, answers: &[(u16, Content)]) -> Self {
        self.on_join = Some(Expected { answers: answers.to_vec(), fields: Vec::new() });
        self
    }
}

impl Expected {
    fn new(status: u16, content: Content) -> Self {
        Self { answers: vec![(status, content)], fields: Vec::new() }
    }

    /// What is wrong with this response.
    pub(crate) fn differences(&self, script: &Script, request: &Request, response: &Response) -> Vec<String> {
        let mut differences = Vec::new();
        let fitting = self.answers.iter().filter(|(status, _)| *status == response.status);
        let wrong: Vec<_> = fitting.map(|(_, content)| content.difference(script, request, response)).collect();
        if wrong.is_empty() {
            let statuses: Vec<_> = self.answers.iter().map(|(status, _)| status).collect();
            differences.push(format!("status {} instead of {statuses:?}", response.status));
        } else if wrong.iter().all(Option::is_some) {
            differences.extend(wrong.into_iter().flatten());
        }
        for (name, field) in &self.fields {
            let values: Vec<_> = response.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            if !field.fits(&values) {
                differences.push(format!("field {name}: {values:?} instead of {field:?}"));
            }
        }
        differences
    }
}

impl Field {
    pub(crate) fn fits(&self, values: &[&str]) -> bool {
        match self {
            Self::Is(value) => values == [value],
            Self::Absent => values.is_empty(),
            Self::Present => !values.is_empty(),
            Self::Contains(part) => values.iter().any(|value| value.contains(part)),
            Self::Each(all) => values == all,
            Self::Between(low, high) => {
                values.len() == 1 && values[0].parse().is_ok_and(|found: u64| (*low..=*high).contains(&found))
            }
            Self::AtLeast(number) => values.len() == 1 && values[0].parse().is_ok_and(|found: u64| found >= *number),
        }
    }
}

impl Content {
    pub(crate) fn difference(&self, script: &Script, request: &Request, response: &Response) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Empty => {
                (!response.body.is_empty()).then(|| format!("{} bytes instead of none", response.body.len()))
            }
            Self::Whole => wrong_bytes(&whole(script, request), &response.body),
            Self::Part(start, end) => wrong_bytes(&part(script, request, *start, *end), &response.body),
            Self::Parts(parts) => multipart_difference(script, request, parts, response),
        }
    }
}

fn whole(script: &Script, request: &Request) -> Vec<u8> {
    match &script.body {
        Body::Empty => Vec::new(),
        Body::Text(text) => text.clone().into_bytes(),
        Body::Pattern { seed, size } => Pattern::new(*seed).bytes(0, *size),
        Body::Echo => request.body.to_vec(),
    }
}

fn part(script: &Script, request: &Request, start: u64, end: u64) -> Vec<u8> {
    let index = |position: u64| usize::try_from(position).unwrap();
    whole(script, request)[index(start)..index(end)].to_vec()
}

fn wrong_bytes(expected: &[u8], found: &[u8]) -> Option<String> {
    if expected == found {
        return None;
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    Some(format!("body of {} bytes instead of {}, the first {same} right", found.len(), expected.len()))
}

/// Compares a `multipart/byteranges` body (RFC 9110 section 14.6) part by part.
fn multipart_difference(
    script: &Script,
    request: &Request,
    parts: &[(u64, u64)],
    response: &Response,
) -> Option<String> {
    let kind = response.field("content-type").unwrap_or_default();
    let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") else {
        return Some(format!("content type {kind:?} instead of multipart/byteranges with a boundary"));
    };
    let size = whole(script, request).len();
    let mut rest: &[u8] = &response.body;
    for (start, end) in parts {
        let Some(head_end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Some(format!("no part for bytes {start} to {end}"));
        };
        let head = String::from_utf8_lossy(&rest[..head_end]).to_ascii_lowercase();
        let range = format!("content-range: bytes {start}-{}/{size}", end - 1);
        if !head.contains(&range) || !head.contains(&format!("--{}", boundary.trim_matches('"').to_ascii_lowercase())) {
            return Some(format!("part {head:?} instead of one with {range:?}"));
        }
        let length = usize::try_from(end - start).unwrap();
        let content = &rest[head_end + 4..];
        if content.get(..length) != Some(&part(script, request, *start, *end)[..]) {
            return Some(format!("wrong bytes in the part {start} to {end}"));
        }
        rest = &content[length..];
    }
    let end = format!("\r\n--{}--", boundary.trim_matches('"'));
    (!rest.starts_with(end.as_bytes())).then(|| "no closing boundary after the parts".to_owned())
}

/// A stored object of [`SIZE`] bytes with validators.
pub(crate) fn resource() -> Script {
    Script::cacheable(SIZE)
        .field("content-type", "application/octet-stream")
        .field("etag", "\"v1\"")
        .field("last-modified", MODIFIED)
        .resource()
}

/// Last-Modified of [`resource`].
pub(crate) const MODIFIED: &str = "Wed, 01 Jan 2025 00:00:00 GMT";
/// Before it.
pub(crate) const BEFORE: &str = "Tue, 31 Dec 2024 00:00:00 GMT";
/// After it.
pub(crate) const AFTER: &str = "Thu, 02 Jan 2025 00:00:00 GMT";
