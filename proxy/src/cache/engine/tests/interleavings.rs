//! Random interleavings: fills, ranges, revalidations, expiries, invalidations, leaving clients, dying origins and new
//! versions. Every body that a client gets equals one version that the origin had, or is visibly cut.

use std::collections::VecDeque;

use super::*;

/// Histories that are played. One is named by its seed, and plays the same each time.
const HISTORIES: u64 = 150;

/// Clients of one history.
const CLIENTS: usize = 40;

/// How long a history goes on; time is not waited for but told.
const LENGTH: u64 = 4_000;

/// Numbers from a seed (xorshift, Marsaglia 2003).
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            chance.next();
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// The bytes of a version; some are beyond what is stored.
fn content(version: u64) -> Vec<u8> {
    let size = 200 + version.wrapping_mul(977) % (2 * MAX_OBJECT as u64);
    (0..size).map(|place| (version * 31 + place * 7 + (place >> 8)) as u8).collect()
}

/// How a version is described.
fn description(version: u64) -> Vec<String> {
    const LIFETIMES: [&str; 7] = [
        "max-age=60",
        "max-age=60",
        "max-age=0",
        "max-age=1, stale-while-revalidate=600",
        "max-age=1, stale-if-error=600",
        "no-store",
        "private",
    ];
    let lifetime = LIFETIMES[usize::try_from(version % 7).unwrap()];
    let weak = if version % 11 == 5 { "W/" } else { "" };
    vec![
        format!("cache-control: {lifetime}"),
        format!("etag: {weak}\"{version}\""),
        format!("x-version: {version}"),
        "age: 10".to_owned(),
    ]
}

/// The origin: one object in versions, and bad habits.
struct Living {
    version: Arc<AtomicUsize>,
    chance: Mutex<Chance>,
    /// Requests for the rest of a version that is gone.
    outdated: AtomicUsize,
}

enum Word {
    Pause(u64),
    Say(FetchEvent),
    /// It has the next version from now on.
    Renew(Arc<AtomicUsize>),
    Fail,
}

impl Living {
    /// What it says to this request, in words and pauses.
    fn answer(&self, request: &HeaderMap) -> VecDeque<Word> {
        let mut chance = self.chance.lock();
        let version = self.version.load(Ordering::SeqCst) as u64;
        let mut words = VecDeque::from([Word::Pause(chance.below(40))]);
        match chance.below(40) {
            0 => words.push_back(Word::Fail),
            1 => words.extend([Word::Say(head(503, &["cache-control: no-store"])), Word::Say(FetchEvent::End)]),
            2 => words.extend([Word::Pause(20_000), Word::Fail]),
            _ => self.describe(version, request, &mut chance, &mut words),
        }
        words
    }

    fn describe(&self, version: u64, request: &HeaderMap, chance: &mut Chance, words: &mut VecDeque<Word>) {
        let (body, mut lines) = (content(version), description(version));
        let etag = lines[1].strip_prefix("etag: ").unwrap().to_owned();
        let text = |name: &str| request.get(name).map(|value| value.to_str().unwrap());
        let owned = |lines: &[String]| lines.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n");
        if text("if-none-match").is_some_and(|tags| tags.contains(etag.trim_start_matches("W/"))) {
            let lines = owned(&lines);
            words.extend([Word::Say(head(304, &lines.lines().collect::<Vec<_>>())), Word::Say(FetchEvent::End)]);
            return;
        }
        let range = text("range").filter(|_| text("if-range") == Some(&*etag));
        if text("if-range").is_some() && range.is_none() {
            self.outdated.fetch_add(1, Ordering::SeqCst);
        }
        let start = range.map(|range| range[6..].trim_end_matches('-').parse::<usize>().unwrap());
        let whole_rest = body.len() - start.unwrap_or(0);
        let length = if start.is_some() && chance.percent(10) { whole_rest.div_ceil(2) } else { whole_rest };
        let from = start.unwrap_or(0);
        if start.is_some() {
            lines.push(format!("content-range: bytes {from}-{}/{}", from + length - 1, body.len()));
        }
        if chance.percent(90) {
            lines.push(format!("content-length: {length}"));
        }
        let lines = owned(&lines);
        let status = if start.is_some() { 206 } else { 200 };
        words.push_back(Word::Say(head(status, &lines.lines().collect::<Vec<_>>())));
        let breaks = if chance.percent(35) { Some(chance.below(length as u64) as usize) } else { None };
        let end = breaks.unwrap_or(length);
        let mut sent = 0;
        while sent < end {
            let piece = (1 + chance.below(1500) as usize).min(end - sent);
            let bytes = Bytes::copy_from_slice(&body[from + sent..from + sent + piece]);
            words.extend([Word::Pause(chance.below(60)), Word::Say(FetchEvent::Body(bytes))]);
            sent += piece;
        }
        if breaks.is_some() && chance.percent(25) {
            words.push_back(Word::Renew(Arc::clone(&self.version)));
        }
        match breaks {
            // An early end is one only where a length tells.
            Some(_) if lines.contains("content-length") && chance.percent(30) => {
                words.push_back(Word::Say(FetchEvent::End))
            }
            Some(_) => words.push_back(Word::Fail),
            None => words.push_back(Word::Say(FetchEvent::End)),
        }
    }
}

