//! Coded forms of stored bodies: made once each, off the threads that serve, and kept as long as their body.
//!
//! Owns where they are kept and who makes them, within bounds of memory and of processors, and that the memory tier weighs
//! them with what they are forms of. Who gets one is
//! [`crate::cache::compression`]'s to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_config::model::Coding;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::body::{Body, Reader};
use super::budget::{Budget, Reservation};
use super::memory::{FullKey, Scale};
use crate::cache::compression::encode;
use crate::telemetry::{CompressionOutcome, Metrics};

/// Part of the memory tier's capacity that coded forms may take. Text is a small part of what a media cache holds, and
/// coded a quarter of that.
const SHARE_OF_CAPACITY: u64 = 8;

/// Bodies that may wait to be coded. Each takes milliseconds; who finds no place is served without.
const MAX_WAITING: usize = 256;

/// How long a body that is still arriving is waited for. A playlist comes in one piece right behind its head; where
/// it does not, its client is better served with what is there.
const ARRIVAL_PATIENCE: Duration = Duration::from_millis(250);

/// Part of a body's length for which there must be room before it is coded: text shrinks to about that, and what was
/// coded in vain would have taken milliseconds of a processor.
const EXPECTED_SHARE: u64 = 4;

/// Bytes that a form takes beside its own, rounded up.
const FORM_OVERHEAD: u64 = 512;

/// How long a body is served as it is after there was no room for its coded form. Room comes with evictions, and each
/// hit that asks for it takes the long way.
const NO_ROOM_LIFETIME: Duration = Duration::from_secs(10);

/// The coded forms of one body.
#[derive(Default)]
pub(super) struct CodedForms {
    cells: [OnceCell<Form>; 3],
    /// Until when there is no room for any more of them.
    no_room_until: Mutex<Option<Instant>>,
}

/// What has become of coding a body.
enum Form {
    /// It is shorter.
    Shorter(Arc<Body>, #[expect(dead_code, reason = "given back when the form goes")] Reservation),
    /// It is not, and is not kept.
    Useless,
}

/// What there is in a coding.
pub enum Coded {
    /// The coded body.
    Form(Arc<Body>),
    /// Coding it would gain nothing.
    Useless,
    /// There was no room for it a moment ago.
    NoRoom,
    /// Nobody has coded it yet.
    Unknown,
}

impl CodedForms {
    fn cell(&self, coding: Coding) -> &OnceCell<Form> {
        let [zstd, brotli, gzip] = &self.cells;
        match coding {
            Coding::Zstd => zstd,
            Coding::Brotli => brotli,
            Coding::Gzip => gzip,
        }
    }

    fn get(&self, coding: Coding) -> Coded {
        match self.cell(coding).get() {
            Some(Form::Shorter(body, _)) => Coded::Form(Arc::clone(body)),
            Some(Form::Useless) => Coded::Useless,
            None if self.has_no_room() => Coded::NoRoom,
            None => Coded::Unknown,
        }
    }

    fn has_no_room(&self) -> bool {
        self.no_room_until.lock().is_some_and(|until| Instant::now() < until)
    }
}

/// The forms of a body that has some. Most have none and take no room for them.
#[derive(Default)]
pub(super) struct Forms {
    made: OnceLock<Box<CodedForms>>,
    /// Where the body is stored.
    place: OnceLock<FullKey>,
    /// The entry is put in its own place, with its new weight.
    is_being_weighed: AtomicBool,
}

impl Forms {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Notes where the body is stored.
    pub(super) fn stored_at(&self, place: &FullKey) {
        let _first = self.place.set(place.clone());
    }

    pub(super) fn is_being_weighed(&self) -> bool {
        self.is_being_weighed.load(Ordering::Acquire)
    }

    /// Bytes of all of them.
    pub(super) fn weight(&self) -> u64 {
        self.made.get().map_or(0, |forms| forms.cells.iter().filter_map(OnceCell::get).map(Form::weight).sum())
    }

    /// Has the tier weigh the body again.
    fn weigh(&self, body: &Arc<Body>, scale: &Scale) {
        let Some(place) = self.place.get() else { return }; // it is weighed with them when it is stored
        self.is_being_weighed.store(true, Ordering::Release);
        scale.weigh_again(place, body);
        self.is_being_weighed.store(false, Ordering::Release);
    }
}

impl Form {
    fn weight(&self) -> u64 {
        match self {
            Self::Shorter(body, _) => body.length().unwrap_or(0) + FORM_OVERHEAD,
            Self::Useless => 0,
        }
    }
}

/// Why a body is not coded now.
struct NotNow;

/// Who codes bodies.
pub(super) struct Workshop {
    waiting: Arc<Budget>,
    benches: Semaphore,
    scale: Scale,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl Workshop {
    /// One for a memory tier of this capacity, which has what it makes weighed. It takes half of the processors at most.
    pub(super) fn new(capacity: u64, scale: Scale, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            waiting: Budget::new(MAX_WAITING, capacity / SHARE_OF_CAPACITY),
            benches: Semaphore::new(processors.div_ceil(2)),
            scale,
            runtime,
            metrics,
        })
    }

