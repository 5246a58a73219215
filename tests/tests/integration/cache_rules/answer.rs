//! An origin's answer, written as a line: `200 | cache-control: max-age=60 | age: 30`.
//!
//! `{date+60}`, `{rfc850-60}`, `{asctime+60}` in a field become the time so many seconds from now in that format,
//! `{scheme}`, `{host}` and `{path}` those of the case. A 304 is what the origin says to a request that validates; to any other it
//! gives a 200 with the first version's body.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_tests::origin::{Body, Framing, Script, Semantics, Step};

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    pub(super) fields: Vec<(String, String)>,
    body: Content,
    framing: Framing,
    before: Vec<Step>,
    semantics: Semantics,
}

/// What its body is.
#[derive(Debug, Clone)]
enum Content {
    /// Bytes that tell the version, as many as the way of the case wants.
    Version,
    /// Those of this version.
    Same(usize),
    Text(String),
    Empty,
}

impl From<&str> for Answer {
    fn from(line: &str) -> Self {
        let mut parts = line.split(" | ");
        let status = parts.next().and_then(|status| status.trim().parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status in {line:?}"));
        let fields = parts.map(|field| {
            let (name, value) = field.split_once(':').unwrap_or_else(|| panic!("no field: {field:?}"));
            (name.trim().to_owned(), value.trim().to_owned())
        });
        let (status, body, semantics) = match status {
            304 => (200, Content::Same(1), Semantics::Confirming),
            204 => (204, Content::Empty, Semantics::Verbatim),
            200 => (200, Content::Version, Semantics::Ranges),
            other => (other, Content::Version, Semantics::Verbatim),
        };
        let (framing, before) = (Framing::Length, Vec::new());
        Self { status, fields: fields.collect(), body, framing, before, semantics }
    }
}

/// An answer written as a line, to be changed further.
pub(super) fn answer(line: &str) -> Answer {
    Answer::from(line)
}

impl Answer {
    /// With this body.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.body = Content::Text(text.to_owned());
        self
    }

    /// With the body of this version.
    pub(super) fn same_as(mut self, version: usize) -> Self {
        self.body = Content::Same(version);
        self
    }

    pub(super) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// After this interim response.
    pub(super) fn after_interim(mut self, head: &str) -> Self {
        self.before.push(Step::Raw(head.to_owned()));
        self
    }

    /// The connection closes within the head. Were it closed before, the edge could not tell whether the request was
    /// read, and would ask again.
    pub(super) fn broken_off(mut self) -> Self {
        self.before.extend([Step::Raw("HTTP/1.1 2".to_owned()), Step::Close]);
        self
    }

    /// Whether what it holds can be larger than the threshold of slices.
    pub(super) fn has_any_size(&self) -> bool {
        matches!(self.body, Content::Version | Content::Same(_)) && self.status == 200 && self.before.is_empty()
    }

    /// As the origin's script, with placeholders left in.
    pub(super) fn script(&self, version: usize, size: u64) -> Script {
        let pattern = |version: usize| Body::Pattern { seed: version as u64, size };
        let body = match &self.body {
            Content::Version => pattern(version),
            Content::Same(version) => pattern(*version),
            Content::Text(text) => Body::Text(text.clone()),
            Content::Empty => Body::Empty,
        };
        let mut script = Script::status(self.status).body(body).framing(self.framing).semantics(self.semantics);
        script.fields.clone_from(&self.fields);
        script.before.clone_from(&self.before);
        script
    }
}

/// The text with its placeholders filled in.
pub(super) fn filled_in(text: &str, scheme: &str, host: &str, path: &str) -> String {
    let mut text = text.replace("{scheme}", scheme).replace("{host}", host).replace("{path}", path);
    for (name, format) in [("date", imf_fixdate as fn(u64) -> String), ("rfc850", rfc850), ("asctime", asctime)] {
        let start = format!("{{{name}");
        while let Some(at) = text.find(&start) {
            let end = at + text[at..].find('}').unwrap_or_else(|| panic!("no end of a placeholder in {text:?}"));
            let offset: i64 = text[at + start.len()..end].parse().unwrap_or(0);
            text.replace_range(at..=end, &format(now().saturating_add_signed(offset)));
        }
    }
    text
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// A moment's parts: year, month (from 0), day, day of the week (from Sunday), time of day.
fn civil(seconds: u64) -> (u64, usize, u64, usize, String) {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= if is_leap(year) { 366 } else { 365 } {
        left -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    // The first day of 1970 was a Thursday.
    (year, month, left + 1, usize::try_from((days + 4) % 7).unwrap_or(0), time)
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The preferred form of dates (RFC 9110 section 5.6.7).
fn imf_fixdate(seconds: u64) -> String {
    let (year, month, day, weekday, time) = civil(seconds);
    format!("{}, {day:02} {} {year} {time} GMT", &DAYS[weekday][..3], MONTHS[month])
}

/// An obsolete form.
fn rfc850(seconds: u64) -> String {
    let (year, month, day, weekday, time) = civil(seconds);
    format!("{}, {day:02}-{}-{:02} {time} GMT", DAYS[weekday], MONTHS[month], year % 100)
}

/// Another obsolete form.
fn asctime(seconds: u64) -> String {
    let (year, month, day, weekday, time) = civil(seconds);
    format!("{} {} {day:2} {time} {year}", &DAYS[weekday][..3], MONTHS[month])
}

#[test]
fn dates_are_written_as_the_standard_writes_them() {
    let moment = 784_111_777;
    assert_eq!(imf_fixdate(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(rfc850(moment), "Sunday, 06-Nov-94 08:49:37 GMT");
    assert_eq!(asctime(moment), "Sun Nov  6 08:49:37 1994");
}
