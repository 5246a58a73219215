//! One look-up: the questions that an origin's name needs, asked at once, and what their answers come to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::{Either, join_all, select};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tidegate_config::model::{Discovery, Origin};

use super::services::Service;
use crate::telemetry::LookupOutcome;

/// All questions of one name together.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// One datagram's answer. Two attempts fit into a look-up.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Attempts after the first.
const FURTHER_ATTEMPTS: usize = 1;

/// How long one family of addresses is waited for once the other is there. RFC 8305 section 3 says 50 ms for the first
/// connection; here the answer is kept, so that more patience pays.
const FAMILY_PATIENCE: Duration = Duration::from_millis(500);

/// Targets of SRV records asked for at most.
const MOST_SERVICES: usize = 16;

/// Addresses kept of one name.
const MOST_ADDRESSES: usize = 32;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// The origin's host.
    pub(super) name: String,
    pub(super) services: bool,
}

impl Question {
    pub(super) fn of(origin: &Origin) -> Self {
        Self { name: origin.host.clone(), services: origin.discovery == Discovery::Srv }
    }
}

/// An answer with addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// Of A and AAAA records.
    Addresses(Vec<IpAddr>),
    /// Of SRV records.
    Services(Vec<Service>),
}

/// What a look-up found.
#[derive(Debug)]
pub(super) enum Found {
    /// Records, and how long they are good.
    Records(Records, Duration),
    /// That there are none, why, and how long that is good.
    Nothing(String, Duration),
    /// No answer.
    Failed(String),
}

impl Found {
    pub(super) fn outcome(&self) -> LookupOutcome {
        match self {
            Self::Records(..) => LookupOutcome::Found,
            Self::Nothing(..) => LookupOutcome::Nothing,
            Self::Failed(_) => LookupOutcome::Failed,
        }
    }
}

/// Answers of one question, or of several together.
enum Answered<T> {
    Some(Vec<T>, Duration),
    Nothing(String, Duration),
    Failed(String),
}

/// Asks DNS servers, after the hosts file.
pub(super) struct DnsClient {
    hosts: Hosts,
    resolver: Result<TokioResolver, String>,
}

impl DnsClient {
    /// Asks these servers, or the system's when there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            log::warn!("the hosts file cannot be read: {error}");
            Hosts::default()
        });
        let resolver = client(servers).map_err(|error| error.to_string());
        if let Err(error) = &resolver {
            log::warn!("no DNS server is known, names of origins cannot be resolved: {error}");
        }
        Self { hosts, resolver }
    }

    /// Asks, within [`LOOKUP_TIMEOUT`].
    pub(super) async fn look_up(&self, question: &Question) -> Found {
        let asked = async {
            if question.services {
                self.services(&question.name).await
            } else {
                match self.addresses(&question.name).await {
                    Answered::Some(addresses, ttl) => Found::Records(Records::Addresses(addresses), ttl),
                    Answered::Nothing(reason, ttl) => Found::Nothing(reason, ttl),
                    Answered::Failed(reason) => Found::Failed(reason),
                }
            }
        };
        let late = || Found::Failed(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()));
        tokio::time::timeout(LOOKUP_TIMEOUT, asked).await.unwrap_or_else(|_| late())
    }

    /// Addresses of both families.
    async fn addresses(&self, name: &str) -> Answered<IpAddr> {
        let listed = self.listed(name);
        if !listed.is_empty() {
            return Answered::Some(listed, Duration::MAX);
        }
        let four = Box::pin(self.ask(name, RecordType::A, address));
        let six = Box::pin(self.ask(name, RecordType::AAAA, address));
        let (first, other) = match select(four, six).await {
            Either::Left((first, other)) => (first, Either::Left(other)),
            Either::Right((first, other)) => (first, Either::Right(other)),
        };
        if !matches!(first, Answered::Some(..)) {
            return both(first, other.await);
        }
        match tokio::time::timeout(FAMILY_PATIENCE, other).await {
            Ok(second) => both(first, second),
            Err(_) => both(first, Answered::Failed("it is late".to_owned())),
        }
    }

    /// Addresses that the hosts file has. A name that stands there is not asked for elsewhere.
    fn listed(&self, name: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_utf8(name) else { return Vec::new() };
        let lookup = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = [RecordType::A, RecordType::AAAA].into_iter().filter_map(lookup);
        usable(found.flat_map(|lookup| lookup.answers().iter().filter_map(address).collect::<Vec<_>>()).collect())
    }

    async fn services(&self, name: &str) -> Found {
        let (mut records, ttl) = match self.ask(name, RecordType::SRV, service).await {
            Answered::Some(records, ttl) => (records, ttl),
            Answered::Nothing(reason, ttl) => return Found::Nothing(reason, ttl),
            Answered::Failed(reason) => return Found::Failed(reason),
        };
        // A target of "." says that the service is not offered (RFC 2782); port 0 cannot be connected to.
        records.retain(|record| !record.target.is_root() && record.port != 0);
        records.sort_by_key(|record| (record.priority, record.target.clone(), record.port));
        records.truncate(MOST_SERVICES);
        if records.is_empty() {
            return Found::Nothing("its SRV records say that nothing is offered".to_owned(), ttl);
        }
        let targets: Vec<String> = records.iter().map(|record| record.target.to_utf8()).collect();
        let answers = join_all(targets.iter().map(|target| self.addresses(target))).await;
        together(records, answers, ttl)
    }

    async fn ask<T>(&self, name: &str, kind: RecordType, read: fn(&Record) -> Option<T>) -> Answered<T> {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(reason) => return Answered::Failed(reason.clone()),
        };
        match resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
                let values: Vec<T> = lookup.answers().iter().filter_map(read).collect();
                let ttl = Duration::from_secs(ttl.into());
                if values.is_empty() {
                    Answered::Nothing(format!("no {kind} records"), ttl)
                } else {
                    Answered::Some(values, ttl)
                }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let ttl = Duration::from_secs(none.negative_ttl.unwrap_or(0).into());
                Answered::Nothing(format!("{} for {kind} records", none.response_code), ttl)
            }
            Err(error) => Answered::Failed(error.to_string()),
        }
    }
}

