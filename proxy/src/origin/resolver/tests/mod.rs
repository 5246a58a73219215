//! The resolver against a DNS server that lies, stalls and changes its mind.

mod server;

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt as _;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use tokio::runtime::Handle;

use self::server::{DnsServer, Reply, address, alias, service};
use super::lookup::{DnsClient, Found};
use super::*;
use crate::origin::testing::origin;
use crate::telemetry::Metrics;

const NAME: &str = "media.example";

fn asked(name: &str, services: bool) -> Question {
    Question { name: name.to_owned(), services }
}

async fn look_up(server: &DnsServer, name: &str, services: bool) -> Found {
    DnsClient::new(&[server.address]).look_up(&asked(name, services)).await
}

fn resolver(servers: &[SocketAddr]) -> (Resolver, Arc<Metrics>) {
    let metrics = Metrics::new("test");
    (Resolver::new(servers, Handle::current(), metrics.resolver().clone()), metrics)
}

#[track_caller]
fn check_addresses(found: &Found, expected: &[&str], seconds: u64) {
    let Found::Records(Records::Addresses(addresses), ttl) = found else { panic!("{found:?}") };
    assert_eq!(addresses, &expected.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>());
    assert_eq!(*ttl, Duration::from_secs(seconds));
}

#[tokio::test]
async fn both_families_are_asked_and_the_shortest_life_counts() {
    let server = DnsServer::start().await;
    let four = vec![address(NAME, 300, "192.0.2.2"), address(NAME, 300, "192.0.2.1")];
    server.say(NAME, RecordType::A, Reply::Records(four));
    server.say(NAME, RecordType::AAAA, Reply::Records(vec![address(NAME, 20, "2001:db8::1")]));
    check_addresses(&look_up(&server, NAME, false).await, &["192.0.2.1", "192.0.2.2", "2001:db8::1"], 20);
}

#[tokio::test]
async fn one_family_is_enough_whatever_the_other_says() {
    let server = DnsServer::start().await;
    server.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 30, "192.0.2.1")]));
    for other in [
        Reply::Nothing(ResponseCode::NoError, 60),
        Reply::Error(ResponseCode::ServFail),
        Reply::Silence,
        Reply::Garbage,
    ] {
        server.say(NAME, RecordType::AAAA, other);
        check_addresses(&look_up(&server, NAME, false).await, &["192.0.2.1"], 30);
    }
}

#[tokio::test]
async fn nothing_is_good_for_as_long_as_the_zone_says() {
    let server = DnsServer::start().await;
    for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
        server.say(NAME, RecordType::A, Reply::Nothing(code, 17));
        server.say(NAME, RecordType::AAAA, Reply::Nothing(code, 40));
        let found = look_up(&server, NAME, false).await;
        assert!(matches!(found, Found::Nothing(_, ttl) if ttl == Duration::from_secs(17)), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_and_ends_in_time() {
    let server = DnsServer::start().await;
    for reply in
        [Reply::Error(ResponseCode::ServFail), Reply::Error(ResponseCode::Refused), Reply::Silence, Reply::Garbage]
    {
        server.say(NAME, RecordType::A, reply.clone());
        server.say(NAME, RecordType::AAAA, reply);
        let looked = tokio::time::timeout(LOOKUP_TIMEOUT * 2, look_up(&server, NAME, false)).await.unwrap();
        assert!(matches!(looked, Found::Failed(_)), "{looked:?}");
    }
}

#[tokio::test]
async fn an_answer_that_fits_no_datagram_comes_over_tcp() {
    let server = DnsServer::start().await;
    server.say(NAME, RecordType::A, Reply::Truncated(vec![address(NAME, 30, "192.0.2.7")]));
    server.say(NAME, RecordType::AAAA, Reply::Nothing(ResponseCode::NoError, 60));
    check_addresses(&look_up(&server, NAME, false).await, &["192.0.2.7"], 30);
}

#[tokio::test]
async fn aliases_are_followed_and_an_endless_chain_ends() {
    let server = DnsServer::start().await;
    server.say(NAME, RecordType::A, Reply::Records(vec![alias(NAME, 9, "b.example")]));
    server.say("b.example", RecordType::A, Reply::Records(vec![address("b.example", 30, "192.0.2.9")]));
    check_addresses(&look_up(&server, NAME, false).await, &["192.0.2.9"], 9);
    for number in 0..64 {
        let (name, target) = (format!("chain{number}.example"), format!("chain{}.example", (number + 1) % 64));
        for kind in [RecordType::A, RecordType::AAAA] {
            server.say(&name, kind, Reply::Records(vec![alias(&name, 9, &target)]));
        }
    }
    let found = tokio::time::timeout(LOOKUP_TIMEOUT * 2, look_up(&server, "chain0.example", false)).await.unwrap();
    assert!(!matches!(found, Found::Records(..)), "{found:?}");
    assert!(server.asked("chain20.example", RecordType::A) == 0, "the chain is followed without end");
}

#[tokio::test]
async fn addresses_that_nobody_can_connect_to_are_left_out() {
    let server = DnsServer::start().await;
    let records = ["0.0.0.0", "224.0.0.1", "192.0.2.1"].map(|text| address(NAME, 30, text));
    server.say(NAME, RecordType::A, Reply::Records(records.to_vec()));
    check_addresses(&look_up(&server, NAME, false).await, &["192.0.2.1"], 30);
    server.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 30, "0.0.0.0")]));
    let found = look_up(&server, NAME, false).await;
    assert!(matches!(found, Found::Nothing(..)), "{found:?}");
}

