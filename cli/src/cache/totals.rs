//! A node's sums as lines for people. The JSON has more.

use serde_json::Value;

use super::printable;

pub(super) fn to_text(stats: &Value) -> String {
    let mut lines = vec![format!("generation  {}", stats["generation"])];
    let memory = &stats["memory"];
    let counts = format!("{} objects, {} slices", memory["objects"], memory["slices"]);
    lines.push(format!("memory      {}, {counts}", filled(memory)));
    lines.extend(counted("            left", &memory["evictions"]));
    lines.extend(disk(&stats["disk"]));
    for site in array(&stats["sites"]) {
        lines.extend(of_site(site));
    }
    let tag = &stats["tag"];
    if tag.is_object() {
        let of = |tier: &str| format!("{} objects, {}", tag[tier]["objects"], size(&tag[tier]["body_bytes"]));
        let (memory, disk) = (of("memory"), of("disk"));
        lines.push(format!("tag         {}: {memory} in memory; {disk} on disk", text(&tag["tag"])));
    }
    lines.join("\n")
}

fn disk(disk: &Value) -> Vec<String> {
    if disk.is_null() {
        return vec!["disk        none".to_owned()];
    }
    let mut lines = vec![format!("disk        {}, {} records{}", filled(disk), disk["records"], amplified(disk))];
    if disk["pinned_bytes"] != 0 {
        lines.push(format!("            pinned: {}", size(&disk["pinned_bytes"])));
    }
    lines.extend(counted("            not taken", &disk["refused"]));
    for device in array(&disk["devices"]) {
        lines.push(format!("device      {}: {}", text(&device["device"]), state(device)));
        let (stored, counts) = (&device["stored"], &device["counted"]);
        if stored.is_object() {
            let index = size(&stored["index_memory_bytes"]);
            let records = format!("{} records, index {index} of memory", stored["records"]);
            lines.push(format!("            {}, {records}{}", filled(stored), amplified(stored)));
        }
        lines.push(format!("            recovered {} records", counts["recovered"]));
        for (what, figures) in
            [("discarded", "discarded"), ("reads", "reads"), ("left", "evicted"), ("not written", "not_written")]
        {
            lines.extend(counted(&format!("            {what}"), &counts[figures]));
        }
    }
    lines
}

/// The state of a device, and why where it is not the usual one.
fn state(device: &Value) -> String {
    let state = text(&device["state"]);
    match device["why"].as_str().filter(|why| !why.is_empty() && state != "working") {
        Some(_) => format!("{state} for {} s: {}", device["state_for"], text(&device["why"])),
        None => state,
    }
}

fn of_site(site: &Value) -> Vec<String> {
    let (memory, disk) = (&site["memory"], &site["disk"]);
    let share = match (disk["floor_bytes"].as_u64(), disk["ceiling_bytes"].as_u64()) {
        (Some(_), Some(_)) => format!(" (share {} to {})", size(&disk["floor_bytes"]), size(&disk["ceiling_bytes"])),
        _ => String::new(),
    };
    let in_memory = format!("{} in memory ({} objects)", size(&memory["bytes"]), memory["objects"]);
    let mut lines =
        vec![format!("site        {}: {in_memory}, {} on disk{share}", text(&site["site"]), size(&disk["bytes"]))];
    lines.extend(counted("            requests", &site["requests"]));
    lines
}

fn filled(tier: &Value) -> String {
    format!("{} of {}", size(&tier["bytes"]), size(&tier["capacity_bytes"]))
}

fn amplified(tier: &Value) -> String {
    tier["write_amplification"].as_f64().map_or_else(String::new, |factor| format!(", written {factor:.2} times"))
}

/// `name: 3 this, 4 that`, of what there is any.
fn counted(name: &str, counts: &Value) -> Option<String> {
    let some = counts.as_object()?.iter().filter(|(_, count)| **count != 0);
    let some: Vec<String> = some.map(|(what, count)| format!("{count} {}", what.replace('_', " "))).collect();
    (!some.is_empty()).then(|| format!("{name}: {}", some.join(", ")))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or("?"))
}

fn size(bytes: &Value) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let bytes = bytes.as_u64().unwrap_or(0);
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_are_told_tier_by_tier_and_site_by_site() {
        let stats = json!({
            "generation": 17,
            "memory": {
                "bytes": 3 << 20, "capacity_bytes": 64 << 20, "objects": 2, "slices": 1,
                "evictions": { "capacity": 0, "replaced": 4 },
            },
            "disk": {
                "bytes": 1536, "capacity_bytes": 5_u64 << 30, "records": 7, "pinned_bytes": 0, "write_amplification": 1.254,
                "refused": { "not_admitted": 3 },
                "devices": [
                    { "device": "/a", "state": "working", "why": "opened", "counted": { "recovered": 7, "discarded": {} },
                      "stored": { "bytes": 1536, "capacity_bytes": 5_u64 << 30, "records": 7, "index_memory_bytes": 9 } },
                    { "device": "/b", "state": "failed", "why": "no such device", "state_for": 9,
                      "counted": { "recovered": 0, "discarded": { "damaged_entry": 2 } } },
                ],
            },
            "sites": [{
                "site": "media", "memory": { "bytes": 10, "objects": 2 }, "requests": { "hit": 5 },
                "disk": { "bytes": 1536, "floor_bytes": 1024, "ceiling_bytes": 4096 },
            }],
            "tag": { "tag": "t", "memory": { "objects": 1, "body_bytes": 10 }, "disk": { "objects": 0, "body_bytes": 0 } },
        });
        let expected = "\
generation  17
memory      3.0 MiB of 64.0 MiB, 2 objects, 1 slices
            left: 4 replaced
disk        1.5 KiB of 5.0 GiB, 7 records, written 1.25 times
            not taken: 3 not admitted
device      /a: working
            1.5 KiB of 5.0 GiB, 7 records, index 9 B of memory
            recovered 7 records
device      /b: failed for 9 s: no such device
            recovered 0 records
            discarded: 2 damaged entry
site        media: 10 B in memory (2 objects), 1.5 KiB on disk (share 1.0 KiB to 4.0 KiB)
            requests: 5 hit
tag         t: 1 objects, 10 B in memory; 0 objects, 0 B on disk";
        assert_eq!(to_text(&stats), expected);
        let bare = json!({ "generation": 1, "memory": {}, "disk": null, "sites": [] });
        assert!(to_text(&bare).ends_with("disk        none"));
    }
}
