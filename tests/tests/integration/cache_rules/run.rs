//! Runs cases: all of them step by step, so that what one step stored is stored when the next one comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use tidegate_tests::client::{Client, Protocol, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Body, Origin, Recorded, Script, Step};
use tidegate_tests::within;

use super::case::{Ask, Case, Way};
use super::one_run::{Mode, Run, VERSIONS};
use super::policies;

/// Protocols; plaintext saves a handshake a request.
const PROTOCOLS: [Protocol; 3] = [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3];
/// Cases under way at once.
const CONCURRENCY: usize = 12;
/// How long a joining request may keep its head back before the held answer goes on. Nothing is asserted about it.
const HEAD_GRACE: Duration = Duration::from_millis(250);
/// Between two looks at the edge's figures.
const POLL: Duration = Duration::from_millis(10);
/// Large objects that one edge is given, so that none is pushed out of its memory.
const BATCH: usize = 40;

/// The same for its disk.
const BATCH_ON_DISK: usize = 100;

struct Runner {
    edge: Edge,
    origin: Origin,
    clients: BTreeMap<Protocol, Client>,
    mode: Mode,
}

/// Runs all cases that can be run this way.
///
/// # Panics
/// With the list of everything that differs.
pub(super) async fn run(cases: Vec<Case>, mode: Mode) {
    let taken: Vec<&Case> = cases.iter().filter(|case| mode.takes(case)).collect();
    let runs = taken.iter().enumerate().flat_map(|(number, case)| {
        let protocols = protocols(mode, number).iter();
        protocols.map(|protocol| Run::new(case, *protocol, mode))
    });
    let runs: Vec<Run<'_>> = runs.collect();
    let batch = match mode {
        Mode::Slices => BATCH,
        Mode::SlicesOnDisk => BATCH_ON_DISK,
        Mode::Hit | Mode::Joined | Mode::Disk => runs.len(),
    };
    for runs in runs.chunks(batch.max(1)) {
        Runner::start(mode).await.play(runs).await;
    }
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

/// All of them; large bodies go over one in turn, as what is in slices is served the same way by each.
fn protocols(mode: Mode, number: usize) -> &'static [Protocol] {
    match mode {
        Mode::Hit | Mode::Joined | Mode::Disk => &PROTOCOLS,
        Mode::Slices | Mode::SlicesOnDisk => PROTOCOLS.chunks(1).nth(number % PROTOCOLS.len()).unwrap_or(&PROTOCOLS),
    }
}

impl Runner {
    async fn start(mode: Mode) -> Self {
        let origin = Origin::start().await;
        // Failing and closing origins are part of cases, and each request is to be one at the origin.
        let pool = "attempts: 1\nlimits: {failures: 0%}\ntimeouts: {read: 5s}";
        let config = EdgeConfig::to(&origin).routes_yaml(&policies::routes()).pool_yaml(pool);
        let config = config.extra_documents(&policies::documents());
        let config = if mode.is_on_disk() { config.on_disks(&["disk"], "512MiB") } else { config };
        let edge = Edge::start(&config).await;
        let mut runner = Self { edge, origin, clients: BTreeMap::new(), mode };
        runner.connect().await;
        runner
    }

    async fn connect(&mut self) {
        for protocol in PROTOCOLS {
            let client = self.edge.client(protocol).await;
            self.clients.insert(protocol, client);
        }
    }

    async fn play(&mut self, runs: &[Run<'_>]) {
        if self.mode == Mode::Joined {
            let joined = async |run: &Run<'_>| {
                self.prepare(run);
                self.join(run).await;
            };
            return self.each(runs, joined).await;
        }
        let steps = runs.iter().map(|run| run.case.steps.len()).max().unwrap_or(0);
        for step in 0..steps {
            if step > 0 && self.mode.is_on_disk() {
                self.clients.clear();
                self.edge.restart().await;
                self.connect().await;
            }
            self.each(runs, async |run| {
                if step == 0 {
                    self.prepare(run);
                }
                if let Some(ask) = run.case.steps.get(step).filter(|_| !run.failed()) {
                    self.step(run, step, ask).await;
                }
            })
            .await;
            self.edge.until_fills_end().await;
        }
        for run in runs.iter().filter(|run| !run.failed()) {
            let (asked, expected) = (self.asked(run).len(), run.state().asked);
            if asked != expected {
                let last = run.case.steps.len() - 1;
                run.fail(last, [format!("in the end the origin was asked {asked} times, not {expected}")]);
            }
        }
    }

    async fn each<'a, 'r: 'a>(&'a self, runs: &'r [Run<'r>], work: impl AsyncFn(&'r Run<'r>) + 'a) {
        let work = &work;
        futures::stream::iter(runs).for_each_concurrent(CONCURRENCY, |run| work(run)).await;
    }

    fn prepare(&self, run: &Run<'_>) {
        let mut scripts: Vec<_> = (1..=VERSIONS).map(|version| run.script(version)).collect();
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
        if self.mode.is_on_disk() {
            // So many at a time would fill the queue of a slow disk, and what finds no room there is not written.
            self.edge.until_written().await;
        }
        if ask.way == Way::Hit && goes_the_short_way(ask) && !run.failed() {
            // Conditions are no matter of the short way; this one never holds.
            let long = run.request(ask).field("if-none-match", "\"none such\"");
            match within(run.case.name, client.request(long)).await {
                Ok(response) => {
                    run.fail(step, run.wrong(ask, &response).into_iter().map(|text| format!("the long way: {text}")))
                }
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
            Way::Validated | Way::Refreshed => state.asked += 1,
            // A connection that breaks as it is used again is no failure of the origin, which is then asked once more.
            Way::Bridged | Way::OwnAfterAsking => state.asked = self.asked(run).len().max(state.asked + 1),
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
        let mut wrong = run.wrong(ask, response);
        if asked.len() != expected {
            let asked = asked.iter().map(told_shortly).collect::<Vec<_>>();
            wrong.push(format!("the origin was asked {} times, not {expected}: {asked:?}", asked.len()));
        } else if expected > before {
            // Requests for several paths are not in order of arrival: the last of this path is meant.
            let path = run.request(ask).target.split('?').next().unwrap_or_default().to_owned();
            let last = self.origin.requests_of(&run.host, &path).pop();
            wrong.extend(last.iter().flat_map(|last| run.wrongly_asked(ask, last)));
        }
        run.fail(step, wrong);
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
                Ok(response) => run.check_joined(step, &response),
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
}

/// What the origin was asked, for messages.
fn told_shortly(asked: &Recorded) -> String {
    let field = |name| asked.field(name).map_or_else(String::new, |value| format!(" {name}: {value}"));
    [asked.method.clone(), field("range"), field("if-range"), field("if-none-match")].concat()
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
