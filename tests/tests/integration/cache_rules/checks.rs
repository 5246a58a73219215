//! What is wrong with what a client saw or the origin was asked.

use tidegate_tests::client::{Interim, Request, Response};
use tidegate_tests::origin::{Body, Recorded, Script};

use super::case::{Ask, Part, Way};
use super::one_run::{Mode, Run, VERSIONS};
use super::told::{Told, never_right, told};
use crate::table::row::{Content, Field};

impl Run<'_> {
    /// What is wrong with this response.
    pub(super) fn wrong(&self, ask: &Ask, response: &Response) -> Vec<String> {
        let version = ask.version.unwrap_or(self.state().version).max(1);
        let mut wrong = never_right(response, &ask.request.method);
        wrong.extend(self.wrong_content(ask, response, version));
        wrong.extend(self.wrongly_heard(ask, response));
        for (name, field) in &ask.fields {
            let values: Vec<_> = response.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            let field = match field {
                Field::Is(value) => &Field::Is(self.filled_in(value)),
                other => other,
            };
            if !field.fits(&values) {
                wrong.push(format!("field {name}: {values:?} instead of {field:?}"));
            }
        }
        if !matches!(ask.way, Way::Own | Way::OwnAfterAsking) {
            match told(response) {
                Ok(told) => wrong.extend(self.wrongly_told(ask, response, &told)),
                Err(text) => wrong.push(text),
            }
        }
        wrong
    }

    /// Interim responses other than those that it is to hear. The edge tells its own name in each.
    fn wrongly_heard(&self, ask: &Ask, response: &Response) -> Option<String> {
        let fields = |interim: &Interim| {
            let fields = interim.fields.iter().filter(|(name, _)| name != "via");
            fields.map(|(name, value)| format!(" | {name}: {value}")).collect::<String>()
        };
        let line = |interim: &Interim| interim.status.to_string() + &fields(interim);
        let heard: Vec<_> = response.interim.iter().map(line).collect();
        (heard != ask.hears).then(|| format!("heard {heard:?} instead of {:?}", ask.hears))
    }

    fn wrong_content(&self, ask: &Ask, response: &Response, version: usize) -> Vec<String> {
        let script = self.script(version);
        let status = ask.status.unwrap_or(script.status);
        if response.status != status {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(80)]).into_owned();
            return vec![format!(
                "status {} instead of {status} ({body:?}, {:?})",
                response.status,
                response.field("cache-status")
            )];
        }
        let content = content(ask.content.as_ref().unwrap_or(&Part::Whole), &script);
        let wrong = content.difference(&script, &self.request(ask), response);
        let found = || (1..=VERSIONS).find(|other| is_version(&self.script(*other), response));
        let found =
            || found().map_or_else(String::new, |found| format!(": it is version {found} instead of {version}"));
        wrong.map(|text| text + &found()).into_iter().collect()
    }

    /// Cache-Status and Age must say what happened.
    fn wrongly_told(&self, ask: &Ask, response: &Response, told: &Told) -> Option<String> {
        let status = || response.field("cache-status").unwrap_or_default().to_owned();
        let way = ask.way;
        if let Some((least, most)) = ask.fresh_for
            && !told.ttl.is_some_and(|ttl| (least..=most).contains(&ttl))
        {
            return Some(format!("fresh for {:?} instead of {least} to {most} seconds", told.ttl));
        }
        let from_store = matches!(way, Way::Hit | Way::Stale | Way::Refreshed);
        if from_store && !told.hit && !(self.mode == Mode::Joined && told.collapsed) {
            return Some(format!("answered from store, and Cache-Status says {:?}", status()));
        }
        if matches!(way, Way::Fetched | Way::Validated) && told.hit {
            return Some(format!("the origin was asked, and Cache-Status says {:?}", status()));
        }
        let stale = matches!(way, Way::Stale | Way::Refreshed | Way::Bridged);
        match told.ttl {
            // RFC 9211 section 2.5: what is served stale has no freshness left.
            Some(ttl) if told.hit && stale && ttl > 0 => Some(format!("served stale with ttl={ttl}")),
            Some(ttl) if way == Way::Hit && told.hit && ttl < 0 => Some(format!("served fresh with ttl={ttl}")),
            None if told.hit => Some(format!("no ttl of a hit in {:?}", status())),
            _ => None,
        }
    }

    /// Checks the answer to one of two requests that came while the origin's answer to the first was held.
    pub(super) fn check_joined(&self, step: usize, response: &Response) {
        let ask = &self.case.steps[step];
        self.state().version = step + 1;
        let certain = matches!(ask.way, Way::Hit | Way::Fetched) && !ask.joined_freely;
        if step == 0 || certain {
            if ask.way == Way::Hit {
                self.state().version = 1;
            }
            return self.fail(step, self.wrong(ask, response));
        }
        let mut wrong = never_right(response, &ask.request.method);
        let whole = |version: usize| is_version(&self.script(version), response);
        let refused = ask.status.is_some_and(|status| status == response.status);
        if !refused && !whole(1) && !whole(2) {
            wrong.push(format!("status {} and {} bytes of no version", response.status, response.body.len()));
        }
        self.fail(step, wrong);
    }

    /// What of the request to the origin is not as the case says.
    pub(super) fn wrongly_asked(&self, ask: &Ask, asked: &Recorded) -> Vec<String> {
        let mut wrong = Vec::new();
        let method = ask.asking_by.unwrap_or(&ask.request.method);
        if asked.method != method {
            wrong.push(format!("the origin was asked by {} instead of {method}", asked.method));
        }
        for (name, field) in &ask.asking {
            let fields = asked.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            let values: Vec<_> = fields.map(|(_, value)| value.as_str()).collect();
            let field = match field {
                Field::Is(value) => &Field::Is(self.filled_in(value)),
                other => other,
            };
            if !field.fits(&values) {
                wrong.push(format!("the origin was asked with {name}: {values:?} instead of {field:?}"));
            }
        }
        let conditional = asked.field("if-none-match").is_some() || asked.field("if-modified-since").is_some();
        if ask.way == Way::Validated && !conditional {
            wrong.push("the origin was asked without a condition".to_owned());
        }
        wrong
    }
}

fn is_version(script: &Script, response: &Response) -> bool {
    let request = Request::get("/");
    response.status == script.status && Content::Whole.difference(script, &request, response).is_none()
}

/// The part in terms of the script's own length.
fn content(part: &Part, script: &Script) -> Content {
    let size = match &script.body {
        Body::Pattern { size, .. } => *size,
        Body::Text(text) => text.len() as u64,
        Body::Empty | Body::Echo => 0,
    };
    let place =
        |offset: i64| if offset < 0 { size.saturating_sub(offset.unsigned_abs()) } else { offset.unsigned_abs() };
    let range = |(start, end): &(i64, Option<i64>)| (place(*start), end.map_or(size, place));
    match part {
        Part::Whole => Content::Whole,
        Part::Empty => Content::Empty,
        Part::Any => Content::Any,
        Part::From(start, end) => {
            let (start, end) = range(&(*start, *end));
            Content::Part(start, end)
        }
        Part::Several(parts) => Content::Parts(parts.iter().map(range).collect()),
    }
}