    /// The body in this coding, made if need be: `None` where it gains nothing, is not complete, or there is no room
    /// now. Whoever asks meanwhile waits for the same one, and it is made also when all of them leave.
    pub(super) async fn form(self: &Arc<Self>, body: &Arc<Body>, coding: Coding) -> Option<Arc<Body>> {
        match body.coded(coding) {
            Coded::Form(form) => return Some(form),
            Coded::Useless | Coded::NoRoom => return None,
            Coded::Unknown => {}
        }
        let (workshop, growing) = (Arc::clone(self), Arc::clone(body));
        let making = self.runtime.spawn(async move {
            let forms = growing.forms.made.get_or_init(Box::default);
            let made = forms.cell(coding).get_or_try_init(|| workshop.make(&growing, forms, coding)).await.is_ok();
            if made {
                growing.forms.weigh(&growing, &workshop.scale);
            }
            made
        });
        let Ok(true) = making.await else { return None };
        match body.coded(coding) {
            Coded::Form(form) => Some(form),
            Coded::Useless | Coded::NoRoom | Coded::Unknown => None,
        }
    }

    /// Makes a form, if there is a place and room. Who joins meanwhile takes neither, and comes here only when the one
    /// before failed.
    async fn make(&self, body: &Arc<Body>, forms: &CodedForms, coding: Coding) -> Result<Form, NotNow> {
        if forms.has_no_room() {
            return Err(NotNow);
        }
        let refused = || self.metrics.compressed(coding, CompressionOutcome::Refused);
        let _admission = self.waiting.admit().ok_or(NotNow).inspect_err(|_| refused())?;
        let expected = body.length().ok_or(NotNow)?.div_ceil(EXPECTED_SHARE);
        let mut reservation = self.waiting.reservation();
        if !reservation.grow(expected) {
            *forms.no_room_until.lock() = Some(Instant::now() + NO_ROOM_LIFETIME);
            refused();
            return Err(NotNow);
        }
        let _bench = self.benches.acquire().await.map_err(|_closed| NotNow)?;
        let length = body.length().ok_or(NotNow)?;
        let whole = Arc::clone(body);
        let encoded = self.runtime.spawn_blocking(move || encode(coding, whole.blocks())).await;
        let bytes = match encoded {
            Ok(Ok(bytes)) if (bytes.len() as u64) < length => bytes,
            Ok(Ok(_)) => {
                self.metrics.compressed(coding, CompressionOutcome::Useless);
                return Ok(Form::Useless);
            }
            Ok(Err(error)) => {
                log::warn!("a body of {length} bytes could not be coded as {coding:?}: {error}");
                return Ok(Form::Useless);
            }
            Err(_stopping) => return Err(NotNow),
        };
        let room = bytes.len() as u64;
        reservation.resize(room);
        if reservation.bytes() < room {
            *forms.no_room_until.lock() = Some(Instant::now() + NO_ROOM_LIFETIME);
            refused();
            return Err(NotNow);
        }
        self.metrics.compressed(coding, CompressionOutcome::Coded);
        Ok(Form::Shorter(Body::complete(bytes.into()), reservation))
    }
}

impl Body {
    /// What there is of it in this coding, at this moment.
    #[must_use]
    pub fn coded(&self, coding: Coding) -> Coded {
        self.forms.made.get().map_or(Coded::Unknown, |forms| forms.get(coding))
    }

    /// A body of these bytes.
    fn complete(bytes: Bytes) -> Arc<Self> {
        let body = Self::growing();
        body.put(bytes);
        body.finish();
        body
    }
}

