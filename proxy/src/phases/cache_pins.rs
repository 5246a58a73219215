//! Pins of operators: which requests' responses are kept, and that they are.
//!
//! A pin is of a request: whatever is stored for it is pinned, also what is stored later. Owns the list, which is kept on disk
//! where anything is. Where a response is pinned, and what that means, is the engine's business.

mod book;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use tidegate_store::StateCopy;
use tokio::sync::Mutex;

use super::explain::{ask, understand};
use crate::admin::{CacheQuestion, PinsCache};
use crate::cache::disk::{DiskStore, LateCopies};
use crate::cache::engine::{NotPinned, Pin};
use crate::edge_proxy::EdgeProxy;
use book::{Book, NAME as BOOK, Page, Taken};

/// Between two looks whether everything pinned still is: it may have been stored anew.
const BETWEEN: Duration = Duration::from_secs(15);

/// How often, and between what pauses, something that is just being written is asked for.
const ASKINGS: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What operators have pinned.
pub(crate) struct Pins {
    proxy: Arc<EdgeProxy>,
    disk: Option<Arc<DiskStore>>,
    /// One order at a time: each is durable before the next.
    book: Mutex<Book>,
    /// The list as it was last, for who only asks.
    shown: parking_lot::Mutex<Value>,
}

/// As the operator's listener asks for them.
pub(crate) struct PinsOf(pub(crate) Arc<Pins>);

impl PinsCache for PinsOf {
    fn pin(&self, question: &CacheQuestion) -> BoxFuture<'static, (StatusCode, Value)> {
        let (pins, question) = (Arc::clone(&self.0), question.clone());
        async move { pins.pin(question).await }.boxed()
    }

    fn unpin(&self, question: &CacheQuestion) -> BoxFuture<'static, (StatusCode, Value)> {
        let (pins, question) = (Arc::clone(&self.0), question.clone());
        async move { pins.unpin(&question).await }.boxed()
    }

    fn list(&self) -> Value {
        self.0.shown.lock().clone()
    }
}

impl Pins {
    pub(crate) fn new(proxy: Arc<EdgeProxy>, disk: Option<Arc<DiskStore>>) -> Arc<Self> {
        let shown = parking_lot::Mutex::new(Book::default().shown());
        Arc::new(Self { proxy, disk, book: Mutex::default(), shown })
    }

    /// Reads what was pinned before the start, then sees to it that all of it stays so. Never ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let Some(disk) = &self.disk else {
            loop {
                self.look_after().await;
                tokio::time::sleep(BETWEEN).await;
            }
        };
        let late = LateCopies::follow(disk.store(), BOOK);
        let mut book = self.book.lock().await;
        let copies = disk.store().load_state(BOOK).await.copies;
        self.take(&mut book, copies, disk).await;
        drop(book);
        loop {
            disk.store().recovered().await;
            self.look_after().await;
            tokio::select! {
                () = tokio::time::sleep(BETWEEN) => {}
                () = late.come() => {
                    let mut book = self.book.lock().await;
                    self.take(&mut book, late.take(), disk).await;
                }
            }
        }
    }

    /// Takes what devices have, if it is later than what is known, and has those write the list that have another one.
    async fn take(&self, book: &mut Book, copies: Vec<StateCopy>, disk: &DiskStore) {
        let Taken { let_go, is_wanting } = book.take(copies);
        let_go.iter().filter_map(|page| page.state.as_ref().ok()).for_each(|pin| self.proxy.cache.unpin(pin));
        if is_wanting {
            book.write(disk).await;
        }
        *self.shown.lock() = book.shown();
    }

    /// Pins again what was stored anew, and lets go what nobody wants any more.
    async fn look_after(&self) {
        let questions: Vec<_> = self.book.lock().await.pages.iter().map(|page| page.question.clone()).collect();
        for question in questions {
            // Held for one at a time: orders do not wait for a thousand reads.
            let mut book = self.book.lock().await;
            let Some(number) = book.pages.iter().position(|page| page.question == question) else { continue };
            let state = self.pin_now(&question, book.pages[number].state.as_ref().ok()).await;
            match state {
                // Nothing has changed but that a newer one is on its way.
                Err(NotPinned::BeingWritten) => {}
                state => book.pages[number].state = state,
            }
        }
        let book = self.book.lock().await;
        self.proxy.cache.keep_pins(book.pages.iter().filter_map(|page| page.state.as_ref().ok()));
        *self.shown.lock() = book.shown();
    }

    async fn pin(&self, question: CacheQuestion) -> (StatusCode, Value) {
        if let Err(message) = understand(&question) {
            return refused(StatusCode::BAD_REQUEST, "invalid_query", &message);
        }
        let mut book = self.book.lock().await;
        if let Some(known) = book.pages.iter().find(|page| page.question == question) {
            return (StatusCode::OK, known.shown());
        }
        if let Err(message) = book.has_room_for(&question) {
            return refused(StatusCode::CONFLICT, "too_many_pins", message);
        }
        let mut state = self.pin_now(&question, None).await;
        for _ in 0..ASKINGS {
            if !matches!(state, Err(NotPinned::BeingWritten)) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            state = self.pin_now(&question, None).await;
        }
        if let Err(why) = state {
            let status = if why == NotPinned::NotStored { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
            return refused(status, why.as_str(), why.reason());
        }
        let page = Page { question, at: SystemTime::now(), state };
        let mut answer = page.shown();
        book.add(page);
        self.write(&mut book, &mut answer).await;
        (StatusCode::OK, answer)
    }

    async fn unpin(&self, question: &CacheQuestion) -> (StatusCode, Value) {
        let mut book = self.book.lock().await;
        let Some(number) = book.pages.iter().position(|page| page.question == *question) else {
            let message = "nothing is pinned by this URL and these fields; GET /cache/pins lists what is";
            return refused(StatusCode::NOT_FOUND, "not_pinned", message);
        };
        let page = book.remove(number);
        if let Ok(pin) = &page.state {
            self.proxy.cache.unpin(pin);
        }
        // Others may have pinned the same by other fields: they pin it again.
        for page in &book.pages {
            if let Ok(pin) = &page.state {
                drop(self.pin_now(&page.question, Some(pin)).await);
            }
        }
        self.proxy.cache.keep_pins(book.pages.iter().filter_map(|page| page.state.as_ref().ok()));
        let mut answer = page.shown();
        self.write(&mut book, &mut answer).await;
        (StatusCode::OK, answer)
    }

    /// Writes the list down, and says in an answer how far that is durable.
    async fn write(&self, book: &mut Book, answer: &mut Value) {
        *self.shown.lock() = book.shown();
        let (on, of) = match &self.disk {
            Some(disk) => book.write(disk).await,
            None => (0, 0),
        };
        answer["durable"] = json!({ "on": on, "devices": of });
    }

    async fn pin_now(&self, question: &CacheQuestion, known: Option<&Pin>) -> Result<Pin, NotPinned> {
        let Ok(understood) = understand(question) else { return Err(NotPinned::NotStored) };
        let asked = ask(&self.proxy, &understood);
        match asked {
            Some(asked) => self.proxy.cache.pin(&asked.lookup(), known).await,
            None => Err(NotPinned::NotStored),
        }
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "code": code, "message": message } }))
}
