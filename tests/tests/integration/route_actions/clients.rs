//! Routes that take the requests of some clients only, and what the cache keeps apart for them.

use tidegate_tests::client::Request;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::Origin;

use super::{ALL, ask, is_hit, pool, stored};

const PLACES: &str = "
    kind: geo
    name: places
    overrides:
      - {networks: [192.0.2.0/24], country: DE, continent: EU, asn: 64496}
      - {networks: [198.51.100.0/24], country: US, continent: NA}
";

const GERMAN: &str = "192.0.2.1";
const AMERICAN: &str = "198.51.100.1";
const UNKNOWN: &str = "203.0.113.1";

fn from(client: &str) -> Request {
    Request::get("/a").field("x-forwarded-for", client)
}

async fn edge(conditions: &str) -> (Edge, Origin, Origin) {
    let (everyone, some) = (Origin::start().await, Origin::start().await);
    everyone.on("/a", stored("everyone"));
    some.on("/a", stored("some"));
    let route = format!(
        "- name: some\n  path: /*\n  methods: [GET, HEAD]\n  clients: {conditions}\n  origin_pool: some\n  cache_policy: tested"
    );
    let config = EdgeConfig::to(&everyone)
        .node_yaml("trusted_proxies: [127.0.0.0/8]")
        .routes_yaml(&route)
        .extra_documents(PLACES)
        .extra_documents(&pool("some", &some));
    (Edge::start(&config).await, everyone, some)
}

#[tokio::test]
async fn clients_of_different_places_never_share_a_stored_object() {
    for conditions in ["{countries: [DE]}", "{continents: [EU]}", "{asns: [64496]}"] {
        let (edge, everyone, some) = edge(conditions).await;
        for protocol in ALL {
            for round in 0..3 {
                edge.until_fills_end().await;
                for (client, expected) in [(GERMAN, "some"), (AMERICAN, "everyone"), (UNKNOWN, "everyone")] {
                    let answer = ask(&edge, protocol, from(client)).await;
                    assert_eq!(answer.text(), expected, "{conditions} {protocol:?} {client} {round}");
                    assert!(round == 0 || is_hit(&answer), "{conditions} {protocol:?} {client} {round}");
                }
            }
        }
        // Once for each scheme.
        assert_eq!((everyone.requests("/a").len(), some.requests("/a").len()), (2, 2), "{conditions}");
    }
}

#[tokio::test]
async fn change_by_one_client_ends_what_is_stored_for_all() {
    let (edge, everyone, some) = edge("{countries: [DE]}").await;
    let gets = |origin: &Origin| origin.requests("/a").iter().filter(|request| request.method == "GET").count();
    for protocol in ALL {
        for client in [GERMAN, AMERICAN] {
            ask(&edge, protocol, from(client)).await;
        }
        edge.until_fills_end().await;
        let before = (gets(&everyone), gets(&some));
        let change = Request::new("PUT", "/a").field("x-forwarded-for", AMERICAN).body("new");
        assert_eq!(ask(&edge, protocol, change).await.status, 200);
        for client in [GERMAN, AMERICAN] {
            assert!(!is_hit(&ask(&edge, protocol, from(client)).await), "{protocol:?} {client}");
        }
        assert_eq!((gets(&everyone), gets(&some)), (before.0 + 1, before.1 + 1), "{protocol:?}");
    }
}
