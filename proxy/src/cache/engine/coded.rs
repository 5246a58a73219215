//! Coded forms of stored bodies: made once each, off the threads that serve, and kept as long as their body.
//!
//! Owns where they are kept and who makes them, within bounds of memory and of processors. Who gets one is
//! [`crate::cache::compression`]'s to say.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tidegate_config::model::Coding;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};

use super::body::{Body, Reader};
use super::budget::{Budget, Reservation};
use crate::cache::compression::encode;
use crate::telemetry::{CompressionOutcome, Metrics};

/// Part of the memory tier that coded forms may take beside it. Text is a small part of what a media cache holds, and
/// coded a quarter of that.
const SHARE_OF_CAPACITY: u64 = 8;

/// Bodies that may wait to be coded. Each takes milliseconds; who finds no place is served without.
const MAX_WAITING: usize = 256;

/// How long a body that is still arriving is waited for. A playlist comes in one piece right behind its head; where
/// it does not, its client is better served with what is there.
const ARRIVAL_PATIENCE: Duration = Duration::from_millis(250);

/// The coded forms of one body.
#[derive(Default)]
pub(super) struct CodedForms([OnceCell<Form>; 3]);

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
    /// Nobody has coded it yet.
    Unknown,
}

impl CodedForms {
    fn cell(&self, coding: Coding) -> &OnceCell<Form> {
        let [zstd, brotli, gzip] = &self.0;
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
            None => Coded::Unknown,
        }
    }
}

/// The forms of a body that has some. Most have none and take no room for them.
pub(super) type Forms = OnceLock<Box<CodedForms>>;

/// Why a body is not coded now.
struct NotNow;

/// Who codes bodies.
pub(super) struct Workshop {
    waiting: Arc<Budget>,
    benches: Semaphore,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl Workshop {
    /// One for a memory tier of this capacity. It takes half of the processors at most.
    pub(super) fn new(capacity: u64, runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            waiting: Budget::new(MAX_WAITING, capacity / SHARE_OF_CAPACITY),
            benches: Semaphore::new(processors.div_ceil(2)),
            runtime,
            metrics,
        })
    }

    /// The body in this coding, made if need be: `None` where it gains nothing, is not complete, or there is no room
    /// now. Whoever asks meanwhile waits for the same one, and it is made also when all of them leave.
    pub(super) async fn form(self: &Arc<Self>, body: &Arc<Body>, coding: Coding) -> Option<Arc<Body>> {
        match body.coded(coding) {
            Coded::Form(form) => return Some(form),
            Coded::Useless => return None,
            Coded::Unknown => {}
        }
        let Some(admission) = self.waiting.admit() else {
            self.metrics.compressed(coding, CompressionOutcome::Refused);
            return None;
        };
        let (workshop, growing) = (Arc::clone(self), Arc::clone(body));
        let making = self.runtime.spawn(async move {
            let _admission = admission;
            let cell = growing.forms.get_or_init(Box::default).cell(coding);
            cell.get_or_try_init(|| workshop.make(&growing, coding)).await.is_ok()
        });
        let Ok(true) = making.await else { return None };
        match body.coded(coding) {
            Coded::Form(form) => Some(form),
            Coded::Useless | Coded::Unknown => None,
        }
    }

    async fn make(&self, body: &Arc<Body>, coding: Coding) -> Result<Form, NotNow> {
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
        let mut reservation = self.waiting.reservation();
        if !reservation.grow(bytes.len() as u64) {
            self.metrics.compressed(coding, CompressionOutcome::Refused);
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
        self.forms.get().map_or(Coded::Unknown, |forms| forms.get(coding))
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

    fn workshop(capacity: u64) -> Arc<Workshop> {
        Workshop::new(capacity, Handle::current(), Metrics::new("test"))
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

    #[tokio::test]
    async fn coded_forms_take_no_more_memory_than_their_share_and_give_it_back() {
        let bodies: Vec<_> = (0..4).map(|_| playlist()).collect();
        let one = workshop(1 << 20).form(&bodies[0], Coding::Gzip).await.unwrap().length().unwrap();
        let workshop = workshop(SHARE_OF_CAPACITY * one);
        assert!(workshop.form(&bodies[1], Coding::Gzip).await.is_some());
        assert_eq!(workshop.waiting.in_use(), (0, one));
        assert!(workshop.form(&bodies[2], Coding::Gzip).await.is_none());
        assert!(matches!(bodies[2].coded(Coding::Gzip), Coded::Unknown), "another time, perhaps");
        let mut bodies = bodies.into_iter().skip(1);
        drop(bodies.next());
        assert!(workshop.form(&bodies.next().unwrap(), Coding::Gzip).await.is_some());
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
