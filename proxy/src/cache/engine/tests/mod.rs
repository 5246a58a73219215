//! Behaviour of the engine with an origin whose every word the test says.

mod ahead;
mod broken;
mod coalescing;
mod devices;
mod disk;
mod disk_clock;
mod disk_long;
mod disk_purged;
mod heads;
mod held;
mod interim;
mod interleavings;
mod large;
mod limits;
mod model;
mod private;
mod purging;
mod resuming;
mod revalidation;
mod slices;
mod stale;
mod unread;
mod variants;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use tidegate_config::ids::{CachePolicyName, OriginName};
use tidegate_config::model::{CachePolicy, MediaDefaults};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::answering::MAX_HOPS;
use super::*;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::decide::FetchReason;
use crate::cache::rules::request_facts::RequestFacts;
use crate::telemetry::Metrics;

/// Largest stored object in these tests.
const MAX_OBJECT: usize = 4096;

/// The window of what is not stored.
const WINDOW: usize = 256 * 1024;

/// Bounds what can hang: nothing here waits for time to pass.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

#[derive(Clone)]
struct TestRequest {
    fields: HeaderMap,
    listener: Option<Arc<dyn InterimListener>>,
}

impl TestRequest {
    fn new(fields: HeaderMap) -> Self {
        Self { fields, listener: None }
    }
}

impl FetchRequest for TestRequest {
    fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    fn hold(&self) -> Option<Hold> {
        let hold = Hold { why: HeldBack::Reload, timeout: PATIENCE, target: None };
        self.fields.contains_key("x-held").then_some(hold)
    }

    fn with_fields(&self, fields: HeaderMap) -> Self {
        Self { fields, ..self.clone() }
    }

    fn heard_by(&self, listener: Arc<dyn InterimListener>) -> Self {
        Self { listener: Some(listener), ..self.clone() }
    }
}

type Word = Box<dyn FnOnce() -> Result<FetchEvent, FetchError> + Send>;

/// One request as the origin sees it. Dropped, the connection breaks off.
struct Exchange {
    request: HeaderMap,
    listener: Option<Arc<dyn InterimListener>>,
    words: mpsc::UnboundedSender<Word>,
}

impl Exchange {
    fn say(&self, event: FetchEvent) {
        self.words.send(Box::new(|| Ok(event))).unwrap_or_else(|_| panic!("the fill listens no more"));
    }

    fn interim(&self, status: u16, lines: &[&str]) {
        let listener = self.listener.as_ref().expect("somebody to hear it");
        listener.hear(StatusCode::from_u16(status).unwrap(), fields(lines));
    }

    fn head(&self, status: u16, lines: &[&str]) {
        self.head_framed(status, lines, false);
    }

    fn head_framed(&self, status: u16, lines: &[&str], close_delimited: bool) {
        let mut fields = fields(lines);
        fields.entry("content-type").or_insert(HeaderValue::from_static("video/x-test"));
        let status = StatusCode::from_u16(status).unwrap();
        let origin = Some(OriginName::parse("scripted").unwrap());
        self.say(FetchEvent::Head { status, fields, end: false, close_delimited, origin });
    }

    fn body(&self, bytes: impl Into<Bytes>) {
        self.say(FetchEvent::Body(bytes.into()));
    }

    fn end(self) {
        self.say(FetchEvent::End);
    }

    /// A whole response.
    fn answer(self, status: u16, lines: &[&str], body: &'static str) {
        self.head(status, lines);
        self.body(body);
        self.end();
    }

    fn fail(self) {
        let error = FetchError { status: StatusCode::GATEWAY_TIMEOUT, reason: "scripted".to_owned() };
        self.words.send(Box::new(|| Err(error))).unwrap_or_else(|_| panic!("the fill listens no more"));
    }

    fn panic(self) {
        self.words.send(Box::new(|| panic!("scripted"))).unwrap_or_else(|_| panic!("the fill listens no more"));
    }

