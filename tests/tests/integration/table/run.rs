//! Asks the rows and compares.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use tidegate_tests::client::{Client, End, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Framing, Gate, Origin, Script, Step};
use tidegate_tests::within;

use super::row::{Reuse, Row};

/// Rows under way at once: enough to hide the waits of each, few enough for two cores.
const CONCURRENCY: usize = 12;
/// How long a joined request may keep its head back before the fill goes on. Some must: a HEAD or a suffix range of
/// a body whose length is not known yet. Nothing is asserted about this time.
const HEAD_GRACE: Duration = Duration::from_millis(250);

/// What the cache knows when the row's request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Miss,
    /// The answer to the row's `warm` request.
    Hit,
    /// The half of it, and the origin waits.
    Joined,
}

struct Table {
    edge: Edge,
    origin: Origin,
    clients: BTreeMap<Protocol, Client>,
    mode: Mode,
}

/// Runs all rows over all protocols.
///
/// # Panics
/// With the list of everything that differs.
pub(crate) async fn run(rows: Vec<Row>, mode: Mode) {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let mut clients = BTreeMap::new();
    for protocol in Protocol::SECURE {
        clients.insert(protocol, edge.client(protocol).await);
    }
    let table = Table { edge, origin, clients, mode };
    let mut failures = Vec::new();
    if mode == Mode::Hit {
        let warming: Vec<Vec<String>> = each(&rows, |row| table.warm(row)).await;
        failures.extend(warming.concat());
        table.edge.until_fills_end().await;
    }
    let checks: Vec<Vec<String>> = each(&rows, |row| table.check_row(row)).await;
    failures.extend(checks.concat());
    let count = rows.len();
    assert!(failures.is_empty(), "{} differences in {count} rows, {mode:?}:\n{}", failures.len(), failures.join("\n"));
}

/// Does this for each row, some of them at once.
async fn each<'a, T: Future<Output = Vec<String>>>(rows: &'a [Row], work: impl Fn(&'a Row) -> T) -> Vec<Vec<String>> {
    futures::stream::iter(rows.iter().map(work)).buffer_unordered(CONCURRENCY).collect().await
}

impl Table {
    /// Fills the cache as the row wants it; what went wrong.
    async fn warm(&self, row: &Row) -> Vec<String> {
        let mut failures = Vec::new();
        for protocol in Protocol::SECURE {
            let exchange = self.exchange(row, protocol);
            if let Err(error) = within(row.name, self.clients[&protocol].request(exchange.warm)).await {
                failures.push(format!("{} over {protocol:?}, first request: {error:#}", row.name));
            }
        }
        failures
    }

    async fn check_row(&self, row: &Row) -> Vec<String> {
        let mut failures = Vec::new();
        let mut answers: Vec<(Protocol, Response)> = Vec::new();
        for protocol in Protocol::SECURE {
            let label = format!("{} over {protocol:?}", row.name);
            match self.ask(row, protocol).await {
                Ok(response) => {
                    let wrong = self.wrong(row, protocol, &response);
                    failures.extend(wrong.into_iter().map(|text| format!("{label}: {text}")));
                    answers.push((protocol, response));
                }
                Err(error) => failures.push(format!("{label}: {error:#}")),
            }
        }
        for pair in answers.windows(2) {
            let [(one, first), (other, second)] = pair else { continue };
            let differing = differences(row, first, second);
            failures.extend(differing.into_iter().map(|text| format!("{}: {one:?} and {other:?}: {text}", row.name)));
        }
        failures
    }

