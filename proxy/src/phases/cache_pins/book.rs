//! The list of pins, and how it is kept on disk: as JSON, whole, a copy on each device.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admin::CacheQuestion;
use crate::cache::disk::DiskStore;
use crate::cache::engine::{NotPinned, Pin};

/// Its name on a device.
const NAME: &str = "pins";

/// Of what is written.
const VERSION: u32 = 1;

/// Pins at most. Each is looked after every few seconds.
const MOST_PINS: usize = 1000;

/// Bytes of all pins' URLs and fields: less than any device keeps for state.
const MOST_BYTES: usize = 128 << 10;

/// All pins.
#[derive(Default)]
pub(super) struct Book {
    pub(super) pages: Vec<Page>,
    /// Which list it is: of several copies the one with the greatest number counts.
    edition: u64,
}

/// One pin.
pub(super) struct Page {
    pub(super) question: CacheQuestion,
    pub(super) at: SystemTime,
    pub(super) state: Result<Pin, NotPinned>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    edition: u64,
    pins: Vec<WrittenPin>,
}

#[derive(Serialize, Deserialize)]
struct WrittenPin {
    url: String,
    method: Option<String>,
    fields: Vec<String>,
    client: Option<IpAddr>,
    at: u64,
}

impl Book {
    /// Whether one more has room.
    pub(super) fn has_room_for(&self, question: &CacheQuestion) -> Result<(), &'static str> {
        let bytes =
            |question: &CacheQuestion| question.url.len() + question.fields.iter().map(String::len).sum::<usize>();
        let sum: usize = self.pages.iter().map(|page| bytes(&page.question)).sum();
        if self.pages.len() >= MOST_PINS {
            return Err("a node has 1000 pins at most; unpin something");
        }
        if sum + bytes(question) > MOST_BYTES {
            return Err("the URLs and fields of all pins have 128 KiB at most; unpin something");
        }
        Ok(())
    }

    pub(super) fn shown(&self) -> Value {
        json!({ "pins": self.pages.iter().map(Page::shown).collect::<Vec<_>>() })
    }

    /// Takes the latest list of all devices.
    pub(super) async fn read(&mut self, disk: &DiskStore) {
        let copies = disk.store().load_state(NAME).await;
        let parts = copies.into_iter().filter_map(|copy| copy.blob?.parts.into_iter().next());
        self.take(parts);
    }

    fn take(&mut self, lists: impl Iterator<Item = Bytes>) {
        let lists = lists.filter_map(|list| match serde_json::from_slice::<Written>(&list) {
            Ok(written) if written.version == VERSION => Some(written),
            _ => {
                log::warn!("a list of pins on disk is not understood, and not used");
                None
            }
        });
        if let Some(latest) = lists.max_by_key(|list| list.edition) {
            self.edition = latest.edition;
            self.pages = latest.pins.into_iter().take(MOST_PINS).map(Page::of).collect();
        }
    }

    /// Writes the list; on how many devices it is, of how many.
    pub(super) async fn write(&mut self, disk: &DiskStore) -> (usize, usize) {
        let list = self.next_edition();
        let saved = disk.store().save_state(NAME, list).await;
        for (device, why) in &saved.failed {
            log::warn!(device = device.as_ref(); "the list of pins could not be written: {why}");
        }
        (saved.devices, saved.devices + saved.failed.len())
    }

    fn next_edition(&mut self) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.edition = (self.edition + 1).max(u64::try_from(now.as_micros()).unwrap_or(0));
        let pins = self.pages.iter().map(Page::written).collect();
        let written = Written { version: VERSION, edition: self.edition, pins };
        // Texts and numbers alone: it cannot fail.
        serde_json::to_vec(&written).unwrap_or_default().into()
    }
}

impl Page {
    fn of(written: WrittenPin) -> Self {
        let WrittenPin { url, method, fields, client, at } = written;
        let question = CacheQuestion { url, method, fields, client };
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(at)).unwrap_or(UNIX_EPOCH);
        Self { question, at, state: Err(NotPinned::NotStored) }
    }

    fn written(&self) -> WrittenPin {
        let CacheQuestion { url, method, fields, client } = self.question.clone();
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        WrittenPin { url, method, fields, client, at }
    }

    pub(super) fn shown(&self) -> Value {
        let CacheQuestion { url, fields, client, .. } = &self.question;
        json!({
            "url": url,
            "fields": fields,
            "client": client,
            "ago": self.at.elapsed().unwrap_or_default().as_secs(),
            "pinned_in": self.state.as_ref().ok().map(|pin| pin.place.as_str()),
            "not_pinned": self.state.as_ref().err().map(|why| json!({ "code": why.as_str(), "message": why.reason() })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str) -> Page {
        let question =
            CacheQuestion { url: url.to_owned(), fields: vec!["A: b".to_owned()], ..CacheQuestion::default() };
        Page { question, at: UNIX_EPOCH + Duration::from_secs(7), state: Err(NotPinned::NotStored) }
    }

    #[test]
    fn latest_list_comes_back_and_what_is_not_understood_is_left_out() {
        let mut book = Book::default();
        book.pages.push(page("https://a.test/old"));
        let old = book.next_edition();
        book.pages.push(page("https://a.test/new?a=\"b\""));
        let new = book.next_edition();
        for lists in [vec![old.clone(), new.clone()], vec![new.clone(), old, Bytes::from_static(b"{")]] {
            let mut read = Book::default();
            read.take(lists.into_iter());
            let questions =
                |book: &Book| book.pages.iter().map(|page| (page.question.clone(), page.at)).collect::<Vec<_>>();
            assert_eq!(questions(&read), questions(&book));
            assert!(read.next_edition() > new, "an edition grows");
        }
        let mut none = Book::default();
        none.take([Bytes::from_static(b"{\"version\": 2, \"edition\": 1, \"pins\": []}"), Bytes::new()].into_iter());
        assert!(none.pages.is_empty());
    }

    #[test]
    fn list_has_bounds() {
        let mut book = Book::default();
        assert!(book.has_room_for(&page("https://a.test/").question).is_ok());
        assert!(book.has_room_for(&page(&"x".repeat(MOST_BYTES)).question).is_err());
        book.pages.extend((0..MOST_PINS).map(|number| page(&number.to_string())));
        assert!(book.has_room_for(&page("https://a.test/").question).is_err());
    }
}
