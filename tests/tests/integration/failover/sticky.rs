//! Pools that tie requests to an origin by a key: always the same one, and as few moves as can be.

use std::collections::BTreeMap;

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{OriginProcess, Script};
use tidegate_tests::within;

const KEYS: usize = 30;
const NAMES: [&str; 3] = ["first", "second", "third"];

/// How a key is told in a request.
#[derive(Debug, Clone, Copy)]
enum Told {
    Header,
    Cookie,
    /// By the path of what is fetched for the cache.
    Path,
}

impl Told {
    const fn sticky(self) -> &'static str {
        match self {
            Self::Header => "sticky: {header: x-session}",
            Self::Cookie => "sticky: {cookie: id}",
            Self::Path => "sticky: path",
        }
    }

    fn request(self, key: usize) -> Request {
        match self {
            // What passes, whatever its path.
            Self::Header => Request::new("DELETE", &format!("/d{}", key % 3)).field("x-session", &format!("k{key}")),
            Self::Cookie => Request::new("DELETE", "/d0").field("cookie", &format!("a=b; id=k{key}; c=d")),
            Self::Path => Request::get(&format!("/k{key}")),
        }
    }
}

fn scripts(name: &str) -> BTreeMap<String, Script> {
    let passing = (0..3).map(|number| (format!("/d{number}"), Script::status(200).text(name)));
    let fetched = (0..KEYS).map(|key| {
        // Stale at once, so that each request is a fetch of the cache.
        (format!("/k{key}"), Script::status(200).text(name).field("cache-control", "max-age=0"))
    });
    passing.chain(fetched).collect()
}

/// Which origin answers for each key.
async fn owners(client: &Client, told: Told) -> Vec<String> {
    let mut owners = Vec::new();
    for key in 0..KEYS {
        let answer = within("an answer", client.request(told.request(key))).await.unwrap();
        assert_eq!(answer.status, 200, "{told:?} {key}");
        owners.push(answer.text());
    }
    owners
}

#[tokio::test]
async fn a_key_keeps_its_origin_and_only_those_of_a_dead_one_move() {
    for told in [Told::Header, Told::Cookie, Told::Path] {
        let mut processes = NAMES.map(|name| OriginProcess::start(&scripts(name)));
        let entries = processes.iter().zip(NAMES).map(|(it, name)| OriginEntry::new("eu", &it.url()).named(name));
        let config = EdgeConfig::with_origins(entries.collect())
            .pool_yaml("health: {probe: tcp, interval: 200ms, rise: 1, slow_start: 0s}")
            .pool_yaml(told.sticky());
        let edge = Edge::start(&config).await;
        let client = edge.client(Protocol::Http2).await;
        let before = owners(&client, told).await;
        assert_eq!(owners(&client, told).await, before, "{told:?}: the same again");
        assert!(NAMES.iter().all(|name| before.iter().any(|owner| owner == name)), "{told:?}: {before:?}");
        let others = edge.client(Protocol::Http3).await;
        assert_eq!(owners(&others, told).await, before, "{told:?}: over any connection");

        let address = processes[1].address();
        processes[1].kill();
        let meanwhile = owners(&client, told).await;
        for (was, is) in before.iter().zip(&meanwhile) {
            assert!(if was == "second" { is != "second" } else { is == was }, "{told:?}: {was} became {is}");
        }
        processes[1] = OriginProcess::start_at(address, &scripts("second"));
        let back = async { while owners(&client, told).await != before {} };
        within("everyone to be back", back).await;
    }
}