#[tokio::test]
async fn services_have_ports_and_those_without_address_are_left_out() {
    let server = DnsServer::start().await;
    let name = "_http._tcp.media.example";
    let records = vec![
        service(name, 60, 10, 1, 8_001, "a.example"),
        service(name, 60, 20, 1, 8_002, "b.example"),
        service(name, 60, 10, 1, 8_003, "missing.example"),
        service(name, 60, 10, 1, 0, "a.example"),
    ];
    server.say(name, RecordType::SRV, Reply::Records(records));
    server.say("a.example", RecordType::A, Reply::Records(vec![address("a.example", 5, "192.0.2.1")]));
    server.say("b.example", RecordType::A, Reply::Records(vec![address("b.example", 90, "192.0.2.2")]));
    let (resolver, _) = resolver(&[server.address]);
    let origin = origin("http://_http._tcp.media.example", ", discovery: srv");
    let addresses = resolver.resolve(&origin).await.unwrap();
    assert_eq!(addresses.all(), ["192.0.2.1:8001", "192.0.2.2:8002"].map(|text| text.parse().unwrap()));

    server.say(name, RecordType::SRV, Reply::Records(vec![service(name, 60, 0, 0, 1, ".")]));
    let found = look_up(&server, name, true).await;
    assert!(matches!(found, Found::Nothing(..)), "{found:?}");
}

#[tokio::test]
async fn literals_and_names_of_this_machine_ask_nobody() {
    let server = DnsServer::start().await;
    let (resolver, _) = resolver(&[server.address]);
    let literal = resolver.resolve(&origin("http://192.0.2.1:81", "")).await.unwrap();
    assert_eq!(literal.all(), ["192.0.2.1:81".parse().unwrap()]);
    let six = resolver.resolve(&origin("http://[2001:db8::1]:81", "")).await.unwrap();
    assert_eq!(six.all(), ["[2001:db8::1]:81".parse().unwrap()]);
    let local = resolver.resolve(&origin("http://localhost:81", "")).await.unwrap();
    assert!(local.all().contains(&"127.0.0.1:81".parse().unwrap()));
    assert!(local.all().iter().all(|address| address.ip().is_loopback()));
    assert_eq!(server.asked("localhost", RecordType::A), 0);
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_look_up_and_spread_over_addresses() {
    let server = DnsServer::start().await;
    let all = vec![address(NAME, 60, "192.0.2.1"), address(NAME, 60, "192.0.2.2")];
    server.say(NAME, RecordType::A, Reply::Records(all));
    let (resolver, metrics) = resolver(&[server.address]);
    let origin = origin("http://media.example", "");
    let answers = futures::future::join_all((0..50).map(|_| resolver.resolve(&origin))).await;
    let firsts: Vec<SocketAddr> = answers.into_iter().map(|addresses| addresses.unwrap().first()).collect();
    assert_eq!(server.asked(NAME, RecordType::A), 1);
    let to_one = firsts.iter().filter(|address| **address == "192.0.2.1:80".parse().unwrap()).count();
    assert_eq!(to_one, 25);
    assert!(metrics.render().contains(r#"tidegate_dns_lookups_total{outcome="found"} 1"#));
}

#[tokio::test]
async fn a_look_up_goes_on_when_the_request_that_began_it_leaves() {
    let server = DnsServer::start().await;
    server.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 60, "192.0.2.1")]));
    let (resolver, _) = resolver(&[server.address]);
    let origin = origin("http://media.example", "");
    assert!(resolver.resolve(&origin).now_or_never().is_none(), "asked once and dropped");
    resolver.resolve(&origin).await.unwrap();
    assert_eq!(server.asked(NAME, RecordType::A), 1);
}

#[tokio::test]
async fn an_answer_outlives_its_dns_server() {
    let server = DnsServer::start().await;
    server.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 1, "192.0.2.1")]));
    let (resolver, metrics) = resolver(&[server.address]);
    let origin = origin("http://media.example", "");
    resolver.resolve(&origin).await.unwrap();
    for kind in [RecordType::A, RecordType::AAAA] {
        server.say(NAME, kind, Reply::Error(ResponseCode::ServFail));
    }
    // Until the answer is past its life and DNS has failed, however long a look-up takes.
    let stale = || metrics.render().lines().any(|line| line == "tidegate_dns_stale_answers_total 1");
    for _ in 0..1_000 {
        assert_eq!(resolver.resolve(&origin).await.unwrap().first(), "192.0.2.1:80".parse().unwrap());
        if stale() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no stale answer was counted:\n{}", metrics.render());
}

#[tokio::test]
async fn new_servers_are_asked_after_a_change_of_configuration() {
    let (old, new) = (DnsServer::start().await, DnsServer::start().await);
    old.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 3_600, "192.0.2.1")]));
    new.say(NAME, RecordType::A, Reply::Records(vec![address(NAME, 3_600, "192.0.2.2")]));
    let (resolver, _) = resolver(&[old.address]);
    let origin = origin("http://media.example", "");
    resolver.resolve(&origin).await.unwrap();
    resolver.configure(&[new.address]);
    for _ in 0..500 {
        if resolver.resolve(&origin).await.unwrap().first() == "192.0.2.2:80".parse().unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the new server was not asked");
}
