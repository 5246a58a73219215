//! Runs cases: all of them step by step, so that what one step stored is stored when the next one comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt as _;
use tidegate_tests::client::{Client, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Origin, Recorded, Script, Step};
use tidegate_tests::within;

use super::answer::filled_in;
use super::case::{Ask, Case, Part, Way};
use super::policies;
use super::told::{Told, never_right, told};
use crate::table::row::{Content, Field};

/// Protocols; plaintext saves a handshake a request.
const PROTOCOLS: [Protocol; 3] = [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3];
/// Cases under way at once.
const CONCURRENCY: usize = 12;
/// How long a joining request may keep its head back before the held answer goes on. Nothing is asserted about it.
const HEAD_GRACE: Duration = Duration::from_millis(250);
/// Between two looks at the edge's figures.
const POLL: Duration = Duration::from_millis(10);
/// Requests of one case that the origin is prepared for.
const VERSIONS: usize = 8;

/// What the cache knows when a case's second request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The answer to the first, in memory.
    Hit,
    /// The first half of that answer, and the origin waits.
    Joined,
    /// The answer to the first, in slices.
    Slices,
}

impl Mode {
    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Joined => "joined",
            Self::Slices => "slices",
        }
    }

    /// Length of bodies that tell versions.
    fn size(self) -> u64 {
        match self {
            Self::Hit | Self::Joined => 3_001,
            Self::Slices => 1_300_007,
        }
    }

    fn takes(self, case: &Case) -> bool {
        match self {
            Self::Hit => true,
            Self::Joined => case.joins && case.steps.len() > 1 && case.steps[0].way == Way::Fetched,
            Self::Slices => case.slices && case.answers.iter().all(super::answer::Answer::has_any_size),
        }
    }
}

struct Runner {
    edge: Edge,
    origin: Origin,
    clients: BTreeMap<Protocol, Client>,
    mode: Mode,
}

/// One case over one protocol, and how far it is.
struct Run<'a> {
    case: &'a Case,
    protocol: Protocol,
    host: String,
    path: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests that the origin must have had.
    asked: usize,
    /// The version whose body is stored.
    version: usize,
    failures: Vec<String>,
}