impl Reader {
    /// Waits a moment for the body to be complete; whether it is.
    pub async fn soon_complete(&self) -> bool {
        let complete = tokio::time::timeout(ARRIVAL_PATIENCE, self.length_when_complete()).await;
        matches!(complete, Ok(Ok(Some(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::engine::memory::MemoryTier;

    fn workshop(capacity: u64) -> Arc<Workshop> {
        let tier = MemoryTier::new(1 << 30, Metrics::new("test"));
        Workshop::new(capacity, tier.scale(), Handle::current(), Metrics::new("test"))
    }

    fn playlist() -> Arc<Body> {
        Body::complete("#EXTINF:4.0,\nsegment.m4s\n".repeat(200).into())
    }

    async fn read(body: &Arc<Body>) -> Vec<u8> {
        let mut reader = body.reader(0).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next(1 << 20).await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    #[tokio::test]
    async fn body_is_coded_once_for_all_who_ask() {
        let (workshop, body) = (workshop(1 << 20), playlist());
        assert!(matches!(body.coded(Coding::Gzip), Coded::Unknown));
        let asking = (0..20).map(|_| workshop.form(&body, Coding::Gzip));
        let forms: Vec<_> = futures::future::join_all(asking).await.into_iter().map(Option::unwrap).collect();
        assert!(forms.iter().all(|form| Arc::ptr_eq(form, &forms[0])));
        assert!(matches!(body.coded(Coding::Gzip), Coded::Form(form) if Arc::ptr_eq(&form, &forms[0])));
        assert!(matches!(body.coded(Coding::Brotli), Coded::Unknown));
        assert!(forms[0].length() < body.length());
        assert!(workshop.metrics.render().contains("tidegate_compressions_total{coding=\"gzip\",outcome=\"coded\"} 1"));
        assert_eq!(read(&body).await, "#EXTINF:4.0,\nsegment.m4s\n".repeat(200).as_bytes(), "itself untouched");
    }

    #[tokio::test]
    async fn what_gains_nothing_is_tried_once() {
        let workshop = workshop(1 << 20);
        let body = Body::complete(Bytes::from_static(b"abc"));
        assert!(workshop.form(&body, Coding::Zstd).await.is_none());
        assert!(matches!(body.coded(Coding::Zstd), Coded::Useless));
        assert_eq!(workshop.waiting.in_use(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn coded_forms_take_no_more_memory_than_their_share_and_give_it_back() {
        let bodies: Vec<_> = (0..4).map(|_| playlist()).collect();
        let one = workshop(1 << 20).form(&bodies[0], Coding::Gzip).await.unwrap().length().unwrap();
        let expected = bodies[0].length().unwrap().div_ceil(EXPECTED_SHARE);
        let workshop = workshop(SHARE_OF_CAPACITY * (expected + one - 1));
        assert!(workshop.form(&bodies[1], Coding::Gzip).await.is_some());
        assert_eq!(workshop.waiting.in_use(), (0, one));
        assert!(workshop.form(&bodies[2], Coding::Gzip).await.is_none());
        assert!(matches!(bodies[2].coded(Coding::Gzip), Coded::NoRoom), "another time, perhaps");
        tokio::time::advance(NO_ROOM_LIFETIME).await;
        let mut bodies = bodies.into_iter().skip(1);
        drop(bodies.next());
        assert!(workshop.form(&bodies.next().unwrap(), Coding::Gzip).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn body_without_room_is_not_coded_in_vain_and_not_asked_about_for_a_while() {
        let (workshop, body) = (workshop(SHARE_OF_CAPACITY), playlist());
        let busy = workshop.benches.acquire_many(workshop.benches.available_permits() as u32).await.unwrap();
        for _ in 0..3 {
            let refused = tokio::time::timeout(Duration::from_secs(1), workshop.form(&body, Coding::Gzip)).await;
            assert!(refused.expect("it waits for no bench").is_none());
            assert!(!matches!(body.coded(Coding::Gzip), Coded::Unknown), "hits need not ask");
        }
        drop(busy);
        assert!(
            workshop.metrics.render().contains("tidegate_compressions_total{coding=\"gzip\",outcome=\"refused\"} 1")
        );
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(matches!(body.coded(Coding::Gzip), Coded::Unknown), "another time, perhaps");
    }

    #[tokio::test]
    async fn those_who_join_take_no_place_of_those_who_code() {
        let (workshop, body) = (workshop(1 << 20), playlist());
        let busy = workshop.benches.acquire_many(workshop.benches.available_permits() as u32).await.unwrap();
        let asking: Vec<_> = (0..MAX_WAITING + 10)
            .map(|_| {
                let (workshop, body) = (Arc::clone(&workshop), Arc::clone(&body));
                tokio::spawn(async move { workshop.form(&body, Coding::Gzip).await })
            })
            .collect();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workshop.waiting.in_use().0, 1);
        drop(busy);
        assert!(futures::future::join_all(asking).await.into_iter().all(|form| form.unwrap().is_some()));
    }

    #[tokio::test]
    async fn body_that_still_arrives_is_not_coded() {
        let (workshop, body) = (workshop(1 << 20), Body::growing());
        body.put(Bytes::from_static(b"#EXTM3U\n"));
        let reader = body.reader(0).unwrap();
        assert!(!reader.soon_complete().await);
        assert!(workshop.form(&body, Coding::Gzip).await.is_none());
        body.put("x".repeat(5000).into());
        body.finish();
        assert!(reader.soon_complete().await);
        assert!(workshop.form(&body, Coding::Gzip).await.is_some());
    }
}