fn head(status: u16, lines: &[&str]) -> FetchEvent {
    let mut fields = fields(lines);
    fields.insert("content-type", HeaderValue::from_static("video/x-test"));
    let status = StatusCode::from_u16(status).unwrap();
    FetchEvent::Head { status, fields, end: false, close_delimited: false, origin: None }
}

impl FetchStream for VecDeque<Word> {
    fn next(&mut self) -> BoxFuture<'_, Result<FetchEvent, FetchError>> {
        Box::pin(async {
            loop {
                match self.front() {
                    Some(Word::Pause(time)) => tokio::time::sleep(Duration::from_millis(*time)).await,
                    Some(Word::Renew(version)) => {
                        version.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => break,
                }
                self.pop_front();
            }
            match self.pop_front() {
                Some(Word::Say(event)) => Ok(event),
                _ => Err(FetchError::bad_gateway("it died")),
            }
        })
    }
}

impl Fetcher<TestRequest> for Living {
    fn fetch(&self, request: TestRequest) -> Box<dyn FetchStream> {
        Box::new(self.answer(&request.fields))
    }
}

/// What clients of all histories came to.
#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    parts: usize,
    cut: usize,
    left: usize,
    elsewhere: usize,
    resumed: usize,
    outdated: usize,
}

/// One client: asks for the whole or a part, reads at its own pace, may leave, and compares.
async fn client(engine: Arc<CacheEngine<TestRequest>>, mut chance: Chance, tally: Arc<Mutex<Tally>>) {
    tokio::time::sleep(Duration::from_millis(chance.below(LENGTH))).await;
    let part = chance.percent(30).then(|| (chance.below(9000), chance.below(3000)));
    let line = part.map(|(start, length)| format!("range: bytes={start}-{}", start + length));
    let asked = fields(&line.as_deref().into_iter().collect::<Vec<_>>());
    let policy = Arc::new(CachePolicy::plain(CachePolicyName::parse("tested").unwrap()));
    let (key, facts) = (key("/a"), RequestFacts::new(&Method::GET, &asked));
    let lookup = Lookup { key: &key, facts: &facts, fields: &asked, policy: &policy, path: "/a", may_fill: true };
    let answer =
        tokio::time::timeout(Duration::from_secs(120), engine.answer(&lookup, || TestRequest::new(HeaderMap::new())));
    let Answer::Object { object, mut reader, .. } = answer.await.expect("nobody waits for ever") else {
        tally.lock().elsewhere += 1;
        return;
    };
    if object.meta.status != StatusCode::OK {
        tally.lock().elsewhere += 1;
        return;
    }
    let version = object.meta.headers["x-version"].to_str().unwrap().parse().unwrap();
    let expected = content(version);
    let (mut position, mut end) = (0, expected.len() as u64);
    if let Some((start, length)) = part {
        let known = match object.meta.body_length.or_else(|| object.body.length()) {
            Some(known) => Some(known),
            None => match reader.length_when_complete().await {
                Ok(known) => known,
                Err(_) => return tally.lock().cut += 1,
            },
        };
        if let Some(known) = known.filter(|known| start < *known && !object.body.is_windowed()) {
            assert_eq!(known, expected.len() as u64, "the length of version {version}");
            (position, end) = (start, known.min(start + length + 1));
            reader.move_to(position);
        }
    }
    let whole = (position, end) == (0, expected.len() as u64);
    let leaves_at = chance.percent(20).then(|| position + chance.below(end - position));
    loop {
        if leaves_at.is_some_and(|place| position >= place) {
            return tally.lock().left += 1;
        }
        if position == end && !whole {
            return tally.lock().parts += 1;
        }
        match reader.next(1 + usize::try_from(chance.below(2000).min(end - position)).unwrap()).await {
            Ok(Some(bytes)) => {
                let place = usize::try_from(position).unwrap();
                let right = expected.get(place..place + bytes.len());
                assert!(right == Some(&bytes[..]), "bytes behind {position} of version {version}");
                position = (position + bytes.len() as u64).min(end);
            }
            Ok(None) => {
                assert_eq!(position, end, "a clean end of version {version}");
                return tally.lock().whole += 1;
            }
            Err(_) => return tally.lock().cut += 1,
        }
        if chance.percent(30) {
            let pause = if chance.percent(3) { 7_000 } else { chance.below(80) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// The world changes: versions come, and what is stored is invalidated.
async fn changes(engine: Arc<CacheEngine<TestRequest>>, origin: Arc<Living>, mut chance: Chance) {
    for _ in 0..chance.below(12) {
        tokio::time::sleep(Duration::from_millis(chance.below(LENGTH / 4))).await;
        if chance.percent(70) {
            origin.version.fetch_add(1, Ordering::SeqCst);
        } else {
            engine.invalidate(&key("/a"));
        }
    }
}

async fn play(seed: u64, tally: &Arc<Mutex<Tally>>) {
    let mut chance = Chance::new(seed);
    let bounds = Bounds { capacity: 1 << 20, max_object: MAX_OBJECT as u64, window: 1000, fills: 16 };
    let engine = CacheEngine::within(bounds, Handle::current(), Metrics::new("test"));
    let version = Arc::new(AtomicUsize::new(usize::try_from(chance.below(100)).unwrap()));
    let origin = Arc::new(Living { version, chance: Mutex::new(Chance::new(chance.next())), outdated: 0.into() });
    engine.set_fetcher(Arc::clone(&origin) as Arc<dyn Fetcher<TestRequest>>);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(changes(Arc::clone(&engine), Arc::clone(&origin), Chance::new(chance.next())));
    for _ in 0..CLIENTS {
        tasks.spawn(client(Arc::clone(&engine), Chance::new(chance.next()), Arc::clone(tally)));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(panic) = ended {
            panic!("history {seed}: {panic}");
        }
    }
    let idle = async {
        while engine.budget.in_use().0 > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), idle)
        .await
        .unwrap_or_else(|_| panic!("history {seed}: a fill stays"));
    assert_eq!((engine.budget.in_use(), engine.fills.len()), ((0, 0), 0), "history {seed}: something is left");
    let line = r#"tidegate_fill_resumes_total{outcome="resumed"} "#;
    let text = engine.metrics.render();
    let resumed = text.lines().find_map(|found| found.strip_prefix(line)).map_or(0, |count| count.parse().unwrap());
    let mut tally = tally.lock();
    tally.resumed += resumed;
    tally.outdated += origin.outdated.load(Ordering::SeqCst);
}

#[test]
fn every_body_is_one_version_whole_or_visibly_cut() {
    let tally = Arc::new(Mutex::new(Tally::default()));
    for seed in 0..HISTORIES {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(seed, &tally));
    }
    let tally = tally.lock();
    // Everything has come about, so that all of it was checked.
    let least = tally.whole.min(tally.parts).min(tally.cut).min(tally.left).min(tally.resumed).min(tally.outdated);
    assert!(least > 50, "{tally:?}");
    assert!(tally.whole > tally.cut, "{tally:?}");
}
