//! Origin pools and their origins.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use super::host_pattern::check_host;
use super::names::{Names, check_unique, parse_name};
use super::range::{check_duration, check_length, check_number};
use super::{Written, certificate};
use crate::document::{
    DurationText, HostField, HttpVersionField, OriginFields, OriginPoolDocument, OriginTlsFields, TimeoutFields,
};
use crate::ids::{OriginName, PoolName, RegionName};
use crate::model::{
    Discovery, HealthCheck, HostPolicy, HttpVersion, Origin, OriginLimits, OriginOrder, OriginPool, OriginTls,
    OutlierEjection, RetryPolicy, ServerNamePolicy, Timeouts,
};
use crate::source::{Place, Report};
use crate::units::Weight;

/// Attempts over all origins: more would multiply the load of a pool in trouble beyond what it can recover from.
const MAX_ATTEMPTS: u8 = 5;

/// Origins of one pool: each is probed by every node, and weighed for every request that misses.
const MAX_ORIGINS: usize = 256;

/// All pools that make sense.
pub(super) fn origin_pools(
    documents: &[Written<'_, OriginPoolDocument>],
    names: &Names<'_>,
    report: &mut Report,
) -> BTreeMap<PoolName, Arc<OriginPool>> {
    let pools = documents.iter().filter_map(|written| origin_pool(written, names, report));
    pools.map(|pool| (pool.name.clone(), Arc::new(pool))).collect()
}

fn origin_pool(
    written: &Written<'_, OriginPoolDocument>,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<OriginPool> {
    let Written { document, place } = written;
    let name = parse_name(&document.name, PoolName::parse, &place.field("name"), report);
    let origins = origins(document, &place.field("origins"), names, report);
    let timeouts = timeouts(&document.timeouts, &place.field("timeouts"), report);
    let host = host_policy(&document.host, &place.field("host"), report);
    let attempts = check_number(document.attempts, 1..=MAX_ATTEMPTS, &place.field("attempts"), report);
    Some(OriginPool {
        name: name?,
        origins,
        timeouts,
        host,
        attempts,
        order: OriginOrder::Nearest,
        sticky: None,
        health: HealthCheck::default(),
        outlier: OutlierEjection::default(),
        retry: RetryPolicy::default(),
        hedging: None,
        limits: OriginLimits::default(),
    })
}

fn origins(document: &OriginPoolDocument, list: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Vec<Origin> {
    if document.origins.is_empty() {
        report.at(list, "at least one origin");
    } else if document.origins.iter().all(|origin| origin.weight == 0) {
        report.found(list, "origins that all have weight 0", "at least one origin with a weight above 0");
    }
    if !check_length(document.origins.len(), MAX_ORIGINS, list, report) {
        return Vec::new();
    }
    check_unique(document.origins.iter().map(|origin| origin.name.as_str()), list, report);
    let origins = document.origins.iter().enumerate();
    origins.filter_map(|(index, fields)| origin(fields, &list.element(index), names, report)).collect()
}

fn origin(fields: &OriginFields, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> Option<Origin> {
    let name = parse_name(&fields.name, OriginName::parse, &place.field("name"), report);
    let url = parse_url(&fields.url).map_err(|expected| report.at(&place.field("url"), expected)).ok();
    names.check_reference("region", &fields.region, &place.field("region"), report);
    let tls = tls(fields, url.as_ref(), &place.field("tls"), report);
    let url = url?;
    Some(Origin {
        name: name?,
        host: url.host,
        port: url.port,
        region: RegionName::parse(&fields.region).ok()?,
        weight: Weight(fields.weight),
        tls,
        version: match fields.http_version {
            HttpVersionField::One => HttpVersion::Http1,
            HttpVersionField::Two => HttpVersion::Http2,
            HttpVersionField::Auto => HttpVersion::Auto,
        },
        path_prefix: String::new(),
        discovery: Discovery::Address,
        credentials: None,
        proxy_protocol: None,
    })
}

struct OriginUrl {
    host: String,
    port: u16,
    is_https: bool,
}

fn parse_url(text: &str) -> Result<OriginUrl, String> {
    const SHAPE: &str = "http://host:port or https://host:port";
    let uri: Uri = text.parse().map_err(|_| SHAPE.to_owned())?;
    let is_https = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(SHAPE.to_owned()),
    };
    let authority = uri.authority().ok_or(SHAPE)?;
    if authority.as_str().contains('@') {
        return Err("a URL without user and password".to_owned());
    }
    if uri.path() != "/" || text.ends_with('/') || text.contains(['?', '#']) {
        return Err(format!("{SHAPE}, without a path: origins get that of the request"));
    }
    check_host(authority.host())?;
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => Ok(if is_https { 443 } else { 80 }),
        _ => authority.port_u16().filter(|port| *port != 0).ok_or("a port from 1 to 65535"),
    }?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok(OriginUrl { host, port, is_https })
}

fn tls(fields: &OriginFields, url: Option<&OriginUrl>, place: &Place<'_>, report: &mut Report) -> Option<OriginTls> {
    let defaults = OriginTlsFields::default();
    let written = fields.tls.as_ref().unwrap_or(&defaults);
    let ca_file = written.ca_file.as_ref().map(|path| certificate::file(path, &place.field("ca_file"), report));
    if let Some(name) = &written.server_name
        && let Err(expected) = check_host(name)
    {
        report.at(&place.field("server_name"), expected);
    }
    let url = url?;
    if !url.is_https {
        if fields.tls.is_some() {
            report.found(place, "TLS for a URL with http", "an https URL, or no tls");
        }
        return None;
    }
    let server_name = written.server_name.clone().unwrap_or_else(|| url.host.clone());
    let server_name = ServerNamePolicy::Name(server_name);
    Some(OriginTls { server_name, ca_file, verify: written.verify, client_certificate: None })
}

fn host_policy(field: &HostField, place: &Place<'_>, report: &mut Report) -> HostPolicy {
    match field {
        HostField::Client => HostPolicy::Client,
        HostField::Origin => HostPolicy::Origin,
        HostField::Fixed(host) => {
            if let Err(expected) = check_host_and_port(host) {
                report.at(&place.field("fixed"), expected);
            }
            HostPolicy::Fixed(host.clone())
        }
    }
}

/// A Host field's value (RFC 9110 section 7.2): a host and perhaps a port.
fn check_host_and_port(text: &str) -> Result<(), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse::<u16>().map_err(|_| "a port from 1 to 65535".to_owned())?;
            check_host(host)
        }
        _ => check_host(text),
    }
}

fn timeouts(fields: &TimeoutFields, place: &Place<'_>, report: &mut Report) -> Timeouts {
    let short = DurationText::millis(10)..=DurationText::seconds(300);
    let long = DurationText::millis(10)..=DurationText::hours(1);
    let mut time = |value, range, name| check_duration(value, range, &place.field(name), report);
    Timeouts {
        connect: time(fields.connect, short, "connect"),
        read: time(fields.read, long.clone(), "read"),
        write: time(fields.write, long.clone(), "write"),
        idle: time(fields.idle, long, "idle"),
    }
}