/// Runs all cases that can be run this way, over all protocols.
///
/// # Panics
/// With the list of everything that differs.
pub(super) async fn run(cases: Vec<Case>, mode: Mode) {
    let origin = Origin::start().await;
    // Failing and closing origins are part of cases, and each request is to be one at the origin.
    let pool = "attempts: 1\nlimits: {failures: 0%}\ntimeouts: {read: 5s}";
    let config = EdgeConfig::to(&origin).routes_yaml(&policies::routes()).pool_yaml(pool);
    let edge = Edge::start(&config.extra_documents(&policies::documents())).await;
    let mut clients = BTreeMap::new();
    for protocol in PROTOCOLS {
        clients.insert(protocol, edge.client(protocol).await);
    }
    let runner = Runner { edge, origin, clients, mode };
    let taken: Vec<&Case> = cases.iter().filter(|case| mode.takes(case)).collect();
    let runs = taken.iter().flat_map(|case| PROTOCOLS.map(|protocol| Run::new(case, protocol, mode)));
    let runs: Vec<Run<'_>> = runs.collect();
    runner.play(&runs).await;
    let failing: BTreeSet<_> = runs.iter().filter(|run| run.failed()).map(|run| run.case.name).collect();
    let failures: Vec<String> = runs.iter().flat_map(Run::failures).collect();
    let count = taken.len();
    assert!(
        failures.is_empty(),
        "{} of {count} cases fail ({mode:?}): {failing:?}\n{}",
        failing.len(),
        failures.join("\n")
    );
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, protocol: Protocol, mode: Mode) -> Self {
        let host = format!("{}-{}.{HOST}", protocol.label(), mode.label());
        let sliced = if mode == Mode::Slices { "-sliced" } else { "" };
        let path = format!("/{}{sliced}/{}", case.policy.name(), case.name);
        Self { case, protocol, host, path, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn failed(&self) -> bool {
        !self.state().failures.is_empty()
    }

    fn failures(&self) -> Vec<String> {
        let Case { name, source, .. } = self.case;
        let failures = std::mem::take(&mut self.state().failures);
        failures.into_iter().map(|text| format!("{name} ({source}) over {:?}: {text}", self.protocol)).collect()
    }

    fn fail(&self, step: usize, wrong: impl IntoIterator<Item = String>) {
        self.state().failures.extend(wrong.into_iter().map(|text| format!("request {}: {text}", step + 1)));
    }

    /// The paths that its requests name, without queries.
    fn paths(&self) -> BTreeSet<String> {
        let suffixes = self.case.steps.iter().map(|step| step.request.target.split('?').next().unwrap_or_default());
        suffixes.map(|suffix| format!("{}{suffix}", self.path)).collect()
    }

    fn request(&self, ask: &Ask) -> Request {
        let mut request = ask.request.clone().authority(&self.host);
        request.target = format!("{}{}", self.path, request.target);
        for (_, value) in &mut request.fields {
            *value = filled_in(value, &self.host, &self.path);
        }
        request
    }

    fn script(&self, version: usize, mode: Mode) -> Script {
        let mut script = self.case.script(version, mode.size());
        for (_, value) in &mut script.fields {
            *value = filled_in(value, &self.host, &self.path);
        }
        script
    }

    fn gate(&self) -> String {
        format!("{} {}", self.host, self.path)
    }
}

impl Runner {
    async fn play(&self, runs: &[Run<'_>]) {
        let first = if self.mode == Mode::Joined { 2 } else { 0 };
        if self.mode == Mode::Joined {
            self.each(runs, async |run| {
                self.prepare(run);
                self.join(run).await;
            })
            .await;
        }
        let last = if self.mode == Mode::Joined { 0 } else { runs.iter().map(|run| run.case.steps.len()).max().unwrap_or(0) };
        for step in first..last {
            self.each(runs, async |run| {
                if step == 0 {
                    self.prepare(run);
                }
                if let Some(ask) = run.case.steps.get(step).filter(|_| !run.failed()) {
                    self.step(run, step, ask).await;
                }
            })
            .await;
            self.settle().await;
        }
        for run in runs.iter().filter(|run| !run.failed() && self.mode != Mode::Joined) {
            let (asked, expected) = (self.asked(run).len(), run.state().asked);
            if asked != expected {
                run.fail(run.case.steps.len() - 1, [format!("in the end the origin was asked {asked} times, not {expected}")]);
            }
        }
    }

    async fn each<'a, 'r: 'a>(&'a self, runs: &'r [Run<'r>], work: impl AsyncFn(&'r Run<'r>) + 'a) {
        let work = &work;
        futures::stream::iter(runs).for_each_concurrent(CONCURRENCY, |run| work(run)).await;
    }

    /// Waits until nothing is being fetched: a client has its last byte a moment before the fill has ended.
    async fn settle(&self) {
        let quiet = async {
            while self.edge.metric("tidegate_fills_in_flight", &[]).await != 0.0 {
                tokio::time::sleep(POLL).await;
            }
        };
        within("the fills to end", quiet).await;
    }

    fn prepare(&self, run: &Run<'_>) {
        let mut scripts: Vec<_> = (1..=VERSIONS).map(|version| run.script(version, self.mode)).collect();
        if self.mode == Mode::Joined {
            scripts[0] = held(scripts[0].clone(), &run.gate());
        }
        self.origin.on_host_in_turn(&run.host, &run.paths().into_iter().collect::<Vec<_>>(), scripts);
    }

    fn asked(&self, run: &Run<'_>) -> Vec<Recorded> {
        let of = |path: &String| self.origin.requests_of(&run.host, path);
        run.paths().iter().flat_map(of).collect()
    }

    /// Asks once, and once more by the long way where the answer was in store.
    async fn step(&self, run: &Run<'_>, step: usize, ask: &Ask) {
        let client = &self.clients[&run.protocol];
        let before = run.state().asked;
        match within(run.case.name, client.request(run.request(ask))).await {
            Ok(response) => {
                self.note(run, ask);
                self.check(run, step, ask, &response, before).await;
            }
            Err(error) => return run.fail(step, [format!("{error:#}")]),
        }
        if ask.way == Way::Hit && goes_the_short_way(ask) && !run.failed() {
            // Conditions are no matter of the short way; this one never holds.
            let long = run.request(ask).field("if-none-match", "\"none such\"");
            match within(run.case.name, client.request(long)).await {
                Ok(response) => run.fail(step, self.wrong(run, ask, &response).into_iter().map(|text| format!("the long way: {text}"))),
                Err(error) => run.fail(step, [format!("the long way: {error:#}")]),
            }
        }
    }

    /// Reckons what the origin must have been asked by this step, and which version is the latest one.
    fn note(&self, run: &Run<'_>, ask: &Ask) {
        let mut state = run.state();
        match ask.way {
            Way::Fetched => {
                state.asked += 1;
                state.version = state.asked;
            }
            Way::Validated | Way::Refreshed | Way::Bridged | Way::OwnAfterAsking => state.asked += 1,
            Way::Hit | Way::Stale | Way::Own => {}
            Way::Either => state.asked = self.asked(run).len(),
        }
    }

    async fn check(&self, run: &Run<'_>, step: usize, ask: &Ask, response: &Response, before: usize) {
        let expected = run.state().asked;
        if ask.way == Way::Refreshed {
            let arrival = async {
                while self.asked(run).len() < expected {
                    tokio::time::sleep(POLL).await;
                }
            };
            within(run.case.name, arrival).await;
        }
        let asked = self.asked(run);
        let mut wrong = self.wrong(run, ask, response);
        if asked.len() != expected {
            wrong.push(format!("the origin was asked {} times, not {expected}", asked.len()));
        } else if expected > before {
            // Requests for several paths are not in order of arrival: the last of this path is meant.
            let path = run.request(ask).target.split('?').next().unwrap_or_default().to_owned();
            let last = self.origin.requests_of(&run.host, &path).pop();
            wrong.extend(last.iter().flat_map(|last| wrongly_asked(run, ask, last)));
        }
        run.fail(step, wrong);
    }

    fn wrong(&self, run: &Run<'_>, ask: &Ask, response: &Response) -> Vec<String> {
        let version = ask.version.unwrap_or(run.state().version).max(1);
        let mut wrong = never_right(response, &ask.request.method);
        wrong.extend(self.wrong_content(run, ask, response, version));
        for (name, field) in &ask.fields {
            let values: Vec<_> = response.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            let field = match field {
                Field::Is(value) => &Field::Is(filled_in(value, &run.host, &run.path)),
                other => other,
            };
            if !field.fits(&values) {
                wrong.push(format!("field {name}: {values:?} instead of {field:?}"));
            }
        }
        if let Some(trailers) = &ask.trailers {
            let found: Vec<_> = response.trailers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            if found != *trailers {
                wrong.push(format!("trailers {found:?} instead of {trailers:?}"));
            }
        }
        if !matches!(ask.way, Way::Own | Way::OwnAfterAsking) {
            match told(response) {
                Ok(told) => wrong.extend(self.wrongly_told(ask.way, response, &told)),
                Err(text) => wrong.push(text),
            }
        }
        wrong
    }

    fn wrong_content(&self, run: &Run<'_>, ask: &Ask, response: &Response, version: usize) -> Vec<String> {
        let script = run.script(version, self.mode);
        let status = ask.status.unwrap_or(script.status);
        if response.status != status {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(80)]).into_owned();
            return vec![format!("status {} instead of {status} ({body:?}, {:?})", response.status, response.field("cache-status"))];
        }
        let content = content(ask.content.as_ref().unwrap_or(&Part::Whole), &script);
        let wrong = content.difference(&script, &run.request(ask), response);
        let found = || (1..=VERSIONS).find(|other| is_version(&run.script(*other, self.mode), response));
        let found = || found().map_or_else(String::new, |found| format!(": it is version {found} instead of {version}"));
        wrong.map(|text| text + &found()).into_iter().collect()
    }

    /// Cache-Status and Age must say what happened.
    fn wrongly_told(&self, way: Way, response: &Response, told: &Told) -> Option<String> {
        let status = || response.field("cache-status").unwrap_or_default().to_owned();
        let from_store = matches!(way, Way::Hit | Way::Stale | Way::Refreshed);
        if from_store && !told.hit && !(self.mode == Mode::Joined && told.collapsed) {
            return Some(format!("answered from store, and Cache-Status says {:?}", status()));
        }
        if matches!(way, Way::Fetched | Way::Validated) && told.hit {
            return Some(format!("the origin was asked, and Cache-Status says {:?}", status()));
        }
        // RFC 9111 section 5.1: what was not validated for this request has an Age.
        if from_store && told.hit && response.field("age").is_none() {
            return Some("no Age on what came from store".to_owned());
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

    /// The first request starts a fill, the second one comes while the origin waits; then the origin goes on.
    async fn join(&self, run: &Run<'_>) {
        let gate = self.origin.gate(&run.gate());
        let client = &self.clients[&run.protocol];
        let [first, second] = [0, 1].map(|step| run.request(&run.case.steps[step]));
        let leading = client.request(first);
        let joining = async {
            gate.reached().await;
            let opening = client.open(second);
            let mut opening = std::pin::pin!(opening);
            let early = tokio::time::timeout(HEAD_GRACE, opening.as_mut()).await;
            gate.open();
            match early {
                Ok(streaming) => streaming?.finish().await,
                Err(_) => opening.await?.finish().await,
            }
        };
        let (led, joined) = within(run.case.name, async { tokio::join!(leading, joining) }).await;
        for (step, answer) in [led, joined].into_iter().enumerate() {
            match answer {
                Ok(response) => self.check_joined(run, step, &response),
                Err(error) => run.fail(step, [format!("{error:#}")]),
            }
        }
        let asked = self.asked(run).len();
        let ask = &run.case.steps[1];
        let fits = match ask.way {
            Way::Hit if !ask.joined_freely => asked == 1,
            Way::Fetched if !ask.joined_freely => asked == 2,
            _ => asked <= 2,
        };
        if !fits {
            run.fail(1, [format!("the origin was asked {asked} times ({:?})", ask.way)]);
        }
    }

    fn check_joined(&self, run: &Run<'_>, step: usize, response: &Response) {
        let ask = &run.case.steps[step];
        run.state().version = step + 1;
        let certain = matches!(ask.way, Way::Hit | Way::Fetched) && !ask.joined_freely;
        if step == 0 || certain {
            if ask.way == Way::Hit {
                run.state().version = 1;
            }
            return run.fail(step, self.wrong(run, ask, response));
        }
        let mut wrong = never_right(response, &ask.request.method);
        let whole = |version: usize| is_version(&run.script(version, Mode::Joined), response);
        let refused = ask.status.is_some_and(|status| status == response.status);
        if !refused && !whole(1) && !whole(2) {
            wrong.push(format!("status {} and {} bytes of no version", response.status, response.body.len()));
        }
        run.fail(step, wrong);
    }
}

/// What of the request to the origin is not as the case says.
fn wrongly_asked(run: &Run<'_>, ask: &Ask, asked: &Recorded) -> Vec<String> {
    let mut wrong = Vec::new();
    let method = ask.asking_by.unwrap_or(&ask.request.method);
    if asked.method != method {
        wrong.push(format!("the origin was asked by {} instead of {method}", asked.method));
    }
    for (name, field) in &ask.asking {
        let fields = asked.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let values: Vec<_> = fields.map(|(_, value)| value.as_str()).collect();
        let field = match field {
            Field::Is(value) => &Field::Is(filled_in(value, &run.host, &run.path)),
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

/// A plain GET that the short way may answer.
fn goes_the_short_way(ask: &Ask) -> bool {
    let about_parts = |name: &String| name.starts_with("if-") || name == "range";
    ask.request.method == "GET" && !ask.request.fields.iter().any(|(name, _)| about_parts(name))
}

/// The script with a gate half-way through its body, or before its head where it has none.
fn held(script: Script, gate: &str) -> Script {
    match script.body {
        Body::Pattern { size, .. } if script.before.is_empty() => script.pausing_after(size / 2, gate),
        _ => {
            let mut script = script;
            script.before.insert(0, Step::Gate(gate.to_owned()));
            script
        }
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
    let place = |offset: i64| if offset < 0 { size.saturating_sub(offset.unsigned_abs()) } else { offset.unsigned_abs() };
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
