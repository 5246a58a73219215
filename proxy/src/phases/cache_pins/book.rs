//! The list of pins, and how it is kept on disk: as JSON, whole, a copy on each device.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_store::StateCopy;

use crate::admin::CacheQuestion;
use crate::cache::disk::DiskStore;
use crate::cache::engine::{NotPinned, Pin};

/// Its name on a device.
pub(super) const NAME: &str = "pins";

/// Of what is written.
const VERSION: u32 = 1;

/// Pins at most. Each is looked after every few seconds.
const MOST_PINS: usize = 1000;

/// Orders that are remembered for devices that come later.
const MOST_ORDERS: usize = 4 * MOST_PINS;

/// Bytes of all pins' URLs and fields: less than any device keeps for state.
const MOST_BYTES: usize = 128 << 10;

/// All pins.
#[derive(Default)]
pub(super) struct Book {
    pub(super) pages: Vec<Page>,
    /// Which list it is: of several copies the one with the greatest number counts.
    edition: u64,
    /// The latest edition that was read, of a process before this one.
    read: u64,
    /// The first edition of this process.
    first_own: Option<u64>,
    /// What was pinned or let go since the start: of these, what a device has that comes later does not count.
    orders: Vec<CacheQuestion>,
}

/// What came of taking lists of devices.
#[derive(Default)]
pub(super) struct Taken {
    /// What is pinned no more by that.
    pub(super) let_go: Vec<Page>,
    /// Whether a device has another list than this one.
    pub(super) is_wanting: bool,
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

    /// One more.
    pub(super) fn add(&mut self, page: Page) {
        self.ordered(&page.question);
        self.pages.push(page);
    }

    /// One less.
    pub(super) fn remove(&mut self, number: usize) -> Page {
        let page = self.pages.remove(number);
        self.ordered(&page.question);
        page
    }

    fn ordered(&mut self, question: &CacheQuestion) {
        self.orders.retain(|known| known != question);
        if self.orders.len() >= MOST_ORDERS {
            self.orders.remove(0);
        }
        self.orders.push(question.clone());
    }

    /// Takes the latest of the lists that devices have, where that is later than what was read before. What was ordered
    /// since the start counts in the stead of what it says.
    pub(super) fn take(&mut self, copies: Vec<StateCopy>) -> Taken {
        let lists: Vec<Option<Written>> = copies.into_iter().map(Written::of).collect();
        let editions: Vec<u64> = lists.iter().map(|list| list.as_ref().map_or(0, |list| list.edition)).collect();
        let own = self.first_own.map(|first| first..=self.edition);
        let is_own = |edition: u64| own.as_ref().is_some_and(|own| own.contains(&edition));
        let later = lists.into_iter().flatten().filter(|list| list.edition > self.read && !is_own(list.edition));
        let later = later.max_by_key(|list| list.edition);
        let is_behind = later.is_some() && self.first_own.is_some();
        let let_go = later.map_or_else(Vec::new, |later| self.go_on_from(later));
        Taken { let_go, is_wanting: is_behind || editions.iter().any(|edition| *edition != self.edition) }
    }

    fn go_on_from(&mut self, later: Written) -> Vec<Page> {
        self.read = later.edition;
        self.edition = self.edition.max(later.edition);
        let (mut pages, mut known): (Vec<Page>, Vec<Page>) =
            self.pages.drain(..).partition(|page| self.orders.contains(&page.question));
        for page in later.pins.into_iter().map(Page::of).filter(|page| !self.orders.contains(&page.question)) {
            let place = known.iter().position(|known| known.question == page.question);
            pages.push(place.map_or(page, |place| known.swap_remove(place)));
        }
        pages.sort_by_key(|page| page.at);
        let mut let_go = pages.split_off(pages.len().min(MOST_PINS));
        self.pages = pages;
        let_go.append(&mut known);
        let_go
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
        self.first_own.get_or_insert(self.edition);
        let pins = self.pages.iter().map(Page::written).collect();
        let written = Written { version: VERSION, edition: self.edition, pins };
        // Texts and numbers alone: it cannot fail.
        serde_json::to_vec(&written).unwrap_or_default().into()
    }
}