    /// What is wrong with this response, and with how often the origin was asked for it.
    fn wrong(&self, row: &Row, protocol: Protocol, response: &Response) -> Vec<String> {
        let expected = match self.mode {
            Mode::Miss => row.on_miss.as_ref(),
            Mode::Hit => None,
            Mode::Joined => row.on_join.as_ref(),
        };
        let expected = expected.unwrap_or(&row.expected);
        let mut wrong = expected.differences(&row.script, &row.request, response);
        if let End::Broken(how) = &response.end {
            wrong.push(format!("body cut: {how}"));
        }
        let asked = self.asked(row, protocol);
        let fits = match (self.mode, row.reuse) {
            (_, Reuse::Open) => true,
            (Mode::Miss, _) => asked <= 1,
            (Mode::Hit, Reuse::Shared | Reuse::SharedWhenWhole) | (Mode::Joined, Reuse::Shared) => asked == 1,
            (Mode::Joined, Reuse::SharedWhenWhole | Reuse::NeverWhenWhole) => asked <= 2,
            (Mode::Hit | Mode::Joined, Reuse::Never) | (Mode::Hit, Reuse::NeverWhenWhole) => asked == 2,
        };
        if !fits {
            wrong.push(format!("the origin was asked {asked} times ({:?})", row.reuse));
        }
        let shared = matches!(row.reuse, Reuse::Shared | Reuse::SharedWhenWhole);
        if self.mode == Mode::Hit && shared && response.status < 400 {
            let status = response.field("cache-status").unwrap_or("none");
            if !status.contains("; hit") {
                wrong.push(format!("no hit by Cache-Status: {status}"));
            }
        }
        wrong
    }

    fn asked(&self, row: &Row, protocol: Protocol) -> usize {
        let host = self.host(protocol);
        let mut paths = vec![path(&row.request), path(&row.warm)];
        paths.dedup();
        // Any spelling of the host counts: the row may vary it.
        let same = |asked: &str| asked.to_ascii_lowercase().starts_with(&host);
        paths.iter().map(|path| self.origin.requests(path).iter().filter(|asked| same(asked.host())).count()).sum()
    }

    async fn ask(&self, row: &Row, protocol: Protocol) -> anyhow::Result<Response> {
        let exchange = self.exchange(row, protocol);
        let client = &self.clients[&protocol];
        match self.mode {
            Mode::Miss | Mode::Hit => within(row.name, client.request(exchange.request)).await,
            Mode::Joined => within(row.name, join(client, exchange)).await,
        }
    }

    /// Prepares the origin for the row, and what it is asked.
    fn exchange(&self, row: &Row, protocol: Protocol) -> Exchange {
        let host = self.host(protocol);
        let gate = format!("{host} {}", row.name);
        let stop = Stop::of(&row.script);
        let script = match self.mode {
            Mode::Joined => stop.add_to(row.script.clone(), &gate),
            Mode::Miss | Mode::Hit => row.script.clone(),
        };
        let authority = authority(&row.request.authority, &host);
        for path in [path(&row.warm), path(&row.request)] {
            self.origin.on_host(&host, path, script.clone());
            self.origin.on_host(&authority, path, script.clone());
        }
        Exchange {
            warm: row.warm.clone().authority(&host),
            request: row.request.clone().authority(&authority),
            gate: self.origin.gate(&gate),
            stop,
        }
    }

    /// Each protocol and mode has a host, and thus a part of the cache, of its own.
    fn host(&self, protocol: Protocol) -> String {
        let mode = format!("{:?}", self.mode).to_ascii_lowercase();
        format!("{}-{mode}.{HOST}", protocol.label())
    }
}

/// A row as it is asked over one protocol.
struct Exchange {
    warm: Request,
    request: Request,
    gate: Gate,
    stop: Stop,
}

/// The first request starts the fill, the second comes while the origin waits; then the origin goes on.
async fn join(client: &Client, exchange: Exchange) -> anyhow::Result<Response> {
    let Exchange { warm, request, gate, stop } = exchange;
    let begun = tokio::sync::Notify::new();
    let first = async {
        let mut streaming = client.open(warm).await?;
        // A body may be without a byte, as that of a 304: then there is nothing more to wait for.
        let _some = streaming.read_at_least(1).await;
        begun.notify_one();
        streaming.finish().await
    };
    let second = async {
        gate.reached().await;
        if stop == Stop::MidBody {
            begun.notified().await;
        }
        let opening = client.open(request);
        let mut opening = std::pin::pin!(opening);
        let early = tokio::time::timeout(HEAD_GRACE, opening.as_mut()).await;
        gate.open();
        let streaming = match early {
            Ok(streaming) => streaming?,
            Err(_) => opening.await?,
        };
        streaming.finish().await
    };
    let (first, second) = tokio::join!(first, second);
    first?;
    second
}

