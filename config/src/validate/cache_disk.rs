//! The disk tier of the cache. Whether its directories can be used shows where they are.

use super::range::{check_duration, check_length, check_size};
use crate::document::{DeviceFields, DiskFields, DurationText};
use crate::model::{CacheDevice, CacheDisk};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Directories, each with five threads of its own.
const MAX_DEVICES: usize = 64;

pub(super) fn disk(fields: &DiskFields, place: &Place<'_>, report: &mut Report) -> CacheDisk {
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
    }
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
