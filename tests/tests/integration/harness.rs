//! The scripted origin itself, asked without an edge: a test that trusts a liar must know how it lies.

use tidegate_tests::client::{Client, End, Protocol, Request, Response, ServerIdentity, Target, TlsVersions, Trust};
use tidegate_tests::origin::{Body, Framing, Origin, OriginProcess, Outcome, Script, Step};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::within;

async fn client(address: std::net::SocketAddr) -> Client {
    let target = Target {
        address,
        authority: "origin.test".to_owned(),
        identity: ServerIdentity::Address(address.ip()),
        trust: Trust::Anything,
        versions: TlsVersions::All,
        preamble: Vec::new(),
    };
    Client::connect(Protocol::PlainHttp1, target).await.unwrap()
}

async fn ask(script: Script, request: Request) -> Response {
    let origin = Origin::start().await;
    origin.on("/a", script);
    within("an answer", client(origin.address()).await.request(request)).await.unwrap()
}

#[tokio::test]
async fn origin_frames_bodies_in_three_ways() {
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let response = ask(Script::cacheable(100_000).framing(framing), Request::get("/a")).await;
        assert_eq!((response.status, &response.end), (200, &End::Clean), "{framing:?}");
        assert_eq!(Pattern::new(0).check(0, &response.body), Ok(()));
        assert_eq!(response.body.len(), 100_000);
    }
}

#[tokio::test]
async fn origin_cuts_bodies_so_that_clients_notice() {
    let cuts = [
        Script::cacheable(1000).framing(Framing::FalseLength(2000)),
        Script::cacheable(1000).then(Step::Send(500)).then(Step::Close),
        Script::cacheable(1000).then(Step::Send(500)).then(Step::Reset),
        Script::cacheable(1000).framing(Framing::Chunked).then(Step::Send(500)).then(Step::Close),
    ];
    for script in cuts {
        let response = ask(script.clone(), Request::get("/a")).await;
        assert!(matches!(response.end, End::Broken(_)), "{script:?}: {:?}", response.end);
    }
}

#[tokio::test]
async fn origin_obeys_conditions_and_ranges_when_asked_to() {
    let script = Script::cacheable(1000).field("etag", "\"v1\"").resource();
    let cases = [
        (Request::get("/a").field("if-none-match", "W/\"v1\""), 304, 0),
        (Request::get("/a").field("if-none-match", "\"v2\""), 200, 1000),
        (Request::get("/a").field("range", "bytes=10-19"), 206, 10),
        (Request::get("/a").field("range", "bytes=-20"), 206, 20),
        (Request::get("/a").field("range", "bytes=1000-"), 416, 0),
        (Request::get("/a").field("range", "bytes=0-9").field("if-range", "\"v2\""), 200, 1000),
        (Request::new("HEAD", "/a"), 200, 0),
    ];
    for (request, status, length) in cases {
        let response = ask(script.clone(), request.clone()).await;
        assert_eq!((response.status, response.body.len(), response.end), (status, length, End::Clean), "{request:?}");
    }
}

#[tokio::test]
async fn origin_sends_trailers_and_echoes_bodies() {
    let response = ask(Script::cacheable(10).trailer("x-sum", "7"), Request::get("/a")).await;
    assert_eq!(response.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let body = Pattern::new(1).bytes(0, 5_000_000);
    let request = Request::new("POST", "/a").body(body.clone());
    let response = ask(Script::status(200).body(Body::Echo), request).await;
    assert!(response.body == body);
}

#[tokio::test]
async fn origin_waits_at_gates_and_records_who_left() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000).pausing_after(600, "half"));
    let client = client(origin.address()).await;
    let mut first = within("a head", client.open(Request::get("/a"))).await.unwrap();
    first.read_at_least(600).await.unwrap();
    assert_eq!(first.received().len(), 600);
    origin.gate("half").reached().await;
    first.cancel();
    assert_eq!(origin.ended("/a", 1).await[0].outcome, Outcome::PeerLeft);
    origin.gate("half").open();
    assert_eq!(within("an answer", client.get("/a")).await.unwrap().body.len(), 1000);
    assert_eq!(origin.ended("/a", 2).await[1].outcome, Outcome::Written);
}

#[tokio::test]
async fn origin_in_a_process_of_its_own_can_be_killed_mid_body() {
    let script = Script::cacheable(1000).then(Step::Send(500)).then(Step::Hang);
    let mut origin = OriginProcess::start(&[("/a".to_owned(), script)].into());
    let client = client(origin.address()).await;
    let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
    reading.read_at_least(500).await.unwrap();
    origin.kill();
    let response = within("the end", reading.finish()).await.unwrap();
    assert!(matches!(response.end, End::Broken(_)));
}