    /// Waits until the fill wants no more.
    async fn hung_up(&self) {
        soon("hanging up", self.words.closed()).await;
    }
}

/// What the test says. Whoever asks on after the end waits for ever, as nothing more is promised.
struct Words {
    heard: mpsc::UnboundedReceiver<Word>,
    ended: bool,
}

impl FetchStream for Words {
    fn next(&mut self) -> BoxFuture<'_, Result<FetchEvent, FetchError>> {
        Box::pin(async {
            if self.ended {
                std::future::pending::<()>().await;
            }
            match self.heard.recv().await {
                Some(word) => {
                    let event = word();
                    self.ended = matches!(event, Ok(FetchEvent::End));
                    event
                }
                None => Err(FetchError::bad_gateway("the connection broke off")),
            }
        })
    }
}

/// The fetcher: hands every request to the test.
struct Origin {
    asked: mpsc::UnboundedSender<Exchange>,
    fetches: AtomicUsize,
}

impl Fetcher<TestRequest> for Origin {
    fn fetch(&self, request: TestRequest) -> Box<dyn FetchStream> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let (words, heard) = mpsc::unbounded_channel();
        assert!(
            self.asked.send(Exchange { request: request.fields, listener: request.listener, words }).is_ok(),
            "the test listens"
        );
        Box::new(Words { heard, ended: false })
    }
}

fn fields(lines: &[&str]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a field line");
        fields.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    fields
}

/// A client's request.
#[derive(Clone)]
struct Ask {
    method: Method,
    path: &'static str,
    fields: HeaderMap,
}

fn get(path: &'static str) -> Ask {
    Ask { method: Method::GET, path, fields: HeaderMap::new() }
}

fn get_with(path: &'static str, lines: &[&str]) -> Ask {
    Ask { fields: fields(lines), ..get(path) }
}

fn head(path: &'static str) -> Ask {
    Ask { method: Method::HEAD, ..get(path) }
}

/// Interim responses that a client was told.
type Told = Arc<Mutex<Vec<InterimHead>>>;

type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An engine between scripted clients and a scripted origin.
struct Rig {
    engine: Arc<CacheEngine<TestRequest>>,
    origin: Arc<Origin>,
    asked: Mutex<mpsc::UnboundedReceiver<Exchange>>,
    policy: Arc<CachePolicy>,
}

impl Rig {
    fn new() -> Self {
        Self::with(16, 1 << 20)
    }

    fn with(fills: usize, capacity: u64) -> Self {
        Self::on(Handle::current(), fills, capacity)
    }

    fn on(runtime: Handle, fills: usize, capacity: u64) -> Self {
        Self::bounded(Bounds { capacity, max_object: MAX_OBJECT as u64, window: WINDOW, fills }, runtime)
    }

