//! A case: what the origin answers in turn, who asks what, and what each is to see.

use tidegate_tests::client::Request;
use tidegate_tests::origin::Script;

use super::answer::Answer;
use super::policies::Policy;
use crate::table::row::Field;

/// One rule as it can be seen from outside.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What is to be true, as a name.
    pub(super) name: &'static str,
    /// Where it is written: RFC and section, or the document of media rules.
    pub(super) source: &'static str,
    pub(super) policy: Policy,
    /// What the origin answers in turn; all requests beyond the last get that with another body.
    pub(super) answers: Vec<Answer>,
    pub(super) steps: Vec<Ask>,
    /// Whether the second request can also come while the first one's answer is held back.
    pub(super) joins: bool,
    /// Whether the same is to hold of what is stored in slices.
    pub(super) slices: bool,
    /// Whether it is about nothing else.
    pub(super) slices_alone: bool,
    /// Whether the same is to hold when the node is started again between requests.
    pub(super) restarts: bool,
}

/// One request and what comes of it.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// Its target is what follows the case's own path.
    pub(super) request: Request,
    pub(super) way: Way,
    /// Which of the origin's answers is seen; the latest one unless said otherwise.
    pub(super) version: Option<usize>,
    /// Its status, where it is not that of the version.
    pub(super) status: Option<u16>,
    pub(super) content: Option<Part>,
    pub(super) fields: Vec<(&'static str, Field)>,
    /// Interim responses that it hears before, as `103 | link: </a>`.
    pub(super) hears: Vec<&'static str>,
    /// Seconds of freshness left, from the first to the second, that Cache-Status tells.
    pub(super) fresh_for: Option<(i64, i64)>,
    /// Fields of what the origin is asked by it.
    pub(super) asking: Vec<(&'static str, Field)>,
    /// Method of what the origin is asked by it, where it is not that of the request.
    pub(super) asking_by: Option<&'static str>,
    /// What joins a fill may have any whole version, however often the origin is asked.
    pub(super) joined_freely: bool,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the origin, which is asked once.
    Fetched,
    /// From store, fresh.
    Hit,
    /// From store, after the origin was asked and confirmed it.
    Validated,
    /// From store, stale, and the origin is not asked.
    Stale,
    /// From store, stale, and the origin is asked beside it.
    Refreshed,
    /// From store, stale, after the origin was asked and failed.
    Bridged,
    /// From the edge itself, and the origin is not asked.
    Own,
    /// From the edge itself, after the origin was asked.
    OwnAfterAsking,
    /// The origin is asked or not, as the edge likes.
    Either,
}

/// Which part of a body; negative offsets count from its end, and nothing ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Empty,
    Any,
    From(i64, Option<i64>),
    Several(Vec<(i64, Option<i64>)>),
}

impl Case {
    pub(super) fn new<A: Into<Answer>, const N: usize>(
        name: &'static str,
        source: &'static str,
        answers: [A; N],
        steps: impl Into<Vec<Ask>>,
    ) -> Self {
        Self {
            name,
            source,
            policy: Policy::Plain,
            answers: answers.map(Into::into).into(),
            steps: steps.into(),
            joins: true,
            slices: true,
            slices_alone: false,
            restarts: true,
        }
    }

