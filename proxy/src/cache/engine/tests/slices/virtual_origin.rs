//! An origin with one object that is computed, not stored, so that it may have any length; every byte tells its version.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::cache::rules::range::{ByteRange, RangeRequest, Resolved};

/// How the origin answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// By the book.
    Honest,
    /// Ranges mean nothing to it.
    WithoutRanges,
    /// If-Range means nothing to it: it sends the part of whatever version it has.
    DeafToIfRange,
    /// It has no strong entity tag.
    Weak,
    /// It forbids to store.
    NoStore,
    /// This Content-Range stands in every 206, whatever is sent.
    Claims(&'static str),
    /// A 206 has at most so many bytes, and says so.
    Brief(u64),
    /// Each response breaks off after so many bytes.
    Breaks(u64),
    /// 503.
    Down,
    /// Requests with a field `x-client: odd` get this status, and a page of its own with or without an entity tag.
    Picky(u16, &'static str),
}

/// Byte of a version at an offset.
pub(super) fn byte(version: u64, offset: u64) -> u8 {
    let mixed = (offset ^ version.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as u8
}

/// Bytes of a version.
pub(super) fn content(version: u64, start: u64, end: u64) -> Vec<u8> {
    (start..end).map(|offset| byte(version, offset)).collect()
}

pub(super) struct VirtualOrigin {
    pub(super) state: Mutex<(u64, u64, Habit)>,
    front: Mutex<Vec<u8>>,
    /// Fields of its answers, in place of those it would send.
    says: Mutex<HeaderMap>,
    requests: Mutex<Vec<String>>,
    /// Bytes that were taken.
    pub(super) sent: Arc<AtomicU64>,
}

impl VirtualOrigin {
    pub(super) fn new(total: u64) -> Self {
        let state = Mutex::new((1, total, Habit::Honest));
        Self {
            state,
            front: Mutex::default(),
            says: Mutex::default(),
            requests: Mutex::default(),
            sent: Arc::default(),
        }
    }

    pub(super) fn becomes(&self, habit: Habit) {
        self.state.lock().2 = habit;
    }

    /// Another version of this length.
    pub(super) fn changes(&self, total: u64) -> u64 {
        let mut state = self.state.lock();
        (state.0, state.1) = (state.0 + 1, total);
        state.0
    }

    /// The first bytes are these.
    pub(super) fn begins_with(&self, front: Vec<u8>) {
        *self.front.lock() = front;
    }

    /// From now on its answers have these fields.
    pub(super) fn says(&self, lines: &[&str]) {
        *self.says.lock() = fields(lines);
    }

    pub(super) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock())
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    fn head(&self, request: &HeaderMap) -> (u16, HeaderMap, ByteRange, u64) {
        let (version, total, habit) = *self.state.lock();
        let etag = if habit == Habit::Weak { format!("W/\"{version}\"") } else { format!("\"{version}\"") };
        let mut lines = fields(&["cache-control: max-age=60", "content-type: video/mp4"]);
        lines.insert("etag", etag.parse().unwrap());
        lines.extend(self.says.lock().clone());
        if habit == Habit::NoStore {
            lines.insert("cache-control", "no-store".parse().unwrap());
        }
        if habit == Habit::Down {
            return (503, HeaderMap::new(), ByteRange { start: 0, end: 0 }, version);
        }
        if let Habit::Picky(status, tag) = habit
            && request.contains_key("x-client")
        {
            let mut lines = fields(&["content-type: text/html", "content-length: 10"]);
            if !tag.is_empty() {
                lines.insert("etag", tag.parse().unwrap());
            }
            return (status, lines, ByteRange { start: 0, end: 10 }, 99);
        }
        if request.get("if-none-match").is_some_and(|tag| *tag == etag) {
            return (304, lines, ByteRange { start: 0, end: 0 }, version);
        }
        let mut request = request.clone();
        if habit == Habit::DeafToIfRange {
            request.remove("if-range");
        }
        if request.remove("if-range").is_some_and(|tag| tag != etag || habit == Habit::Weak) {
            request.remove("range");
        }
        let asked = match habit {
            Habit::WithoutRanges => Resolved::Whole,
            _ => RangeRequest::parse(&request, None).resolve(Some(total)),
        };
        let (status, range) = match asked {
            Resolved::Unsatisfiable => {
                lines.insert("content-range", format!("bytes */{total}").parse().unwrap());
                return (416, lines, ByteRange { start: 0, end: 0 }, version);
            }
            Resolved::Single(range) => (206, range),
            _ => (200, ByteRange { start: 0, end: total }),
        };
        let range = match habit {
            Habit::Brief(most) if status == 206 => ByteRange { end: range.end.min(range.start + most), ..range },
            _ => range,
        };
        if status == 206 {
            lines.insert("content-range", range.content_range(total));
            if let Habit::Claims(claim) = habit {
                lines.insert("content-range", claim.parse().unwrap());
            }
        }
        lines.insert("content-length", range.length().into());
        (status, lines, range, version)
    }
}

impl Fetcher<TestRequest> for VirtualOrigin {
    fn fetch(&self, request: TestRequest) -> Box<dyn FetchStream> {
        let range =
            request.fields.get("range").map_or("-", |value| value.to_str().unwrap().trim_start_matches("bytes="));
        let mut asked = range.to_owned();
        if request.fields.contains_key("if-none-match") {
            asked.push_str(" if-none-match");
        }
        self.requests.lock().push(asked);
        let (status, fields, range, version) = self.head(&request.fields);
        let breaks = match self.state.lock().2 {
            Habit::Breaks(after) => range.start + after,
            _ => u64::MAX,
        };
        let sent = Arc::clone(&self.sent);
        Box::new(Stream {
            head: Some((status, fields)),
            range,
            version,
            breaks,
            sent,
            front: self.front.lock().clone(),
        })
    }
}

struct Stream {
    head: Option<(u16, HeaderMap)>,
    range: ByteRange,
    version: u64,
    /// Where it breaks off.
    breaks: u64,
    sent: Arc<AtomicU64>,
    front: Vec<u8>,
}

impl FetchStream for Stream {
    fn next(&mut self) -> BoxFuture<'_, Result<FetchEvent, FetchError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            if let Some((status, fields)) = self.head.take() {
                let (status, end) = (StatusCode::from_u16(status).unwrap(), self.range.length() == 0);
                return Ok(FetchEvent::Head { status, fields, end, close_delimited: false, origin: None });
            }
            if self.range.length() == 0 {
                return Ok(FetchEvent::End);
            }
            if self.range.start >= self.breaks {
                return Err(FetchError::bad_gateway("scripted"));
            }
            // A length that no border of slices is a multiple of.
            let length = if self.range.length() > 1 << 20 { 65_537 } else { 313 };
            let end = self.range.end.min(self.range.start + length).min(self.breaks);
            let mut bytes = content(self.version, self.range.start, end);
            for (offset, byte) in (self.range.start..end).zip(&mut bytes) {
                if let Some(other) = usize::try_from(offset).ok().and_then(|offset| self.front.get(offset)) {
                    *byte = *other;
                }
            }
            self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            self.range.start = end;
            Ok(FetchEvent::Body(bytes.into()))
        })
    }
}
