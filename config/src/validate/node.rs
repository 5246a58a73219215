//! The node: its listeners, bounds and memory.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;

use super::names::{Names, parse_name};
use super::networks::{networks, some_networks};
use super::origin_pool::check_host_and_port;
use super::range::{check_duration, check_length, check_number, check_size};
use super::{Documents, Written, cache_disk, certificate};
use crate::document::{
    AccessLogField, AdminFields, ByteSizeText, CacheFields, DurationText, LimitFields, ListenerFields, NodeDocument,
    PlaintextField, ProtocolField,
};
use crate::field::is_token;
use crate::ids::{NodeName, PopName};
use crate::model::{
    AccessLog, AdminListener, CacheMemory, Limits, Listener, ListenerProtocol, Node, PlaintextMode, Pop,
};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Threads of one kind: more than any machine has cores.
const MAX_WORKERS: u32 = 1024;
/// Each has an accept loop of its own; ten addresses with all protocols on both IP versions need 60.
const MAX_LISTENERS: usize = 64;
/// The kernel's default bound on open files of one process is 1,048,576 (`fs.nr_open`).
const MAX_CONNECTIONS: u32 = 1_048_576;
/// Networks of one list: every connection or request is compared with each.
const MAX_NETWORKS: usize = 1000;
/// DNS servers, which are asked one after another: with more, nobody would wait for the last.
const MAX_RESOLVERS: usize = 8;
/// Of a name that every request carries.
const MAX_CDN_ID: usize = 63;
/// RFC 1035 section 4.2.
const DNS_PORT: u16 = 53;
/// Up to this many cores, one thread fetches from origins; beyond, a thread for each so many cores.
const CORES_FOR_EACH_FILL_WORKER: usize = 4;

/// The one node.
pub(super) fn node(
    documents: &Documents<'_>,
    pops: &BTreeMap<PopName, Pop>,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Node> {
    let (first, others) = documents.nodes.split_first()?;
    for other in others {
        let expected = format!("exactly one node; {} has it", first.place.line());
        report.found(&other.place, "one more node document", expected);
    }
    let Written { document, place } = first;
    let name = parse_name(&document.name, NodeName::parse, &place.field("name"), report);
    names.check_reference("pop", &document.pop, &place.field("pop"), report);
    let listeners = listeners(document, place, report);
    if documents.certificates.is_empty() && !names.are_partial() {
        check_tls_has_certificate(document, place, report);
    }
    let admin = document.admin.as_ref().map(|fields| admin(fields, &listeners, &place.field("admin"), report));
    let (workers, fill_workers) = workers(document, place, report);
    let grace = DurationText::millis(0)..=DurationText::hours(24);
    let node_limits = limits(&document.limits, &place.field("limits"), report);
    let cache = cache(&document.cache, &place.field("cache"), names, report);
    let grace = check_duration(document.grace, grace, &place.field("grace"), report);
    let access_log = access_log(document, &place.field("access_log"), report);
    let proxies = place.field("trusted_proxies");
    let trusted_proxies = networks(&document.trusted_proxies, MAX_NETWORKS, &proxies, report);
    check_cdn_id(&document.cdn_id, &place.field("cdn_id"), report);
    let resolvers = resolvers(document, &place.field("resolvers"), report);
    let pop = pops.get(&PopName::parse(&document.pop).ok()?)?;
    Some(Node {
        name: name?,
        pop: pop.name.clone(),
        region: pop.region.clone(),
        listeners,
        admin: admin.flatten(),
        limits: node_limits,
        cache,
        workers,
        fill_workers,
        grace,
        access_log,
        trusted_proxies,
        cdn_id: document.cdn_id.clone(),
        resolvers,
    })
}

fn listeners(document: &NodeDocument, place: &Place<'_>, report: &mut Report) -> Vec<Listener> {
    let place = place.field("listeners");
    if document.listeners.is_empty() {
        report.at(&place, "at least one listener");
    }
    if !check_length(document.listeners.len(), MAX_LISTENERS, &place, report) {
        return Vec::new();
    }
    let mut listeners: Vec<Listener> = Vec::new();
    for (index, fields) in document.listeners.iter().enumerate() {
        let Some(listener) = listener(fields, &place.element(index), report) else { continue };
        let is_taken = listeners.iter().any(|other| collide(other, &listener));
        if is_taken && listener.address.port() != 0 {
            report.at(&place.element(index).field("address"), "an address that no other listener has");
        }
        listeners.push(listener);
    }
    listeners
}

/// TCP and UDP ports are apart.
fn collide(left: &Listener, right: &Listener) -> bool {
    let is_quic = |listener: &Listener| listener.protocol == ListenerProtocol::Quic;
    left.address == right.address && is_quic(left) == is_quic(right)
}

fn listener(fields: &ListenerFields, place: &Place<'_>, report: &mut Report) -> Option<Listener> {
    let address = parse_address(&fields.address, &place.field("address"), report);
    let protocol = match fields.protocol {
        ProtocolField::Http => ListenerProtocol::Http(plaintext(fields, place, report)),
        ProtocolField::Https => ListenerProtocol::Https,
        ProtocolField::Quic => ListenerProtocol::Quic,
    };
    let place_of_protocol = place.field("protocol");
    if fields.protocol != ProtocolField::Http && place_of_protocol.is_sound() {
        for (name, is_there) in [("plaintext", fields.plaintext.is_some()), ("https_port", fields.https_port.is_some())]
        {
            if is_there {
                report.at(&place.field(name), "nothing: the field is for protocol http");
            }
        }
    }
    let proxy_protocol = fields.proxy_protocol.as_ref().map(|written| {
        let place = place.field("proxy_protocol");
        if fields.protocol == ProtocolField::Quic && place_of_protocol.is_sound() {
            report.at(&place, "nothing: the PROXY protocol is for TCP");
        }
        some_networks(&written.from, MAX_NETWORKS, &place.field("from"), report)
    });
    Some(Listener { address: address?, protocol, proxy_protocol })
}

fn plaintext(fields: &ListenerFields, place: &Place<'_>, report: &mut Report) -> PlaintextMode {
    match (fields.plaintext, fields.https_port) {
        (Some(PlaintextField::Redirect), Some(port)) => {
            PlaintextMode::Redirect { https_port: check_number(port, 1..=u16::MAX, &place.field("https_port"), report) }
        }
        (Some(PlaintextField::Redirect), None) => {
            report.at(&place.field("https_port"), "the port of the HTTPS URL, as plaintext is redirect");
            PlaintextMode::Serve
        }
        (_, Some(_)) => {
            report.at(&place.field("https_port"), "nothing, unless plaintext is redirect");
            PlaintextMode::Serve
        }
        (_, None) => PlaintextMode::Serve,
    }
}

fn check_tls_has_certificate(document: &NodeDocument, place: &Place<'_>, report: &mut Report) {
    let listeners = place.field("listeners");
    for (index, fields) in document.listeners.iter().enumerate() {
        let place = listeners.element(index);
        let protocol = place.field("protocol");
        if fields.protocol != ProtocolField::Http {
            report.found(&protocol, "TLS and no certificate document", "at least one certificate document");
        }
    }
}

fn parse_address(text: &str, place: &Place<'_>, report: &mut Report) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        report.at(place, "an IP address and a port, such as 192.0.2.1:443 or [2001:db8::1]:443");
    }
    address
}

