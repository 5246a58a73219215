//! Pages of what is stored: first all that is in memory, then all that is on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tidegate_store::{Listed, StoreCursor};

use super::{Contents, name_of};
use crate::admin::{ListedTier, ListingQuestion};
use crate::cache::disk::DiskStore;
use crate::cache::engine::{Kind, MemoryCursor, StoredEntry, Wanted, site_tag};
use crate::cache::purge::Mode;

/// How long one page may take, on disks where little is wanted of much; what came until then is answered.
const LONGEST: Duration = Duration::from_secs(2);

/// Records that the store is asked for at once.
const RECORDS_AT_ONCE: usize = 64;

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    Memory(MemoryCursor),
    Disk(StoreCursor),
}

impl Cursor {
    fn of(text: &str) -> Option<Self> {
        let (tier, place) = text.split_once('.')?;
        match tier {
            "m" => place.parse().ok().map(Self::Memory),
            "d" => place.parse().ok().map(Self::Disk),
            _ => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Memory(place) => format!("m.{place}"),
            Self::Disk(place) => format!("d.{place}"),
        }
    }
}

/// What a page has, while it is made.
struct Page {
    entries: Vec<Value>,
    /// Stored things that were looked at for it.
    looked_at: usize,
    next: Option<Cursor>,
}

pub(super) async fn page(contents: &Contents, question: &ListingQuestion) -> Result<Value, String> {
    let names = contents.site_names();
    let wanted = wanted(contents, question, &names)?;
    let cursor = match question.cursor.as_deref() {
        Some(text) => Cursor::of(text).ok_or_else(|| format!("{text:?} is no cursor of an answer of this node"))?,
        None if question.tier == Some(ListedTier::Disk) => Cursor::Disk(StoreCursor::default()),
        None => Cursor::Memory(MemoryCursor::default()),
    };
    let page = match (cursor, &contents.disk) {
        (Cursor::Memory(cursor), disk) => {
            let mut page = of_memory(contents, &names, wanted, cursor, question.limit).await;
            if page.next.is_none() && question.tier.is_none() && disk.is_some() {
                page.next = Some(Cursor::Disk(StoreCursor::default()));
            }
            page
        }
        (Cursor::Disk(cursor), Some(disk)) => of_disk(contents, disk, &names, &wanted, cursor, question.limit).await,
        (Cursor::Disk(_), None) => Page { entries: Vec::new(), looked_at: 0, next: None },
    };
    Ok(json!({ "entries": page.entries, "looked_at": page.looked_at, "next": page.next.map(Cursor::text) }))
}

fn wanted(contents: &Contents, question: &ListingQuestion, names: &HashMap<u32, String>) -> Result<Wanted, String> {
    let site = match question.site.as_deref() {
        Some(name) if !names.contains_key(&site_tag(name)) => return Err(format!("there is no site {name:?}")),
        site => site.map(site_tag),
    };
    let tag = question.tag.as_deref().and_then(|tag| contents.proxy.cache.tag(tag));
    Ok(Wanted { site, tag, prefix: question.prefix.clone() })
}

async fn of_memory(
    contents: &Contents,
    names: &HashMap<u32, String>,
    wanted: Wanted,
    cursor: MemoryCursor,
    limit: usize,
) -> Page {
    let cache = Arc::clone(&contents.proxy.cache);
    let listed = tokio::task::spawn_blocking(move || cache.list_memory(&wanted, cursor, limit)).await;
    // It ends early only with the node.
    let Ok(listed) = listed else { return Page { entries: Vec::new(), looked_at: 0, next: None } };
    let entries: Vec<Value> = listed.entries.iter().map(|entry| shown(entry, "memory", names)).collect();
    Page { looked_at: entries.len(), entries, next: listed.next.map(Cursor::Memory) }
}

async fn of_disk(
    contents: &Contents,
    disk: &DiskStore,
    names: &HashMap<u32, String>,
    wanted: &Wanted,
    cursor: StoreCursor,
    limit: usize,
) -> Page {
    let begun = Instant::now();
    let mut page = Page { entries: Vec::new(), looked_at: 0, next: Some(Cursor::Disk(cursor)) };
    while let Some(Cursor::Disk(cursor)) = page.next
        && page.entries.len() + RECORDS_AT_ONCE <= limit.max(RECORDS_AT_ONCE)
        && begun.elapsed() < LONGEST
    {
        let listing = disk.store().entries(cursor, RECORDS_AT_ONCE.min(limit)).await;
        let now = SystemTime::now();
        page.looked_at += listing.entries.len();
        page.entries.extend(listing.entries.iter().filter_map(|record| on_disk(contents, record, wanted, names, now)));
        page.next = listing.next.map(Cursor::Disk);
    }
    page
}

fn on_disk(
    contents: &Contents,
    record: &Listed,
    wanted: &Wanted,
    names: &HashMap<u32, String>,
    now: SystemTime,
) -> Option<Value> {
    let Listed { device, place, head } = record;
    let written = (head.key.as_bytes(), Kind::of(head.kind)?, &head.head[..]);
    let entry = contents.proxy.cache.describe_record(written, place.site, wanted, now)?;
    let mut value = shown(&entry, "disk", names);
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    value["device"] = json!(&**device);
    value["bytes"] = json!(place.length);
    value["kept_for"] = json!(place.expires.saturating_sub(since_1970));
    value["reads"] = json!(place.reads);
    value["pinned"] = json!(place.pinned);
    Some(value)
}

fn shown(entry: &StoredEntry, tier: &str, names: &HashMap<u32, String>) -> Value {
    let parts: Vec<&str> = entry.key.parts().lines().filter(|part| !part.is_empty()).collect();
    json!({
        "url": entry.key.resource(),
        "parts": parts,
        "variant": entry.is_variant,
        "tier": tier,
        "site": name_of(names, entry.site),
        "status": entry.status.as_u16(),
        "length": entry.length,
        "slices": entry.slices,
        "bytes": entry.weight,
        "pinned": entry.pinned,
        "age": entry.age,
        "fresh_for": entry.fresh_for,
        "generation": entry.born.0,
        "tags": entry.tags.map_or_else(|| json!("all"), |count| json!(count)),
        "purged": entry.purged.map(|(purged, mode)| json!({
            "generation": purged.generation.0,
            "mode": match mode { Mode::Hard => "hard", Mode::Soft => "soft" },
        })),
    })
}
