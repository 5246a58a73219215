//! Origin pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Written;
use super::failover::{hedging, limits, order, retry, sticky};
use super::health::{health, outlier};
use super::host_pattern::check_host;
use super::names::{Names, check_unique, parse_name};
use super::origin::origin;
use super::range::{check_duration, check_length, check_number};
use crate::document::{DurationText, HostField, OriginPoolDocument, TimeoutFields};
use crate::ids::PoolName;
use crate::model::{HostPolicy, Origin, OriginPool, Timeouts};
use crate::source::{Place, Report};

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
    let sticky = document.sticky.as_ref().and_then(|field| sticky(field, &place.field("sticky"), report));
    Some(OriginPool {
        name: name?,
        origins,
        timeouts,
        host,
        attempts,
        order: order(document.order),
        sticky,
        health: health(&document.health, &place.field("health"), report),
        outlier: outlier(&document.outlier, &place.field("outlier"), report),
        retry: retry(&document.retry, &place.field("retry"), report),
        hedging: document.hedging.as_ref().map(|fields| hedging(fields, &place.field("hedging"), report)),
        limits: limits(&document.limits, &place.field("limits"), report),
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
pub(super) fn check_host_and_port(text: &str) -> Result<(), String> {
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
