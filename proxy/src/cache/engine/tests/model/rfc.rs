//! A shared cache as RFC 9111 describes it, small and slow, written from its text and sharing nothing with the rules:
//! all exchanges ever made, as lists of lines, and for each request the question which of them may answer it. Where the
//! RFC leaves freedom it says what is allowed, and what nobody could find a reason not to do.

/// Lines of a header section: names in lower case, and values.
pub(super) type Lines = Vec<(String, String)>;

/// A request, as far as caches care.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) lines: Lines,
}

/// A GET that an origin has answered. Times are in seconds.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) status: u16,
    pub(super) lines: Lines,
    pub(super) asked: i64,
    pub(super) answered: i64,
    /// The body, which is another one each time.
    pub(super) body: String,
    /// Made invalid (section 4.4), found to be outdated (4.3.5), or replaced (4.3.3).
    pub(super) gone: bool,
    /// Whether it may be that another one was confirmed in its place.
    pub(super) unsure: bool,
}

/// What came of asking the origin for the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// It was not asked before the answer.
    None,
    /// It gave no answer.
    Unreachable,
    /// It answered with a server error.
    Error,
}

const DAY: i64 = 86_400;

/// Seconds beyond which all times are the same (section 1.2.2).
const END_OF_TIME: i64 = 1 << 31;

pub(super) fn line<'a>(lines: &'a Lines, name: &str) -> Option<&'a str> {
    lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// All lines of a name as one (RFC 9110 section 5.3).
fn joined(lines: &Lines, name: &str) -> Option<String> {
    let values: Vec<&str> = lines.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

/// A directive's argument, its first one; `Some("")` where it has none.
fn directive(lines: &Lines, field: &str, name: &str) -> Option<String> {
    let text = joined(lines, field)?;
    let mut elements = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(String::new()),
            other => elements.last_mut().unwrap().push(other),
        }
    }
    elements.iter().map(|element| element.trim()).find_map(|element| match element.split_once('=') {
        Some((known, argument)) if known == name => Some(argument.to_owned()),
        None if element == name => Some(String::new()),
        _ => None,
    })
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    digits.then(|| text.parse::<i64>().map_or(END_OF_TIME, |number| number.min(END_OF_TIME)))
}

