//! All that is stored, summed up: by tier, by device, by site.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_store::{DeviceFigures, Share, VolumeFigures};

use super::{Contents, name_of};
use crate::cache::disk::DiskStore;
use crate::cache::engine::{SiteContents, site_tag};
use crate::telemetry::Metrics;

pub(super) async fn of(contents: &Contents) -> Value {
    let cache = Arc::clone(&contents.proxy.cache);
    let in_memory = tokio::task::spawn_blocking(move || cache.memory_by_site()).await.unwrap_or_default();
    let names = contents.site_names();
    let metrics = &contents.proxy.metrics;
    let devices = contents.disk.as_ref().map(|disk| disk.store().figures().devices);
    let model = contents.proxy.snapshot.load_full();
    let configured = model.model().node.cache.disk.as_ref();
    let disk = contents.disk.as_deref();
    let shares = disk.zip(configured).map(|(disk, configured)| disk.shares(configured)).unwrap_or_default();
    let capacity = disk.map_or(0, DiskStore::capacity);
    let purges = contents.proxy.cache.purges();
    json!({
        "generation": purges.latest().0,
        "memory": memory(contents, &in_memory),
        "disk": devices.as_deref().map(|devices| on_disk(devices, capacity, metrics)),
        "sites": sites(&names, &in_memory, devices.as_deref().unwrap_or_default(), (&shares, capacity), metrics),
    })
}

fn memory(contents: &Contents, sites: &HashMap<u32, SiteContents>) -> Value {
    let usage = contents.proxy.metrics.cache().usage();
    json!({
        "capacity_bytes": usage.capacity,
        "bytes": usage.bytes,
        "objects": sites.values().map(|site| site.objects).sum::<u64>(),
        "slices": sites.values().map(|site| site.slices).sum::<u64>(),
        "evictions": contents.proxy.metrics.cache().evictions(),
    })
}

fn on_disk(devices: &[DeviceFigures], capacity: u64, metrics: &Metrics) -> Value {
    let sum = |figure: fn(&VolumeFigures) -> u64| -> u64 {
        devices.iter().filter_map(|device| device.volume.as_ref()).map(figure).sum()
    };
    let (written, appended) = (sum(|volume| volume.written_bytes), sum(|volume| volume.appended_bytes));
    json!({
        "capacity_bytes": capacity,
        "bytes": sum(|volume| volume.living_bytes),
        "records": sum(|volume| volume.records),
        "pinned_bytes": sum(|volume| volume.pinned_bytes),
        "write_amplification": amplification(written, appended),
        "refused": metrics.disk().refused(),
        "devices": devices.iter().map(|known| device(known, metrics)).collect::<Vec<_>>(),
    })
}

fn device(known: &DeviceFigures, metrics: &Metrics) -> Value {
    let mut value = json!({
        "device": &*known.directory,
        "state": known.state.as_str(),
        "why": known.why,
        "state_for": known.state_for.as_secs(),
        "queued": { "records": known.queued_records, "bytes": known.queued_bytes, "reads": known.queued_reads },
        "late_reads": known.late_reads,
        "counted": metrics.disk().counted(&known.directory),
    });
    if let Some(volume) = &known.volume {
        value["stored"] = json!({
            "capacity_bytes": volume.capacity,
            "roomless_bytes": volume.roomless_bytes,
            "bytes": volume.living_bytes,
            "records": volume.records,
            "segments": volume.segments,
            "free_segments": volume.free_segments,
            "pinned_bytes": volume.pinned_bytes,
            "index_memory_bytes": volume.index_memory,
            "state_bytes": volume.state_bytes,
            "appended_bytes": volume.appended_bytes,
            "carried_bytes": volume.carried_bytes,
            "written_bytes": volume.written_bytes,
            "write_amplification": amplification(volume.written_bytes, volume.appended_bytes),
        });
    }
    value
}

/// Bytes written to files for each byte that was to be stored; nothing while nothing was.
fn amplification(written: u64, appended: u64) -> Option<f64> {
    (appended > 0).then(|| (written as f64 / appended as f64 * 1000.0).round() / 1000.0)
}

/// Sites of the configuration, and what former ones still have.
fn sites(
    names: &HashMap<u32, String>,
    in_memory: &HashMap<u32, SiteContents>,
    devices: &[DeviceFigures],
    (shares, capacity): (&HashMap<u32, Share>, u64),
    metrics: &Metrics,
) -> Vec<Value> {
    let mut sites: BTreeMap<&str, (SiteContents, u64)> =
        names.values().map(|name| (name.as_str(), Default::default())).collect();
    for (site, contents) in in_memory {
        let (sum, _) = sites.entry(name_of(names, *site)).or_default();
        sum.objects += contents.objects;
        sum.slices += contents.slices;
        sum.bytes += contents.bytes;
    }
    for (site, bytes) in devices.iter().filter_map(|device| device.volume.as_ref()).flat_map(|volume| &volume.sites) {
        sites.entry(name_of(names, *site)).or_default().1 += bytes;
    }
    let shown = sites.into_iter().map(|(name, (memory, disk_bytes))| {
        let share = shares.get(&site_tag(name));
        json!({
            "site": name,
            "memory": { "objects": memory.objects, "slices": memory.slices, "bytes": memory.bytes },
            "disk": { "bytes": disk_bytes, "floor_bytes": share.map(|share| share.floor), "ceiling_bytes": share.map(|share| share.ceiling.min(capacity)) },
            "requests": metrics.requests_by_cache(name),
        })
    });
    shown.collect()
}