fn admin(
    fields: &AdminFields,
    listeners: &[Listener],
    place: &Place<'_>,
    report: &mut Report,
) -> Option<AdminListener> {
    let place_of_address = place.field("address");
    let address = parse_address(&fields.address, &place_of_address, report)?;
    let token = place.field("token_file");
    let token_file = fields.token_file.as_ref().map(|path| certificate::file(path, &token, report));
    let admin = Listener { address, protocol: ListenerProtocol::Https, proxy_protocol: None };
    if listeners.iter().any(|other| collide(other, &admin)) && address.port() != 0 {
        report.at(&place_of_address, "an address that no other listener has");
    }
    if token_file.is_none() && !address.ip().is_loopback() {
        report.at(&token, "a file with a token, as the address is not a loopback one");
    }
    let debug = place.field("debug_token_file");
    let debug_token_file = fields.debug_token_file.as_ref().map(|path| certificate::file(path, &debug, report));
    if debug_token_file.is_some() && debug_token_file == token_file {
        report.at(&debug, "another file than token_file: who is told of the cache must not steer the node");
    }
    Some(AdminListener { address, token_file, debug_token_file })
}

fn workers(document: &NodeDocument, place: &Place<'_>, report: &mut Report) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut count = |written: Option<u32>, name, default: usize| match written {
        Some(count) => check_number(count, 1..=MAX_WORKERS, &place.field(name), report) as usize,
        None => default,
    };
    let workers = count(document.workers, "workers", cores);
    (workers, count(document.fill_workers, "fill_workers", (cores / CORES_FOR_EACH_FILL_WORKER).max(1)))
}

