//! The disk tier of the cache. Whether its directories can be used shows where they are.

use std::collections::BTreeMap;

use super::names::{Names, parse_name};
use super::range::{check_duration, check_length, check_percent, check_size};
use crate::document::{DeviceFields, DiskFields, DurationText, ShareFields};
use crate::ids::SiteName;
use crate::model::{CacheDevice, CacheDisk, DiskShare};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Directories, each with five threads of its own.
const MAX_DEVICES: usize = 64;

/// Sites with shares of their own.
const MAX_SHARES: usize = 1000;

pub(super) fn disk(fields: &DiskFields, place: &Place<'_>, names: &Names<'_>, report: &mut Report) -> CacheDisk {
    let list = place.field("devices");
    if fields.devices.is_empty() {
        report.at(&list, "at least one directory");
    }
    let mut devices: Vec<CacheDevice> = Vec::new();
    if check_length(fields.devices.len(), MAX_DEVICES, &list, report) {
        for (index, fields) in fields.devices.iter().enumerate() {
            let known = device(fields, &devices, &list.element(index), report);
            devices.push(known);
        }
    }
    let lifetimes = DurationText::millis(0)..=DurationText::hours(365 * 24);
    let timeouts = DurationText::millis(10)..=DurationText::seconds(60);
    CacheDisk {
        devices,
        min_lifetime: check_duration(fields.min_lifetime, lifetimes, &place.field("min_lifetime"), report),
        read_timeout: check_duration(fields.read_timeout, timeouts, &place.field("read_timeout"), report),
        shares: shares(&fields.shares, &place.field("shares"), names, report),
    }
}

fn shares(
    fields: &[ShareFields],
    place: &Place<'_>,
    names: &Names<'_>,
    report: &mut Report,
) -> BTreeMap<SiteName, DiskShare> {
    let mut shares = BTreeMap::new();
    if !check_length(fields.len(), MAX_SHARES, place, report) {
        return shares;
    }
    for (index, fields) in fields.iter().enumerate() {
        let place = place.element(index);
        let (share, at) = (share(fields, &place, report), place.field("site"));
        let Some(site) = parse_name(&fields.site, SiteName::parse, &at, report) else { continue };
        names.check_reference("site", &fields.site, &at, report);
        if shares.contains_key(&site) {
            report.at(&at, "each site once");
            continue;
        }
        shares.insert(site, share);
    }
    let floors: u32 = shares.values().map(|share| u32::from(share.floor)).sum();
    if floors > 100 {
        report.found(place, format!("floors of {floors}% together"), "at most 100%");
    }
    shares
}

fn share(fields: &ShareFields, place: &Place<'_>, report: &mut Report) -> DiskShare {
    let floor = check_percent(fields.floor, 0..=100, &place.field("floor"), report);
    let at = place.field("ceiling");
    let ceiling = check_percent(fields.ceiling, 1..=100, &at, report);
    if (1..floor).contains(&ceiling) {
        report.at(&at, format!("at least the floor, which is {floor}%"));
    }
    DiskShare { floor, ceiling }
}

fn device(fields: &DeviceFields, others: &[CacheDevice], place: &Place<'_>, report: &mut Report) -> CacheDevice {
    let at = place.field("directory");
    if fields.directory.as_os_str().is_empty() {
        report.at(&at, "the path of a directory");
    }
    let directory = at.source.resolve(&fields.directory);
    // One in another would be counted twice, and cleared away by the other.
    let meets =
        |other: &&CacheDevice| other.directory.starts_with(&directory) || directory.starts_with(&other.directory);
    if let Some(other) = others.iter().find(meets).filter(|_| !fields.directory.as_os_str().is_empty()) {
        let expected = format!("a directory apart from {}", other.directory.display());
        report.at(&at, expected);
    }
    let sizes = ByteSize::mib(64)..=ByteSize::mib(1024 * 1024 * 1024);
    let capacity = check_size(fields.capacity, sizes, &place.field("capacity"), report);
    CacheDevice { directory, capacity }
}