/// Where the origin waits until the second request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    BeforeHead,
    MidBody,
}

impl Stop {
    fn of(script: &Script) -> Self {
        match &script.body {
            Body::Pattern { size, .. } if *size > 1 && script.steps.is_empty() => Self::MidBody,
            _ => Self::BeforeHead,
        }
    }

    fn add_to(self, script: Script, gate: &str) -> Script {
        match (self, &script.body) {
            (Self::MidBody, Body::Pattern { size, .. }) => {
                let half = size / 2;
                script.pausing_after(half, gate)
            }
            _ => script.before(Step::Gate(gate.to_owned())),
        }
    }
}

fn path(request: &Request) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

/// The row's spelling of the host, in which `{host}` and `{HOST}` stand for the host of protocol and mode.
fn authority(pattern: &str, host: &str) -> String {
    if pattern.is_empty() {
        return host.to_owned();
    }
    pattern.replace("{host}", host).replace("{HOST}", &host.to_ascii_uppercase())
}

/// Fields that may differ between protocols: they belong to the connection or to the moment.
/// - `date`, `x-request-id`: each response has its own;
/// - `alt-svc`: for clients that do not speak HTTP/3 yet;
/// - `connection`, `keep-alive`, `transfer-encoding`: exist in HTTP/1.1 alone.
const IGNORED: [&str; 6] = ["date", "x-request-id", "alt-svc", "connection", "keep-alive", "transfer-encoding"];

fn differences(row: &Row, one: &Response, other: &Response) -> Vec<String> {
    let mut differences = Vec::new();
    if one.status != other.status {
        differences.push(format!("status {} and {}", one.status, other.status));
    }
    let (first, second) = (comparable(row, one), comparable(row, other));
    for (name, value) in first.iter().filter(|field| !second.contains(field)) {
        differences.push(format!("only the first has {name}: {value}"));
    }
    for (name, value) in second.iter().filter(|field| !first.contains(field)) {
        differences.push(format!("only the second has {name}: {value}"));
    }
    if even_body(one) != even_body(other) {
        differences.push(format!("bodies of {} and {} bytes differ", one.body.len(), other.body.len()));
    }
    if one.trailers != other.trailers {
        differences.push(format!("trailers {:?} and {:?}", one.trailers, other.trailers));
    }
    differences
}

/// Fields without those that may differ; what counts seconds or is random is made equal first.
fn comparable(row: &Row, response: &Response) -> Vec<(String, String)> {
    let differs_by_moment = |name: &str| match name {
        // Where the origin told no length, the edge tells it once it knows.
        "content-length" => row.script.framing != Framing::Length,
        // Where reuse is open, so is what is said of it.
        "cache-status" | "age" => matches!(row.reuse, Reuse::Open),
        _ => IGNORED.contains(&name),
    };
    let fields = response.fields.iter().filter(|(name, _)| !differs_by_moment(name));
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.clone(), even_value(name, value))).collect();
    fields.sort();
    fields
}

fn even_value(name: &str, value: &str) -> String {
    match name {
        "age" => "seconds".to_owned(),
        // Without its numbers of seconds, and without the detail, which tells who came first.
        "cache-status" | "server-timing" => {
            let told = value.split("; detail=").next().unwrap_or_default();
            told.chars().filter(|character| !character.is_ascii_digit()).collect()
        }
        "content-type" if value.starts_with("multipart/byteranges") => "multipart/byteranges".to_owned(),
        _ => {
            let labels = Protocol::SECURE.map(|protocol| format!("{}-", protocol.label()));
            labels.iter().fold(value.to_owned(), |value, label| value.replace(label.as_str(), "hN-"))
        }
    }
}

/// The body with what is random made equal: the boundary of a multipart answer, the request's id in the edge's own
/// answers.
fn even_body(response: &Response) -> Vec<u8> {
    let kind = response.field("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").map(|boundary| boundary.trim_matches('"'));
    let random = boundary.or(if response.body.len() < 200 { response.field("x-request-id") } else { None });
    match random {
        Some(random) => String::from_utf8_lossy(&response.body).replace(random, "RANDOM").into_bytes(),
        None => response.body.to_vec(),
    }
}