fn date(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

impl Request {
    fn says(&self, name: &str) -> Option<String> {
        directive(&self.lines, "cache-control", name)
    }

    fn number(&self, name: &str) -> Option<i64> {
        number(&self.says(name)?)
    }

    fn is_authorized(&self) -> bool {
        line(&self.lines, "authorization").is_some()
    }
}

impl Exchange {
    /// The field that holds the directives: a targeted one goes first (RFC 9213 section 2.2).
    fn field(&self) -> &'static str {
        if line(&self.lines, "cdn-cache-control").is_some() { "cdn-cache-control" } else { "cache-control" }
    }

    fn says(&self, name: &str) -> Option<String> {
        directive(&self.lines, self.field(), name)
    }

    fn has(&self, name: &str) -> bool {
        self.says(name).is_some()
    }

    fn unqualified(&self, name: &str) -> bool {
        self.says(name).is_some_and(|argument| argument.is_empty())
    }

    /// Fields that must not be sent from store (sections 5.2.2.4 and 5.2.2.7).
    pub(super) fn withheld(&self) -> Vec<String> {
        let named = ["private", "no-cache"].iter().filter_map(|name| self.says(name));
        named.flat_map(|list| list.split(',').map(|name| name.trim().to_lowercase()).collect::<Vec<_>>()).collect()
    }

    fn date(&self) -> i64 {
        line(&self.lines, "date").and_then(date).unwrap_or(self.answered)
    }

    /// Section 4.2.1; whether it is explicit.
    fn lifetime(&self, heuristic: bool) -> (i64, bool) {
        for name in ["s-maxage", "max-age"] {
            if let Some(argument) = self.says(name) {
                return (number(&argument).unwrap_or(0), true);
            }
        }
        if let (Some(expires), "cache-control") = (line(&self.lines, "expires"), self.field()) {
            return (date(expires).map_or(0, |expires| (expires - self.date()).max(0)), true);
        }
        let modified = line(&self.lines, "last-modified").and_then(date);
        match modified {
            Some(modified) if heuristic && self.is_cacheable_by_default() => {
                (((self.date() - modified).max(0) / 10).min(DAY), false)
            }
            _ => (0, false),
        }
    }

    /// RFC 9110 section 15.1, without the statuses of servers' failures and of parts.
    fn is_cacheable_by_default(&self) -> bool {
        [200, 203, 204, 300, 301, 308, 404, 405, 410, 414].contains(&self.status)
    }

    /// Section 4.2.3.
    pub(super) fn age(&self, now: i64) -> i64 {
        let apparent_age = (self.answered - self.date()).max(0);
        let age_value = line(&self.lines, "age").and_then(number).unwrap_or(0);
        let corrected_age_value = age_value + (self.answered - self.asked);
        apparent_age.max(corrected_age_value).min(END_OF_TIME) + (now - self.answered).max(0)
    }

    /// Section 3: why it must not be stored.
    pub(super) fn unstorable(&self) -> Result<(), &'static str> {
        let understood = self.is_cacheable_by_default() || [302, 303, 307, 501].contains(&self.status);
        let permits_authorization = self.has("public")
            || self.has("must-revalidate")
            || self.says("s-maxage").is_some_and(|n| number(&n).is_some());
        let told = ["public", "max-age", "s-maxage"].iter().any(|name| self.has(name))
            || line(&self.lines, "expires").is_some()
            || self.is_cacheable_by_default();
        match () {
            () if self.request.method != "GET" => Err("section 3: method"),
            () if self.request.says("no-store").is_some() => Err("section 5.2.1.5"),
            () if [206, 304].contains(&self.status) => Err("section 3: status"),
            () if self.status == 429 => Err("RFC 6585 section 4"),
            () if self.has("must-understand") && !understood => Err("section 5.2.2.3"),
            () if self.has("no-store") && !self.has("must-understand") => Err("section 5.2.2.5"),
            () if self.unqualified("private") => Err("section 5.2.2.7"),
            () if self.request.is_authorized() && !permits_authorization => Err("section 3.5"),
            () if !told => Err("section 3: nothing allows it"),
            () => Ok(()),
        }
    }

    /// Section 4.1.
    pub(super) fn is_selected_by(&self, request: &Request) -> bool {
        let Some(vary) = joined(&self.lines, "vary") else { return true };
        vary.split(',')
            .map(|name| name.trim().to_lowercase())
            .all(|name| name != "*" && joined(&self.request.lines, &name) == joined(&request.lines, &name))
    }

    /// Section 4: why it must not answer this request, whose fetch has come to this.
    pub(super) fn must_not_answer(
        &self,
        request: &Request,
        now: i64,
        contact: Contact,
        heuristic: bool,
    ) -> Result<(), &'static str> {
        self.unstorable()?;
        let (lifetime, explicit) = self.lifetime(heuristic);
        let age = self.age(now);
        if self.gone {
            return Err("it was made invalid");
        }
        if !self.is_selected_by(request) {
            return Err("section 4.1");
        }
        if self.status >= 500 && !explicit {
            return Err("a server error without explicit freshness");
        }
        if self.unqualified("no-cache") {
            return Err("section 5.2.2.4");
        }
        if request.says("no-cache").is_some() && contact == Contact::None {
            return Err("section 5.2.1.4");
        }
        if age < lifetime {
            return self.must_not_answer_although_fresh(request, contact, age, lifetime);
        }
        self.must_not_answer_stale(request, contact, age - lifetime)
    }

    fn must_not_answer_although_fresh(
        &self,
        request: &Request,
        contact: Contact,
        age: i64,
        lifetime: i64,
    ) -> Result<(), &'static str> {
        if contact != Contact::None {
            return Ok(());
        }
        let too_old = request.number("max-age").is_some_and(|limit| age > limit || limit == 0);
        if too_old && !self.has("immutable") {
            return Err("section 5.2.1.1");
        }
        if request.number("min-fresh").is_some_and(|wanted| lifetime - age < wanted) {
            return Err("section 5.2.1.3");
        }
        Ok(())
    }

    /// Section 4.2.4. `s-maxage` forbids what the origin does not itself allow in the same breath.
    fn must_not_answer_stale(&self, request: &Request, contact: Contact, staleness: i64) -> Result<(), &'static str> {
        if self.has("must-revalidate") || self.has("proxy-revalidate") {
            return Err("sections 5.2.2.2 and 5.2.2.8");
        }
        let within =
            |name: &str| self.says(name).and_then(|text| number(&text)).is_some_and(|limit| staleness <= limit);
        let shared = self.has("s-maxage");
        let by_client = match request.says("max-stale") {
            Some(limit) if limit.is_empty() => true,
            Some(limit) => number(&limit).is_some_and(|limit| staleness <= limit),
            None => false,
        };
        let allowed = match contact {
            Contact::None => within("stale-while-revalidate") || by_client && !shared,
            Contact::Unreachable => within("stale-if-error") || !shared,
            Contact::Error => {
                within("stale-if-error")
                    || !shared && request.number("stale-if-error").is_some_and(|limit| staleness <= limit)
            }
        };
        if allowed { Ok(()) } else { Err("section 4.2.4") }
    }

    /// Whether nothing speaks against answering a plain request with it: it is fresh by the origin's own words, and
    /// nothing in it asks for care.
    pub(super) fn must_answer_plain(&self, now: i64) -> bool {
        let (lifetime, explicit) = self.lifetime(false);
        let careful = ["no-cache", "private", "no-store", "must-understand"].iter().any(|name| self.has(name));
        let odd = self.says("public").is_some_and(|argument| !argument.is_empty());
        explicit
            && self.age(now) < lifetime
            && !careful
            && !odd
            && !self.gone
            && !self.unsure
            && self.unstorable().is_ok()
    }

    /// Sections 3.2 and 4.3.4: fields of a 304, or of the answer to a HEAD, take the place of those stored. The entity
    /// tag is the same but for its strength, and what describes the bytes stays. What `Vary` selects by is from then on
    /// what the confirming request had.
    pub(super) fn freshen(&mut self, request: &Request, lines: &Lines, now: i64) {
        let kept = ["content-length", "content-type", "content-encoding", "content-range"];
        let had_tag = line(&self.lines, "etag").is_some();
        let update: Lines = lines
            .iter()
            .filter(|(name, _)| !kept.contains(&name.as_str()) && (name != "etag" || !had_tag))
            .cloned()
            .collect();
        self.lines.retain(|(name, _)| {
            !["date", "age"].contains(&name.as_str()) && !update.iter().any(|(new, _)| new == name)
        });
        self.lines.extend(update);
        self.request = Request { method: "GET", lines: request.lines.clone() };
        (self.asked, self.answered) = (now, now);
    }

    /// Section 4.3.5: whether the validators that an answer to HEAD names are those stored.
    pub(super) fn is_version_of(&self, lines: &Lines) -> bool {
        let opaque = |lines: &Lines| line(lines, "etag").map(|tag| tag.trim_start_matches("W/").to_owned());
        let modified = |lines: &Lines| line(lines, "last-modified").map(str::to_owned);
        let agrees = |told: Option<String>, kept: Option<String>| told.is_none() || told == kept;
        agrees(opaque(lines), opaque(&self.lines)) && agrees(modified(lines), modified(&self.lines))
    }
}