fn client(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = QUESTION_TIMEOUT;
    options.attempts = FURTHER_ATTEMPTS;
    options.use_hosts_file = ResolveHosts::Never;
    // What is known is remembered here, together with what is done when DNS fails.
    options.cache_size = 0;
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

fn service(record: &Record) -> Option<SRV> {
    match &record.data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    }
}

/// Addresses that a connection can be made to, in an order that does not change with each answer: which comes first is
/// decided at each use.
fn usable(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.retain(|address| !address.is_unspecified() && !address.is_multicast());
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

/// What two questions for one name come to.
fn both(first: Answered<IpAddr>, second: Answered<IpAddr>) -> Answered<IpAddr> {
    use Answered::{Failed, Nothing, Some};
    match (first, second) {
        (Some(one, ttl), Some(other, other_ttl)) => some_usable([one, other].concat(), ttl.min(other_ttl)),
        (Some(one, ttl), _) | (_, Some(one, ttl)) => some_usable(one, ttl),
        (Failed(reason), _) | (_, Failed(reason)) => Failed(reason),
        (Nothing(one, ttl), Nothing(other, other_ttl)) => Nothing(format!("{one}, {other}"), ttl.min(other_ttl)),
    }
}

fn some_usable(addresses: Vec<IpAddr>, ttl: Duration) -> Answered<IpAddr> {
    let addresses = usable(addresses);
    if addresses.is_empty() {
        return Answered::Nothing("none of its addresses can be connected to".to_owned(), ttl);
    }
    Answered::Some(addresses, ttl)
}

/// Services whose targets have addresses; the others are left out.
fn together(records: Vec<SRV>, answers: Vec<Answered<IpAddr>>, ttl: Duration) -> Found {
    let mut services = Vec::with_capacity(records.len());
    let (mut ttl, mut nothing, mut failed) = (ttl, String::new(), None);
    for (record, answer) in records.into_iter().zip(answers) {
        match answer {
            Answered::Some(addresses, its) => {
                ttl = ttl.min(its);
                let SRV { priority, weight, port, .. } = record;
                services.push(Service { priority, weight, port, addresses });
            }
            Answered::Nothing(reason, its) => {
                ttl = ttl.min(its);
                nothing = format!("{}: {reason}", record.target);
            }
            Answered::Failed(reason) => failed = Some(format!("{}: {reason}", record.target)),
        }
    }
    match failed {
        _ if !services.is_empty() => Found::Records(Records::Services(services), ttl),
        Some(reason) => Found::Failed(reason),
        None => Found::Nothing(nothing, ttl),
    }
}