fn limits(fields: &LimitFields, place: &Place<'_>, report: &mut Report) -> Limits {
    let short = DurationText::millis(100)..=DurationText::seconds(300);
    let medium = DurationText::millis(100)..=DurationText::hours(1);
    let long = DurationText::millis(100)..=DurationText::hours(24);
    let life = DurationText::seconds(1)..=DurationText::hours(30 * 24);
    let mut time = |value, range, name| check_duration(value, range, &place.field(name), report);
    let handshake_timeout = time(fields.handshake_timeout, short.clone(), "handshake_timeout");
    let header_timeout = time(fields.header_timeout, short, "header_timeout");
    let body_timeout = time(fields.body_timeout, medium.clone(), "body_timeout");
    let write_timeout = time(fields.write_timeout, medium, "write_timeout");
    let idle_timeout = time(fields.idle_timeout, long, "idle_timeout");
    let connection_lifetime = time(fields.connection_lifetime, life, "connection_lifetime");
    let mut number = |value, range, name| check_number(value, range, &place.field(name), report);
    let connections = number(fields.connections, 1..=MAX_CONNECTIONS, "connections") as usize;
    let connections_per_address = fields
        .connections_per_address
        .map(|count| number(count, 1..=MAX_CONNECTIONS, "connections_per_address") as usize);
    let header_count = number(fields.header_count, 8..=1000, "header_count") as usize;
    let streams = number(fields.streams, 1..=1000, "streams");
    let requests_per_connection = number(fields.requests_per_connection, 1..=u32::MAX, "requests_per_connection");
    let mut size = |value, range, name| check_size(value, range, &place.field(name), report);
    Limits {
        connections,
        connections_per_address,
        handshake_timeout,
        header_timeout,
        body_timeout,
        write_timeout,
        idle_timeout,
        connection_lifetime,
        header_bytes: size(fields.header_bytes, ByteSize::kib(1)..=ByteSize::mib(1), "header_bytes"),
        header_count,
        target_bytes: size(fields.target_bytes, ByteSize(256)..=ByteSize::kib(64), "target_bytes"),
        streams,
        requests_per_connection,
        body_bytes: size(fields.body_bytes, ByteSize(0)..=ByteSize::mib(64 * 1024), "body_bytes"),
    }
}

fn cache(fields: &CacheFields, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> CacheMemory {
    let range = ByteSize::mib(1)..=ByteSize::mib(16 * 1024 * 1024);
    let capacity = check_size(fields.capacity, range, &place.field("capacity"), report);
    let quarter = ByteSize(capacity.0 / 4);
    let max_object = match fields.max_object {
        Some(ByteSizeText(size)) => {
            if size > quarter {
                let expected = format!("at most {quarter}, a quarter of the capacity of {capacity}");
                report.at(&place.field("max_object"), expected);
            }
            size
        }
        None => ByteSize::mib(32).min(quarter),
    };
    let window = ByteSize::kib(64)..=ByteSize::mib(1024);
    CacheMemory {
        capacity,
        max_object,
        fill_window: check_size(fields.fill_window, window, &place.field("fill_window"), report),
        fills: check_number(fields.fills, 1..=65_536, &place.field("fills"), report) as usize,
        disk: fields.disk.as_ref().map(|fields| cache_disk::disk(fields, &place.field("disk"), names, report)),
    }
}

/// RFC 8586 section 2: `uri-host [ ":" port ] / pseudonym`, the latter a token.
fn check_cdn_id(text: &str, place: &Place<'_>, report: &mut Report) {
    let is_host = check_host_and_port(text).is_ok();
    if text.len() > MAX_CDN_ID || !(is_token(text.as_bytes()) || is_host) {
        report.at(place, format!("a token (RFC 9110 section 5.6.2) or a host, of at most {MAX_CDN_ID} characters"));
    }
}

fn resolvers(document: &NodeDocument, list: &Place<'_>, report: &mut Report) -> Vec<SocketAddr> {
    let mut resolvers = Vec::new();
    if !check_length(document.resolvers.len(), MAX_RESOLVERS, list, report) {
        return resolvers;
    }
    for (index, text) in document.resolvers.iter().enumerate() {
        let place = list.element(index);
        let with_port = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
        match text.parse::<SocketAddr>().or_else(|_| with_port()) {
            Ok(address) if address.port() == 0 => report.at(&place, "a port from 1 to 65535"),
            Ok(address) if resolvers.contains(&address) => report.at(&place, "each server once"),
            Ok(address) => resolvers.push(address),
            Err(_) => {
                report.at(&place, "an IP address, with or without a port, such as 192.0.2.53 or [2001:db8::53]:53")
            }
        }
    }
    resolvers
}

fn access_log(document: &NodeDocument, place: &Place<'_>, report: &mut Report) -> AccessLog {
    match &document.access_log {
        AccessLogField::Off => AccessLog::Off,
        AccessLogField::Stdout => AccessLog::Stdout,
        AccessLogField::File(path) => AccessLog::File(certificate::file(path, &place.field("file"), report)),
    }
}