impl Written {
    /// The list that a device has.
    fn of(copy: StateCopy) -> Option<Self> {
        let StateCopy { device, blob } = copy;
        let blob = blob?;
        let list = blob.parts.first().and_then(|list| serde_json::from_slice::<Self>(list).ok());
        let list = list.filter(|list| list.version == VERSION);
        if list.is_none() {
            log::warn!(device = device.as_ref(), unreadable_bytes = blob.unreadable_bytes;
                "the list of pins on the device is damaged or of another version, and not used");
        }
        list
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
    use tidegate_store::StateBlob;

    use super::*;

    fn page(url: &str) -> Page {
        let question =
            CacheQuestion { url: url.to_owned(), fields: vec!["A: b".to_owned()], ..CacheQuestion::default() };
        Page { question, at: UNIX_EPOCH + Duration::from_secs(7), state: Err(NotPinned::NotStored) }
    }

    fn copy(list: impl Into<Bytes>) -> StateCopy {
        let blob = StateBlob { parts: vec![list.into()], unreadable_bytes: 0, torn_tail_bytes: 0 };
        StateCopy { device: "/disk".into(), blob: Some(blob) }
    }

    fn urls(book: &Book) -> Vec<&str> {
        book.pages.iter().map(|page| page.question.url.as_str()).collect()
    }

    #[test]
    fn latest_list_comes_back_and_what_is_not_understood_is_left_out() {
        let mut book = Book::default();
        book.add(page("https://a.test/old"));
        let old = book.next_edition();
        book.add(page("https://a.test/new?a=\"b\""));
        let new = book.next_edition();
        for (lists, is_wanting) in [
            (vec![old.clone(), new.clone()], true),
            (vec![new.clone(), old, "{".into()], true),
            (vec![new.clone()], false),
        ] {
            let mut read = Book::default();
            let taken = read.take(lists.into_iter().map(copy).collect());
            assert_eq!((taken.is_wanting, taken.let_go.len()), (is_wanting, 0));
            let questions =
                |book: &Book| book.pages.iter().map(|page| (page.question.clone(), page.at)).collect::<Vec<_>>();
            assert_eq!(questions(&read), questions(&book));
            assert!(read.next_edition() > new, "an edition grows");
        }
        let mut none = Book::default();
        none.take(vec![copy("{\"version\": 2, \"edition\": 1, \"pins\": []}"), copy("")]);
        assert!(none.pages.is_empty());
    }

    #[test]
    fn list_of_a_device_that_comes_late_counts_but_for_what_was_ordered_meanwhile() {
        let mut before = Book::default();
        for url in ["a", "b", "c"] {
            before.add(page(url));
        }
        let earlier = before.next_edition();
        before.remove(0);
        before.add(page("d"));
        let later = before.next_edition();

        let mut book = Book::default();
        book.take(vec![copy(earlier.clone())]);
        assert_eq!(urls(&book), ["a", "b", "c"]);
        book.remove(1);
        book.add(page("e"));
        let own = book.next_edition();
        let taken = book.take(vec![copy(later.clone())]);
        assert_eq!(urls(&book), ["e", "c", "d"], "b was let go since the start, a before");
        assert_eq!(taken.let_go.iter().map(|page| page.question.url.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(taken.is_wanting);
        let merged = book.next_edition();
        for (what, known, is_wanting) in
            [("earlier", earlier, true), ("later", later, true), ("own", own, true), ("merged", merged, false)]
        {
            let taken = book.take(vec![copy(known)]);
            assert_eq!((taken.let_go.len(), taken.is_wanting), (0, is_wanting), "{what}");
            assert_eq!(urls(&book), ["e", "c", "d"], "{what}");
        }
    }

    #[test]
    fn list_goes_to_a_device_that_has_none() {
        let empty = || vec![StateCopy { device: "/disk".into(), blob: None }];
        let mut book = Book::default();
        assert!(!book.take(empty()).is_wanting, "there is nothing to write");
        book.add(page("a"));
        book.next_edition();
        assert!(book.take(empty()).is_wanting);
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
