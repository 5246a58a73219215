//! What makes the key of a request, as a policy says it: who shares an entry, who never does, and what origins are sent.

use std::net::SocketAddr;

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Recorded, Script};
use tidegate_tests::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Requests go over these in turn: a key is the same on all of them.
const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// An edge with this `key` in its policy, whose origin answers `/a` for a minute.
async fn keyed(key: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(100));
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(&format!("key: {key}"))).await;
    (edge, origin)
}

/// Sends these requests one after the other, over one protocol after the other; all must be answered with 200.
async fn send(edge: &Edge, requests: Vec<Request>) -> Vec<Response> {
    let mut responses = Vec::new();
    for (number, request) in requests.into_iter().enumerate() {
        let client = edge.client(PROTOCOLS[number % PROTOCOLS.len()]).await;
        let what = format!("{request:?}");
        let response = within("an answer", client.request(request)).await.unwrap();
        assert_eq!(response.status, 200, "{what}");
        responses.push(response);
    }
    responses
}

fn get_all(targets: &[&str]) -> Vec<Request> {
    targets.iter().map(|target| Request::get(target)).collect()
}

fn targets(origin: &Origin, path: &str) -> Vec<String> {
    origin.requests(path).iter().map(|request| request.target.clone()).collect()
}

#[tokio::test]
async fn arguments_that_do_not_count_share_an_entry_and_never_reach_the_origin() {
    let (edge, origin) = keyed("{query: {except: [utm_*, session]}}").await;
    let same = ["/a?v=1&utm_source=x", "/a?v=1", "/a?utm_x=2&v=1&session=s", "/a?u%74m_y&v=1&&", "/a?v=1&CMCD=bl%3D5"];
    send(&edge, get_all(&same)).await;
    assert_eq!(targets(&origin, "/a"), ["/a?v=1"]);
    send(&edge, get_all(&["/a?v=2", "/a?v=1&w", "/a?v=1;utm_x=1", "/a?utm_only", "/a"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a?v=1", "/a?v=2", "/a?v=1&w", "/a?v=1;utm_x=1", "/a"]);
}

#[tokio::test]
async fn only_the_named_arguments_count_in_any_order_and_duplicates_keep_theirs() {
    let (edge, origin) = keyed("{query: {only: [v, w]}, sort_query: true}").await;
    send(&edge, get_all(&["/a?w=2&v=1", "/a?v=1&x=9&w=2", "/a?w=2&v=1&=3"])).await;
    send(&edge, get_all(&["/a?v=1&v=2", "/a?v=2&v=1", "/a?v", "/a?v=", "/a?V=1", "/a?x"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a?v=1&w=2", "/a?v=1&v=2", "/a?v=2&v=1", "/a?v", "/a?v=", "/a"]);
}

#[tokio::test]
async fn distinct_queries_cost_an_origin_one_request_where_none_counts() {
    let (edge, origin) = keyed("{query: drop}").await;
    let client = edge.client(Protocol::Http2).await;
    for number in 0..500 {
        let response = within("an answer", client.get(&format!("/a?{number}={number}"))).await.unwrap();
        assert_eq!(response.status, 200);
    }
    assert_eq!(targets(&origin, "/a"), ["/a"]);
}

#[tokio::test]
async fn what_players_say_of_themselves_is_no_part_of_a_key_by_default() {
    let (edge, origin) = keyed("{}").await;
    let mut requests = get_all(&["/a?CMCD=bl%3D1000", "/a?CMCD=bl%3D2000", "/a"]);
    requests.push(Request::get("/a").field("cmcd-request", "bl=3000"));
    send(&edge, requests).await;
    assert_eq!(targets(&origin, "/a"), ["/a"]);
    send(&edge, get_all(&["/a?", "/a?b&&a=2&a=1", "/a?a=1&a=2&b"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a", "/a?", "/a?b&&a=2&a=1", "/a?a=1&a=2&b"], "the rest counts as sent");
}

#[tokio::test]
async fn aliases_of_a_site_share_what_is_stored() {
    let (edge, origin) = keyed(&format!("{{host: {HOST}}}")).await;
    let hosts = [HOST.to_owned(), format!("a.{HOST}"), format!("b.{HOST}")];
    send(&edge, hosts.iter().map(|host| Request::get("/a").authority(host)).collect()).await;
    assert_eq!(origin.requests("/a").len(), 1);
    let (edge, origin) = keyed("{}").await;
    send(&edge, hosts.iter().map(|host| Request::get("/a").authority(host)).collect()).await;
    assert_eq!(origin.requests("/a").len(), 3, "without a host in the key each has its own");
}

#[tokio::test]
async fn whichever_alias_asks_first_the_origin_is_asked_for_the_host_of_the_key() {
    for first in [format!("b.{HOST}"), format!("b.{HOST}:8443"), HOST.to_owned()] {
        let (edge, origin) = keyed(&format!("{{host: a.{HOST}}}")).await;
        let client = edge.client(Protocol::PlainHttp1).await;
        let response = within("an answer", client.request(Request::get("/a").authority(&first))).await.unwrap();
        assert_eq!(response.status, 200, "{first}");
        let requests = origin.requests("/a");
        let host = format!("a.{HOST}");
        assert_eq!(requests[0].field("host"), Some(&host[..]), "{first}");
        assert_eq!(requests[0].field("x-forwarded-host"), Some(&host[..]), "{first}");
        assert_eq!(requests[0].field("forwarded"), Some(&format!("proto=http;host={host}")[..]), "{first}");
    }
}

#[tokio::test]
async fn pool_that_names_its_host_is_asked_for_that_one() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(100));
    let config = EdgeConfig::to(&origin)
        .policy_yaml(&format!("key: {{host: a.{HOST}}}"))
        .pool_yaml("host: { fixed: store.test }");
    let edge = Edge::start(&config).await;
    send(&edge, vec![Request::get("/a").authority(&format!("b.{HOST}"))]).await;
    let requests = origin.requests("/a");
    assert_eq!(requests[0].field("host"), Some("store.test"));
    assert_eq!(requests[0].field("x-forwarded-host"), Some(&format!("a.{HOST}")[..]), "as for every alias");
}

fn fields_of<'r>(requests: &'r [Recorded], name: &str) -> Vec<Option<&'r str>> {
    requests.iter().map(|request| request.field(name)).collect()
}

#[tokio::test]
async fn fields_of_the_key_tell_requests_apart() {
    let (edge, origin) = keyed("{headers: [X-Tier]}").await;
    let tier = |value: &str| Request::get("/a").field("x-tier", value).field("x-other", value);
    send(&edge, vec![tier("gold"), tier("gold"), tier("silver"), Request::get("/a"), tier("gold"), tier("")]).await;
    let requests = origin.requests("/a");
    assert_eq!(fields_of(&requests, "x-tier"), [Some("gold"), Some("silver"), None, Some("")]);
}

#[tokio::test]
async fn fill_sends_no_cookie_but_those_of_its_key() {
    let (edge, origin) = keyed("{cookies: [group]}").await;
    let with = |cookies: &str| Request::get("/a").field("cookie", cookies);
    send(&edge, vec![with("id=mallory; group=b"), with("group=b; id=alice"), with("group=b")]).await;
    send(&edge, vec![with("id=mallory"), Request::get("/a"), with("group=c; group=d")]).await;
    let requests = origin.requests("/a");
    assert_eq!(fields_of(&requests, "cookie"), [Some("group=b"), None, Some("group=c; group=d")]);
}

#[tokio::test]
async fn response_that_varies_by_cookie_is_found_by_the_cookies_of_the_key() {
    let (edge, origin) = keyed("{cookies: [group]}").await;
    origin.on("/a", Script::cacheable(100).field("vary", "Cookie"));
    let with = |cookies: &str| Request::get("/a").field("cookie", cookies);
    send(&edge, vec![with("id=1; group=b"), with("group=b; id=2"), with("id=3; group=b"), with("id=3")]).await;
    assert_eq!(fields_of(&origin.requests("/a"), "cookie"), [Some("group=b"), None]);
}

const PLACES: &str = "
    kind: geo
    name: loopback
    overrides:
      - {networks: [127.0.1.0/24], country: DE, continent: EU}
      - {networks: [127.0.2.0/24], country: US, continent: NA}
    ";

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";

/// Sends a request from this address of the machine, which claims to be elsewhere and something else.
async fn get_from(source: &str, edge: SocketAddr, agent: &str) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    let stream = socket.connect(edge).await.unwrap();
    let claims = format!("user-agent: {agent}\r\ntidegate-country: XX\r\ntidegate-device: fridge\r\n");
    get_as_written(stream, &format!("{claims}connection: close\r\n")).await;
}

/// Sends a GET with these lines, as they are, after which the connection ends.
async fn get_as_written(mut stream: TcpStream, lines: &str) {
    let request = format!("GET /a HTTP/1.1\r\nhost: {HOST}\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

/// One after the other, each with lines of its own, over HTTP/1.1.
async fn send_as_written(edge: &Edge, requests: &[&str]) {
    for lines in requests {
        let stream = TcpStream::connect(edge.target(Protocol::PlainHttp1).address).await.unwrap();
        within("an answer", get_as_written(stream, lines)).await;
    }
}

#[tokio::test]
async fn country_and_device_are_parts_of_the_key_and_told_to_the_origin() {
    let origin = Origin::start().await;
    // What the origin is told is a part of the key already.
    origin.on("/a", Script::cacheable(100).field("vary", "Tidegate-Country, Tidegate-Device"));
    let config = EdgeConfig::to(&origin).extra_documents(PLACES).policy_yaml("key: {country: true, device: true}");
    let edge = Edge::start(&config).await;
    let address = edge.target(Protocol::PlainHttp1).address;
    for (source, agent) in [
        ("127.0.1.1", "curl/8"),
        ("127.0.1.2", "wget/1"),
        ("127.0.2.1", "curl/8"),
        ("127.0.1.1", PHONE),
        ("127.0.1.3", PHONE),
        ("127.0.3.1", "curl/8"),
        ("127.0.3.2", "curl/8"),
    ] {
        within("an answer", get_from(source, address, agent)).await;
    }
    let requests = origin.requests("/a");
    assert_eq!(fields_of(&requests, "tidegate-country"), [Some("DE"), Some("US"), Some("DE"), None]);
    let desktop = Some("desktop");
    assert_eq!(fields_of(&requests, "tidegate-device"), [desktop, desktop, Some("phone"), desktop]);
}

#[tokio::test]
async fn origin_is_told_nothing_that_a_client_claims_of_its_country_or_device() {
    let origin = Origin::start().await;
    origin.on("/a", Script::status(200).text("own").field("cache-control", "no-store"));
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let claiming = || Request::get("/a").field("tidegate-country", "XX").field("tidegate-device", "fridge");
    // The first is a fill, the others pass.
    send(&edge, vec![claiming(), claiming(), claiming()]).await;
    for request in origin.requests("/a") {
        assert_eq!((request.field("tidegate-country"), request.field("tidegate-device")), (None, None));
    }
}

#[tokio::test]
async fn field_that_ends_at_this_hop_makes_no_key() {
    let (edge, origin) = keyed("{headers: [X-Tier]}").await;
    let hidden = "x-tier: gold\r\nconnection: close, X-Tier\r\n";
    send_as_written(&edge, &[hidden, "x-tier: gold\r\nconnection: close\r\n", "connection: close\r\n", hidden]).await;
    let requests = origin.requests("/a");
    assert_eq!(fields_of(&requests, "x-tier"), [None, Some("gold")], "what the origin never saw tells nobody apart");
}

#[tokio::test]
async fn hint_that_ends_at_this_hop_tells_no_device() {
    let (edge, origin) = keyed("{device: true}").await;
    let agent = "user-agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0\r\nsec-ch-ua-mobile: ?1\r\n";
    let hidden = format!("{agent}connection: close, Sec-CH-UA-Mobile\r\n");
    let phone = format!("{agent}connection: close\r\n");
    send_as_written(&edge, &[&hidden, &phone, "user-agent: curl/8\r\nconnection: close\r\n"]).await;
    let requests = origin.requests("/a");
    assert_eq!(fields_of(&requests, "tidegate-device"), [Some("desktop"), Some("phone")]);
}

#[tokio::test]
async fn head_whose_field_ends_at_this_hop_says_nothing_of_the_variant_that_it_hides() {
    let (edge, origin) = keyed("{}").await;
    origin.on("/a", Script::cacheable(100).field("vary", "X-Tier").field("etag", "\"gold\""));
    let gold = "x-tier: gold\r\nconnection: close\r\n";
    send_as_written(&edge, &[gold]).await;
    origin.on("/a", Script::cacheable(100).field("vary", "X-Tier").field("etag", "\"default\""));
    let mut stream = TcpStream::connect(edge.target(Protocol::PlainHttp1).address).await.unwrap();
    let head = format!("HEAD /a HTTP/1.1\r\nhost: {HOST}\r\nx-tier: gold\r\nconnection: close, X-Tier\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    within("an answer", stream.read_to_end(&mut Vec::new())).await.unwrap();
    send_as_written(&edge, &[gold]).await;
    let asked: Vec<String> = origin.requests("/a").iter().map(|request| request.method.to_string()).collect();
    assert_eq!(asked, ["GET", "HEAD"], "what is stored for gold is as good as before");
}

#[tokio::test]
async fn queries_that_the_origin_calls_the_same_share_its_response() {
    let (edge, origin) = keyed("{}").await;
    let script = Script::cacheable(100).field("no-vary-search", "params=(\"utm\"), key-order");
    origin.on("/a", script);
    send(&edge, get_all(&["/a?v=1&utm=1", "/a?utm=2&v=1", "/a?v=1", "/a?%76=1&utm"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a?v=1&utm=1"]);
    send(&edge, get_all(&["/a?v=2&utm=1", "/a?v=2"])).await;
    assert_eq!(targets(&origin, "/a")[1..], ["/a?v=2&utm=1"]);
}

#[tokio::test]
async fn response_without_the_field_is_for_its_very_own_query() {
    let (edge, origin) = keyed("{}").await;
    origin.on("/a", Script::cacheable(100).field("no-vary-search", "params=(\"utm\")"));
    send(&edge, get_all(&["/a?v=1&utm=1"])).await;
    origin.on("/a", Script::cacheable(100));
    send(&edge, get_all(&["/a?v=2&utm=1", "/a?v=2&utm=2", "/a?v=2&utm=1"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a?v=1&utm=1", "/a?v=2&utm=1", "/a?v=2&utm=2"]);
}

#[tokio::test]
async fn policy_can_leave_no_vary_search_alone() {
    let (edge, origin) = keyed("{no_vary_search: false}").await;
    origin.on("/a", Script::cacheable(100).field("no-vary-search", "params"));
    send(&edge, get_all(&["/a?1", "/a?2", "/a?1"])).await;
    assert_eq!(targets(&origin, "/a"), ["/a?1", "/a?2"]);
}

#[tokio::test]
async fn change_at_the_origin_reaches_every_key_of_the_target() {
    let checks = [
        ("{query: {except: [utm]}}", vec![Request::get("/a?v&utm=1")]),
        ("{host: alias.example}", vec![Request::get("/a?v")]),
        ("{headers: [x-tier]}", vec![Request::get("/a?v").field("x-tier", "gold"), Request::get("/a?v")]),
        ("{cookies: [id]}", vec![Request::get("/a?v").field("cookie", "id=1"), Request::get("/a?v")]),
        ("{device: true}", vec![Request::get("/a?v").field("user-agent", PHONE), Request::get("/a?v")]),
        ("{}", vec![Request::get("/a?v&nvs=1"), Request::get("/a?nvs=2&v")]),
    ];
    for (key, requests) in checks {
        let (edge, origin) = keyed(key).await;
        if key == "{}" {
            origin.on("/a", Script::cacheable(100).field("no-vary-search", "params=(\"nvs\")"));
        }
        send(&edge, requests.clone()).await;
        send(&edge, requests.clone()).await;
        let before = origin.requests("/a").len();
        assert!(before <= requests.len(), "{key}: all are stored");
        send(&edge, vec![Request::new("POST", "/a?v").body("change")]).await;
        send(&edge, requests.clone()).await;
        assert_eq!(origin.requests("/a").len(), 2 * before + 1, "{key}: all are fetched again");
    }
}

#[tokio::test]
async fn directives_of_low_latency_players_count_where_no_argument_does() {
    let origin = Origin::start().await;
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n";
    let script = Script::status(200).text(playlist).field("content-type", "application/vnd.apple.mpegurl");
    origin.on("/live.m3u8", script.clone().field("cache-control", "max-age=60"));
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml("key: {query: drop}")).await;
    let wanted = ["/live.m3u8?_HLS_msn=1&_HLS_part=0&x=1", "/live.m3u8?_HLS_msn=1&_HLS_part=1", "/live.m3u8?y"];
    send(&edge, get_all(&wanted)).await;
    let found = targets(&origin, "/live.m3u8");
    assert_eq!(found, ["/live.m3u8?_HLS_msn=1&_HLS_part=0", "/live.m3u8?_HLS_msn=1&_HLS_part=1", "/live.m3u8"]);
}