    fn bounded(bounds: Bounds, runtime: Handle) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let origin = Arc::new(Origin { asked: sender, fetches: AtomicUsize::new(0) });
        let engine = CacheEngine::within(bounds, runtime, Metrics::new("test"));
        engine.set_fetcher(Arc::clone(&origin) as Arc<dyn Fetcher<TestRequest>>);
        let policy = Arc::new(CachePolicy::plain(CachePolicyName::parse("tested").unwrap()));
        Self { engine, origin, asked: Mutex::new(asked), policy }
    }

    fn for_media(mut self) -> Self {
        Arc::make_mut(&mut self.policy).media = Some(MediaDefaults::default());
        self
    }

    /// A request that has not begun.
    fn asking(&self, ask: Ask) -> Asking {
        self.telling(ask, Hearing::of_none(), Told::default())
    }

    /// The same of a client that knows interim responses; and what it has been told.
    fn listening(&self, ask: Ask) -> (Asking, Told) {
        let told = Told::default();
        let mut asking = self.telling(ask, Hearing::of_all(), Arc::clone(&told));
        assert!(asking.as_mut().now_or_never().is_none(), "it is answered already");
        (asking, told)
    }

    fn telling(&self, ask: Ask, mut hearing: Hearing, told: Told) -> Asking {
        let (engine, policy) = (Arc::clone(&self.engine), Arc::clone(&self.policy));
        Box::pin(async move {
            let key = key(ask.path);
            let facts = RequestFacts::new(&ask.method, &ask.fields);
            let lookup = Lookup {
                key: &key,
                facts: &facts,
                fields: &ask.fields,
                policy: &policy,
                path: ask.path,
                may_fill: true,
            };
            // As the pipeline does: a fill asks for the whole.
            let mut whole = ask.fields.clone();
            whole.remove("range");
            let make = || TestRequest::new(whole.clone());
            loop {
                match engine.go_on(&lookup, &make, &mut hearing).await {
                    ControlFlow::Break(answer) => return answer,
                    ControlFlow::Continue(heads) => told.lock().extend(heads),
                }
            }
        })
    }

    /// A request that waits for a fill already.
    fn waiting(&self, ask: Ask) -> Asking {
        let mut asking = self.asking(ask);
        assert!(asking.as_mut().now_or_never().is_none(), "it is answered already");
        asking
    }

    async fn ask(&self, ask: Ask) -> Answer {
        soon("the answer", self.asking(ask)).await
    }

    /// The next request that the origin gets.
    async fn accept(&self) -> Exchange {
        let next = std::future::poll_fn(|context| self.asked.lock().poll_recv(context));
        soon("a request to the origin", next).await.expect("the engine lives")
    }

    fn fetches(&self) -> usize {
        self.origin.fetches.load(Ordering::SeqCst)
    }

    /// Waits until no fill runs, and shows that none left anything behind.
    async fn idle(&self) {
        let ended = async {
            while self.engine.budget.in_use().0 > 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("the end of all fills", ended).await;
        assert_eq!(self.engine.budget.in_use(), (0, 0), "fills and reserved bytes");
        assert_eq!(self.engine.fills.len(), 0, "entries of fills in flight");
        assert_eq!(self.engine.metrics.fills().in_flight(), 0);
    }

    fn stored(&self, path: &str, lines: &[&str]) -> Option<Arc<Object>> {
        self.engine.memory.find(&key(path), &fields(lines)).object
    }

    /// Fetches and stores a response.
    async fn store(&self, ask: Ask, lines: &[&str], body: &'static str) {
        let asking = self.waiting(ask);
        self.accept().await.answer(200, lines, body);
        assert_eq!(soon("the answer", asking).await.object().text().await, Ok(body.to_owned()));
        self.idle().await;
    }
}

fn key(path: &str) -> CacheKey {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    CacheKey::new(Scheme::Http, "media.test", path, query.map(str::as_bytes))
}

/// An object that a client reads.
struct Got {
    object: Arc<Object>,
    reader: Reader,
    outcome: Outcome,
}

impl Answer {
    fn object(self) -> Got {
        match self {
            Self::Object { object, reader, outcome } => Got { object, reader, outcome },
            other => panic!("no object but {}", other.describe()),
        }
    }

    fn passage(self) -> Passage {
        match self {
            Self::Pass(passage) => passage,
            other => panic!("no passage but {}", other.describe()),
        }
    }

    fn failure(self) -> FetchError {
        match self {
            Self::Failed(error) => error,
            other => panic!("no failure but {}", other.describe()),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Object { outcome, .. } => format!("{outcome:?}"),
            Self::Pass(passage) => format!("{passage:?}"),
            Self::GatewayTimeout => "504".to_owned(),
            Self::Failed(error) => error.to_string(),
        }
    }
}

impl Got {
    async fn read(&mut self) -> Result<Option<Bytes>, BodyError> {
        soon("the next piece", self.reader.next(usize::MAX)).await
    }

    /// The rest of the body.
    async fn text(mut self) -> Result<String, BodyError> {
        let mut text = Vec::new();
        while let Some(bytes) = self.read().await? {
            text.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8(text).expect("text"))
    }
}