    /// Under this policy instead of the plain one.
    pub(super) fn under(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The second request only comes after the first one's answer.
    pub(super) fn not_joined(mut self) -> Self {
        self.joins = false;
        self
    }

    /// Only while the node runs: about what is remembered for seconds and of no use after a restart.
    pub(super) fn not_restarted(mut self) -> Self {
        self.restarts = false;
        self
    }

    /// Only for what is stored whole: where it does not matter how something is stored, or where fewer bytes are fetched
    /// than are asked for, because nobody waits for the rest.
    pub(super) fn not_sliced(mut self) -> Self {
        self.slices = false;
        self
    }

    /// Only for what is stored in slices.
    pub(super) fn only_sliced(mut self) -> Self {
        self.slices_alone = true;
        self
    }

    /// The origin's answer with this number, which counts from one.
    pub(super) fn script(&self, version: usize, size: u64) -> Script {
        let answer = self.answers.get(version - 1).or(self.answers.last());
        answer.map_or_else(|| Script::status(404), |answer| answer.script(version, size))
    }
}

/// A response with these fields answers a second GET.
pub(super) fn reused(name: &'static str, source: &'static str, answer: impl Into<Answer>) -> Case {
    Case::new(name, source, [answer], [get().fetched(), get().hit()])
}

/// A response with these fields does not answer a second GET.
pub(super) fn not_reused(name: &'static str, source: &'static str, answer: impl Into<Answer>) -> Case {
    Case::new(name, source, [answer], [get().fetched(), get().fetched()])
}

/// A response with these fields answers a second GET once the origin has confirmed it.
pub(super) fn validated(name: &'static str, source: &'static str, answer: &str) -> Case {
    let confirming = format!("304{}", answer.trim_start_matches("200"));
    Case::new(name, source, [answer, confirming.as_str()], [get().fetched(), get().validated()])
}

/// Name, source and answer of cases that differ in nothing else. They are about what fields mean, which is found out
/// before anything is stored, in slices or not.
pub(super) type Line = (&'static str, &'static str, &'static str);

/// Each of these responses answers a second GET.
pub(super) fn all_reused<const N: usize>(lines: [Line; N]) -> Vec<Case> {
    lines.map(|(name, source, answer)| reused(name, source, answer).not_sliced()).into()
}

/// None of these responses answers a second GET.
pub(super) fn none_reused<const N: usize>(lines: [Line; N]) -> Vec<Case> {
    lines.map(|(name, source, answer)| not_reused(name, source, answer).not_sliced()).into()
}

/// Each of these responses answers a second GET once the origin has confirmed it.
pub(super) fn all_validated<const N: usize>(lines: [Line; N]) -> Vec<Case> {
    lines.map(|(name, source, answer)| validated(name, source, answer)).into()
}

pub(super) fn get() -> Ask {
    Ask::new("GET")
}

pub(super) fn head() -> Ask {
    Ask::new("HEAD").content(Part::Empty)
}

impl Ask {
    pub(super) fn new(method: &str) -> Self {
        Self {
            request: Request::new(method, ""),
            way: Way::Fetched,
            version: None,
            status: None,
            content: None,
            fields: Vec::new(),
            hears: Vec::new(),
            fresh_for: None,
            asking: Vec::new(),
            asking_by: None,
            joined_freely: false,
        }
    }

    /// Asks for what is beside or below the case's own path: `/other`, `?query`.
    pub(super) fn at(mut self, suffix: &str) -> Self {
        suffix.clone_into(&mut self.request.target);
        self
    }

    /// Asks with this field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.field(name, value);
        self
    }

    pub(super) fn body(mut self, body: &'static str) -> Self {
        self.request = self.request.body(body);
        self
    }

    fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    pub(super) fn fetched(self) -> Self {
        self.way(Way::Fetched)
    }

    pub(super) fn hit(self) -> Self {
        self.way(Way::Hit)
    }

    pub(super) fn validated(self) -> Self {
        self.way(Way::Validated)
    }

    pub(super) fn stale(self) -> Self {
        self.way(Way::Stale)
    }

    pub(super) fn refreshed(self) -> Self {
        self.way(Way::Refreshed)
    }

    pub(super) fn bridged(self) -> Self {
        self.way(Way::Bridged)
    }

    pub(super) fn either(self) -> Self {
        self.way(Way::Either).content(Part::Any)
    }

    /// The edge answers by itself with this status.
    pub(super) fn refused(self, status: u16) -> Self {
        self.way(Way::Own).status(status).content(Part::Any)
    }

    /// The edge answers by itself with this status, after it has asked the origin.
    pub(super) fn failed(self, status: u16) -> Self {
        self.way(Way::OwnAfterAsking).status(status).content(Part::Any)
    }

    /// Sees the origin's answer with this number.
    pub(super) fn of(mut self, version: usize) -> Self {
        self.version = Some(version);
        self
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(super) fn content(mut self, content: Part) -> Self {
        self.content = Some(content);
        self
    }

    /// Sees 304.
    pub(super) fn not_modified(self) -> Self {
        self.status(304).content(Part::Empty)
    }

    /// Sees 206 with the bytes from `start` up to `end`.
    pub(super) fn part(self, start: i64, end: impl Into<Option<i64>>) -> Self {
        self.status(206).content(Part::From(start, end.into()))
    }

    pub(super) fn sees(mut self, name: &'static str, field: Field) -> Self {
        self.fields.push((name, field));
        self
    }

    pub(super) fn sees_value(self, name: &'static str, value: &str) -> Self {
        self.sees(name, Field::Is(value.to_owned()))
    }

    /// Hears these interim responses before it sees anything.
    pub(super) fn hears(mut self, heads: &[&'static str]) -> Self {
        self.hears = heads.to_vec();
        self
    }

    /// Sees this Age, or a few seconds more.
    pub(super) fn sees_age(self, seconds: u64) -> Self {
        self.sees("age", Field::Between(seconds, seconds + 60))
    }

    /// Cache-Status has this: a member's parameter, say.
    pub(super) fn told(self, part: &'static str) -> Self {
        self.sees("cache-status", Field::Contains(part))
    }

    /// Cache-Status tells so many seconds of freshness.
    pub(super) fn fresh_for(mut self, least: i64, most: i64) -> Self {
        self.fresh_for = Some((least, most));
        self
    }

    /// The origin is asked with this field.
    pub(super) fn asking(mut self, name: &'static str, field: Field) -> Self {
        self.asking.push((name, field));
        self
    }

    pub(super) fn asking_value(self, name: &'static str, value: &str) -> Self {
        self.asking(name, Field::Is(value.to_owned()))
    }

    /// The origin is asked by this method.
    pub(super) fn asking_by(mut self, method: &'static str) -> Self {
        self.asking_by = Some(method);
        self
    }

    /// What joins a fill may be served from that: it is as fresh as can be.
    pub(super) fn joined_freely(mut self) -> Self {
        self.joined_freely = true;
        self
    }
}
