//! A node that is killed while it fills and writes: whatever it serves afterwards is a version that its origin had, whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_tests::client::{Client, End};
use tidegate_tests::pattern::Pattern;

use super::*;

/// Kills in a usual run; `TIDEGATE_SOAK_ROUNDS` says how many there are in a long one.
const ROUNDS: u64 = 6;

/// Paths and lengths: in one record, in parts, in slices, and one that varies.
const OBJECTS: [(&str, u64); 6] = [
    ("/k/tiny", 10),
    ("/k/small", 70_000),
    ("/k/varying", 30_000),
    ("/k/parts", 3 * MIB + 11),
    ("/k/film", 11 * MIB + 3),
    ("/k/other-film", 9 * MIB),
];

/// Clients that ask at the same time.
const CLIENTS: u64 = 4;

/// The latest version of each.
type Versions = Arc<[AtomicU64; OBJECTS.len()]>;

/// A small generator of numbers, so that a run can be done again (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Gives the origin the next version of an object.
fn publish(origin: &Origin, versions: &Versions, number: usize) {
    let (path, size) = OBJECTS[number];
    let version = versions[number].load(Ordering::SeqCst) + 1;
    let script = Script::status(200).pattern(version, size).field("cache-control", "max-age=600");
    let script = script.field("etag", &format!("\"v{version}\"")).field("vary", "accept-language").resource();
    // Before anybody may have it.
    versions[number].store(version, Ordering::SeqCst);
    origin.on(path, script);
}

/// All bytes are those of the version that it says it is, which the origin had.
fn verify(response: &Response, number: usize, versions: &Versions, when: &str) {
    let (path, size) = OBJECTS[number];
    assert_eq!((response.status, &response.end), (200, &End::Clean), "{path} {when}");
    let etag = response.field("etag").unwrap_or_default().trim_matches(['"', 'v']);
    let version: u64 = etag.parse().unwrap_or_else(|_| panic!("{path} {when}: entity tag {etag:?}"));
    assert!((1..=versions[number].load(Ordering::SeqCst)).contains(&version), "{path} {when}: version {version}");
    assert_eq!(response.body.len() as u64, size, "{path} {when}");
    assert_eq!(Pattern::new(version).check(0, &response.body), Ok(()), "{path} {when}: no bytes of version {version}");
}

/// A whole answer. One that is in slices of which some are missing, and whose origin has another version by now, is cut when
/// that is found out; who asks again gets the other version.
async fn whole(client: &Client, request: &Request) -> Response {
    let mut response = within("an answer", client.request(request.clone())).await.unwrap();
    for _ in 0..2 {
        if response.end == End::Clean {
            break;
        }
        response = within("an answer", client.request(request.clone())).await.unwrap();
    }
    response
}

/// Asks for one thing after another, half of the time for a new one, until the node is gone.
async fn ask_until_killed(client: Client, origin: Arc<Origin>, versions: Versions, mut chance: Chance) {
    loop {
        let number = usize::try_from(chance.below(OBJECTS.len() as u64)).unwrap();
        let mut request = Request::get(OBJECTS[number].0).field("accept-language", ["de", "fr"][number % 2]);
        if chance.below(2) == 0 {
            publish(&origin, &versions, number);
            request = request.field("cache-control", "no-cache");
        }
        let Ok(Ok(response)) = tokio::time::timeout(Duration::from_secs(20), client.request(request)).await else {
            return;
        };
        // The rest of one that was under way when its version changed does not come.
        if response.end == End::Clean && response.status == 200 {
            verify(&response, number, &versions, "before the kill");
        }
    }
}

#[tokio::test]
async fn node_that_is_killed_while_it_fills_serves_what_its_origin_had() {
    let rounds = std::env::var("TIDEGATE_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let origin = Arc::new(Origin::start().await);
    let versions: Versions = Arc::default();
    (0..OBJECTS.len()).for_each(|number| publish(&origin, &versions, number));
    // Little memory, so that what is asked for comes from disk; some rounds fill the devices, and segments are used again.
    let mut config = EdgeConfig::to(&origin).on_disks(&["one", "two"], "64MiB");
    config.cache.push("capacity: 16MiB".to_owned());
    let mut edge = Edge::start(&config).await;
    edge.until_disks_work().await;
    let (mut chance, mut hits) = (Chance(7), 0);
    for round in 0..rounds {
        let mut asking = Vec::new();
        for number in 0..CLIENTS {
            let client = edge.client(if number % 2 == 0 { Protocol::PlainHttp1 } else { Protocol::Http2 }).await;
            let chance = Chance(round * CLIENTS + number);
            asking.push(tokio::spawn(ask_until_killed(client, Arc::clone(&origin), Arc::clone(&versions), chance)));
        }
        tokio::time::sleep(Duration::from_millis(50 + chance.below(900))).await;
        edge.kill_and_restart().await;
        if round % 3 == 2 {
            // Again, while it reads what is there and warms its memory.
            edge.kill_and_restart().await;
        }
        for task in asking {
            within("clients of the killed node", task).await.unwrap();
        }
        for (number, (path, _)) in OBJECTS.iter().enumerate() {
            let language = ["de", "fr"][number % 2];
            let request = Request::get(path).field("accept-language", language);
            for protocol in [Protocol::PlainHttp1, Protocol::Http2] {
                let client = edge.client(protocol).await;
                let response = whole(&client, &request).await;
                verify(&response, number, &versions, &format!("after kill {round} over {protocol:?}"));
                hits += u64::from(response.field("cache-status").unwrap().contains("detail=disk"));
            }
        }
    }
    assert!(hits >= rounds, "{hits} hits from disk: nothing was shown");
}
