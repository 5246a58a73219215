//! Objects in slices: what they cost the origin, and that nothing of two versions is ever served as one.

mod broken;
mod disk;
mod paced;
mod random;
mod seeking;
mod versions;
mod virtual_origin;

use tidegate_config::model::SliceRules;
use tidegate_config::units::ByteSize;

use super::*;
use virtual_origin::{Habit, VirtualOrigin, content};

/// Bytes of a slice, and the threshold: four of them.
const SLICE: u64 = 1000;
const THRESHOLD: u64 = 4 * SLICE;

/// A large object.
const TOTAL: u64 = 100 * SLICE + 500;

/// An engine that stores in slices, between scripted clients and an origin with one object of many versions.
struct SliceRig {
    engine: Arc<CacheEngine<TestRequest>>,
    origin: Arc<VirtualOrigin>,
    policy: Arc<CachePolicy>,
}

impl SliceRig {
    fn new(total: u64) -> Self {
        Self::with(total, SLICE, THRESHOLD, 4 << 20)
    }

    fn with(total: u64, slice: u64, threshold: u64, capacity: u64) -> Self {
        let bounds = Bounds { capacity, max_object: capacity / 2, window: WINDOW, fills: 16 };
        let origin = Arc::new(VirtualOrigin::new(total));
        let engine = CacheEngine::within(bounds, Handle::current(), Metrics::new("test"));
        engine.set_fetcher(Arc::clone(&origin) as Arc<dyn Fetcher<TestRequest>>);
        let mut policy = CachePolicy::plain(CachePolicyName::parse("tested").unwrap());
        let mut rules = SliceRules::default();
        (rules.size, rules.threshold) = (ByteSize(slice), ByteSize(threshold));
        policy.slices = Some(rules);
        Self { engine, origin, policy: Arc::new(policy) }
    }

    async fn ask_with(&self, lines: &[&str]) -> Answer {
        self.ask_as(&Method::GET, lines, true).await
    }

    async fn ask_as(&self, method: &Method, lines: &[&str], may_fill: bool) -> Answer {
        self.ask_for("/film", method, lines, may_fill).await
    }

    async fn ask_for(&self, path: &str, method: &Method, lines: &[&str], may_fill: bool) -> Answer {
        let (key, fields) = (key(path), fields(lines));
        let facts = RequestFacts::new(method, &fields);
        let policy = &self.policy;
        let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path, may_fill };
        let mut whole = fields.clone();
        whole.remove("range");
        whole.remove("if-range");
        soon("the answer", self.engine.answer(&lookup, || TestRequest::new(whole.clone()))).await
    }

    fn fetch_ahead(&self, range: Option<&str>) -> Ahead {
        let line = range.map(|range| format!("range: {range}"));
        let (key, fields) = (key("/film"), fields(&line.iter().map(String::as_str).collect::<Vec<_>>()));
        let facts = RequestFacts::new(&Method::GET, &fields);
        let (policy, path) = (&self.policy, "/film");
        let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path, may_fill: true };
        self.engine.fetch_ahead(&lookup, || TestRequest::new(HeaderMap::new()))
    }

    /// Reads a range as a client gets it: `first-last`, `first-` or `-length`.
    async fn read(&self, range: &str) -> Vec<u8> {
        let line = format!("range: bytes={range}");
        let got = self.ask_with(&[&line]).await.object();
        soon("the part", part_of(got, range)).await.expect("the part whole")
    }

    /// All of it.
    async fn read_all(&self) -> Vec<u8> {
        soon("the body", whole_of(self.ask_with(&[]).await.object())).await.expect("the body whole")
    }

    /// What the origin was asked for since the last time: the Range of each request, `-` where it had none.
    fn asked(&self) -> Vec<String> {
        self.origin.take_requests()
    }

    async fn idle(&self) {
        let ended = async {
            while self.engine.budget.in_use().0 > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("the end of all runs", ended).await;
        assert_eq!(self.engine.budget.in_use(), (0, 0), "fills and reserved bytes");
        assert_eq!(self.engine.metrics.fills().in_flight(), 0);
    }

    fn stored(&self) -> Option<Arc<Object>> {
        self.engine.memory.find(&key("/film"), &HeaderMap::new()).object
    }
}

/// What `serve_object` does with a range.
async fn part_of(got: Got, range: &str) -> Result<Vec<u8>, BodyError> {
    let total = got.object.meta.body_length.or_else(|| got.object.body.length()).expect("a known length");
    let (first, last) = range.split_once('-').expect("a range");
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, total.min(last + 1)),
        (Ok(first), Err(_)) => (first, total),
        (Err(_), last) => (total.saturating_sub(last.unwrap()), total),
    };
    stretch_of(got, start, end).await
}

async fn whole_of(got: Got) -> Result<Vec<u8>, BodyError> {
    let end = got.object.meta.body_length.expect("a known length");
    stretch_of(got, 0, end).await
}

async fn stretch_of(mut got: Got, start: u64, end: u64) -> Result<Vec<u8>, BodyError> {
    got.reader.move_to(start);
    got.reader.read_until(end);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < end - start {
        let left = usize::try_from(end - start).unwrap() - bytes.len();
        let Some(piece) = got.reader.next(left.min(700)).await? else { return Err(BodyError::Truncated) };
        assert!(piece.len() <= left.min(700), "more than asked for");
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
