//! Generated requests, each answered on the short way and on the long one: alike.

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

/// Requests that are sent both ways over each protocol.
const GENERATED: u64 = 180;

/// What makes a request take the long way without changing its answer: a precondition that never holds.
const LONG_WAY: (&str, &str) = ("if-none-match", "\"never\"");

/// Fields that differ from answer to answer, or whose value does: the clock may tick between two of them.
const CHANGING: [&str; 4] = ["age", "x-request-id", "connection", "keep-alive"];

/// Routes that do all that may be done to a hit: for some clients only, divided, rewritten, with changed fields; and
/// beside them what is never one although objects are stored under its URL: redirects, maintenance, pages of errors.
fn acting(config: EdgeConfig, origin: &Origin) -> EdgeConfig {
    const FIELDS: &str = "
        cors: {origins: ['https://player.test'], credentials: true}
        response_fields:
          remove: [x-tidegate-edge, link]
          set: [{name: x-seen, value: '${scheme} ${path}${query} ${client.country}'}]
          add: [{name: vary, value: Origin}, {name: server-timing, value: more}]
    ";
    const BESIDE: &str = "
        - {name: moved, path: /plain, clients: {countries: [US]}, redirect: {location: '/lists?${client.country}'}}
        - {name: shut, path: /*, clients: {asns: [64496]}, maintenance: true}
        - name: rewritten
          path: /old/*
          rewrite: {prefix: /}
          request_fields: {set: [{name: x-sent, value: '${edge}'}]}
          origin_pool: origins
          cache_policy: tested
        - {name: switched, path: /switched/*, rewrite: {prefix: /}, origin_pool: origins, cache_policy: tested}
    ";
    const PLACES: &str = "
        kind: geo
        name: places
        overrides:
          - {networks: [203.0.113.0/24], country: DE}
          - {networks: [198.51.100.0/24], country: US}
          - {networks: [192.0.2.0/24], asn: 64496}
    ";
    let url = origin.url();
    config
        .node_yaml("trusted_proxies: [127.0.0.0/8]")
        .routes_yaml(
            "- {name: some, path: /*, clients: {countries: [DE]}, origin_pool: other, cache_policy: tested, \
             response_fields: {set: [{name: x-some, value: '${client.address}'}]}}",
        )
        .routes_yaml(BESIDE)
        .site_yaml("error_pages: [{statuses: [404, 503], content: 'page ${status}', replace_origin: true}]")
        .route_yaml(FIELDS)
        .route_yaml("split: {by: {cookie: session}, parts: [{share: 50%, origin_pool: other}]}")
        .extra_documents(&format!("kind: origin_pool\nname: other\norigins: [{{name: o, url: \"{url}\", region: eu}}]"))
        .extra_documents(PLACES)
}

#[tokio::test]
async fn short_and_long_way_answer_generated_requests_alike() {
    let origin = Origin::start().await;
    both_ways_answer_alike(&origin, &EdgeConfig::to(&origin)).await;
}

#[tokio::test]
async fn short_and_long_way_answer_alike_by_routes_that_act() {
    let origin = Origin::start().await;
    both_ways_answer_alike(&origin, &acting(EdgeConfig::to(&origin), &origin)).await;
}

#[tokio::test]
async fn short_and_long_way_answer_alike_to_a_trusted_proxy() {
    let origin = Origin::start().await;
    both_ways_answer_alike(&origin, &EdgeConfig::to(&origin).node_yaml("trusted_proxies: [127.0.0.0/8]")).await;
}

#[tokio::test]
async fn short_and_long_way_answer_alike_by_keys_with_parts() {
    let origin = Origin::start().await;
    let key = "key: {host: media.example, query: {except: [b]}, sort_query: true, headers: [accept-language], cookies: \
               [session], country: true, device: true}";
    both_ways_answer_alike(&origin, &EdgeConfig::to(&origin).policy_yaml(key)).await;
}

async fn both_ways_answer_alike(origin: &Origin, config: &EdgeConfig) {
    let paths = generated_objects(origin);
    let edge = Edge::start(config).await;
    let switch =
        r#"{"site": "media", "action": "bypass_cache", "routes": ["switched"], "for": "1h", "reason": "test"}"#;
    let has_acting_routes = !config.routes.is_empty();
    if has_acting_routes {
        let order = Request::new("POST", "/kill-switches").field("content-type", "application/json").body(switch);
        let answer = edge.admin_request(order).await;
        assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    }
    let mut statuses = std::collections::BTreeSet::new();
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for seed in 0..GENERATED {
            let request = generated_request(&paths, seed);
            // Twice the long way, so that the variant is stored before the two that are compared. A client may have
            // its last byte a moment before the fill has ended.
            let long = request.clone().field(LONG_WAY.0, LONG_WAY.1);
            within("the first answer", client.request(long.clone())).await.unwrap();
            edge.until_fills_end().await;
            let expected = within("the long way", client.request(long)).await.unwrap();
            // The second time the fields are known over HTTP/1.1.
            for time in ["once", "twice"] {
                let found = within("the short way", client.request(request.clone())).await.unwrap();
                let told = format!("{} seed {seed} {time}", protocol.label());
                assert_eq!(found.status, expected.status, "{told}");
                assert_eq!(comparable(&found.fields), comparable(&expected.fields), "{told}");
                assert_eq!((without_id(&found), &found.end), (without_id(&expected), &expected.end), "{told}");
                statuses.insert(found.status);
            }
        }
    }
    let expected: &[u16] = if has_acting_routes { &[200, 308, 404, 503] } else { &[200, 404] };
    assert!(expected.iter().all(|status| statuses.contains(status)), "only {statuses:?} were ever answered");
    // The comparison is worth nothing if nothing was ever a hit.
    let hits = edge.metric("tidegate_requests_total", &["cache=\"hit\""]).await;
    assert!(hits > 8.0 * GENERATED as f64, "only {hits} hits");
}

/// The body; where it names its request, without that name.
fn without_id(response: &Response) -> Vec<u8> {
    match (response.field("x-request-id"), std::str::from_utf8(&response.body)) {
        (Some(id), Ok(text)) => text.replace(id, "").into_bytes(),
        _ => response.body.to_vec(),
    }
}

/// Stored objects of all shapes that the short way may meet.
fn generated_objects(origin: &Origin) -> Vec<&'static str> {
    let shapes = [
        ("/plain", Script::cacheable(1000).field("no-vary-search", "params=(\"a\")")),
        // Twice as often as others: routes treat it apart.
        ("/plain", Script::cacheable(1000)),
        (
            "/tagged",
            Script::cacheable(20_000).field("etag", "\"v1\"").field("last-modified", "Sat, 01 Aug 2026 10:00:00 GMT"),
        ),
        ("/varies", Script::cacheable(300).field("vary", "Accept-Language, Accept-Encoding")),
        ("/lists", Script::cacheable(10).field("link", "</a>; rel=preload").field("link", "</b>; rel=preload")),
        (
            "/upstream",
            Script::cacheable(500)
                .field("age", "7")
                .field("cache-status", "shield; hit")
                .field("server-timing", "a;dur=1"),
        ),
        ("/empty", Script::cacheable(0)),
        ("/large", Script::cacheable(700_000)),
        (
            "/list",
            Script::status(200)
                .text(&"#EXTM3U\n#EXTINF:4,\nsegment.m4s\n".repeat(50))
                .field("cache-control", "max-age=60")
                .field("content-type", "application/vnd.apple.mpegurl")
                .field("etag", "\"v1\"")
                .field("access-control-allow-origin", "*"),
        ),
        (
            "/audio",
            // From a clock that is ahead, so that it is young and its Date is nobody else's.
            Script::cacheable(3000)
                .field("date", "Fri, 01 Jan 2100 00:00:00 GMT")
                .field("content-type", "audio/mp4")
                .field("cmsd-dynamic", "n=\"shield\""),
        ),
        ("/missing", Script::status(404).field("cache-control", "max-age=600").text("not here")),
        (
            "/trailing",
            Script::cacheable(400).field("connection", "x-hop").field("x-hop", "gone").field("set-cookie", "a=b"),
        ),
    ];
    shapes
        .into_iter()
        .map(|(path, script)| {
            origin.on(path, script);
            path
        })
        .collect()
}

/// A request made of parts that a seed chooses.
fn generated_request(paths: &[&str], seed: u64) -> Request {
    const QUERIES: [&str; 4] = ["", "?a=1", "?", "?b=%2F&a=%41"];
    const SPELLINGS: [&str; 8] = ["", "", "", "", "", "/.", "/old", "/switched"];
    const FIELDS: [(&str, &str); 28] = [
        ("accept-language", "de"),
        ("accept-language", "en, de;q=0.5"),
        ("accept-encoding", "gzip, br"),
        ("accept-encoding", ""),
        ("cookie", "session=1"),
        ("cache-control", "max-age=1000000"),
        ("cache-control", "no-transform, x=\"a,b\""),
        ("pragma", "unknown"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "nonsense"),
        ("x-forwarded-for", "203.0.113.9"),
        ("cookie", "session=2; other=3"),
        ("cookie", "session="),
        ("accept", "text/html"),
        ("accept", "application/json"),
        ("forwarded", "for=203.0.113.9;proto=http"),
        ("x-forwarded-proto", "http"),
        ("via", "1.1 before"),
        ("cdn-loop", "other, tidegate;node=another"),
        ("user-agent", "player/1.0 (test; \u{fc})"),
        ("if-range", "\"v1\""),
        ("te", "trailers"),
        ("accept-encoding", "zstd;q=0.1, gzip"),
        ("accept-encoding", "br"),
        ("origin", "https://player.test"),
        ("cmcd-request", "su,bl=1000,rtp=100000"),
        ("cmcd-object", "ot=a"),
        ("priority", "u=5"),
    ];
    // In no country, in two, and in a network of its own.
    const CLIENTS: [&str; 4] = ["127.0.0.9", "203.0.113.9", "198.51.100.9", "192.0.2.9"];
    let mut random = seed;
    let mut draw = |count: usize| {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % count as u64).unwrap()
    };
    let path = paths[draw(paths.len())];
    let target = format!("{}{path}{}", SPELLINGS[draw(SPELLINGS.len())], QUERIES[draw(QUERIES.len())]);
    let mut request = Request::get(&target);
    if draw(2) == 0 {
        request = request.field("x-forwarded-for", CLIENTS[draw(CLIENTS.len())]);
    }
    for _ in 0..draw(5) {
        let (name, value) = FIELDS[draw(FIELDS.len())];
        request = request.field(name, value);
    }
    request
}

/// Fields that must be the same, in an order of their own; of `Cache-Status` not how many seconds are left. Date is that of
/// what is stored; what this node says by itself has the time at which it does.
fn comparable(fields: &[(String, String)]) -> Vec<(String, String)> {
    let stored = fields.iter().any(|(name, _)| name == "age");
    let changes = |name: &str| CHANGING.contains(&name) || (name == "date" && !stored);
    let constant = fields.iter().filter(|(name, _)| !changes(name));
    let mut fields: Vec<_> = constant
        .map(|(name, value)| {
            let value = match name.as_str() {
                // Why something cannot be shared is remembered for a while only, which may end between the two.
                "cache-status" => {
                    value.split("; ttl=").next().and_then(|it| it.split("; detail=").next()).unwrap_or(value)
                }
                // What a connection knows of its way changes.
                "cmsd-dynamic" => value.split(";etp=").next().unwrap_or(value),
                _ => value,
            };
            (name.clone(), value.to_owned())
        })
        .collect();
    fields.sort();
    fields
}
