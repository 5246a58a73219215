//! Interim responses (RFC 9110 section 15.2) that come before the head of a fill: how many are kept for those who wait,
//! and how far each of these has heard them. Nothing of them is stored.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::waiting::Waiting;

/// Interim responses that one fill passes on, and that one request is told. Early hints (RFC 8297) come once or twice.
const MOST_HEADS: usize = 16;

/// Bytes of all their fields that one fill keeps. Hints are a few lines of links; clients take less of a header section
/// than origins may send, and must not lose a response for what came before it.
const MOST_BYTES: usize = 16 << 10;

/// An interim response, without fields that end at this hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterimHead {
    /// Status code.
    pub status: StatusCode,
    /// Fields.
    pub fields: HeaderMap,
}

/// Those of one fill, in the order in which they came.
#[derive(Default)]
pub(super) struct InterimHeads {
    heads: Vec<Arc<InterimHead>>,
    bytes: usize,
}

impl InterimHeads {
    /// Keeps one, unless that is too much: then those who wait do without.
    pub(super) fn keep(&mut self, head: InterimHead) -> bool {
        let size = head.fields.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = self.bytes + size.sum::<usize>();
        let fits = self.heads.len() < MOST_HEADS && bytes <= MOST_BYTES;
        if fits {
            self.bytes = bytes;
            self.heads.push(Arc::new(head));
        }
        fits
    }

    /// Those behind the first so many.
    pub(super) fn behind(&self, heard: usize) -> &[Arc<InterimHead>] {
        self.heads.get(heard..).unwrap_or_default()
    }
}

/// What a request may hear before its answer, and where it waits for that.
///
/// [`CacheEngine::go_on`](super::CacheEngine::go_on) comes back with each interim response that the client is to get, and
/// is called again: so that nothing is being written when a wait is given up.
pub struct Hearing {
    /// So many may still be told.
    pub(super) left: usize,
    /// The fill that it waits for.
    pub(super) waiting: Option<Waiting>,
}

impl Hearing {
    /// Of a client that knows interim responses.
    #[must_use]
    pub fn of_all() -> Self {
        Self { left: MOST_HEADS, waiting: None }
    }

    /// Of nobody, or of a client that must not get any.
    #[must_use]
    pub fn of_none() -> Self {
        Self { left: 0, waiting: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: usize) -> InterimHead {
        let fields = [(http::header::LINK, "x".repeat(bytes - 4).parse().unwrap())];
        InterimHead { status: StatusCode::EARLY_HINTS, fields: HeaderMap::from_iter(fields) }
    }

    #[test]
    fn heads_are_kept_in_order_and_within_their_bounds() {
        let check = |sizes: &[usize], kept: &[usize]| {
            let mut heads = InterimHeads::default();
            let fitting = sizes.iter().filter(|size| heads.keep(head(**size))).count();
            let found: Vec<_> = heads.behind(0).iter().map(|head| head.fields["link"].len() + 4).collect();
            assert_eq!((found.as_slice(), fitting), (kept, kept.len()), "{sizes:?}");
        };
        check(&[5, 6, 5], &[5, 6, 5]);
        check(&[5; 1000], &[5; MOST_HEADS]);
        check(&[MOST_BYTES], &[MOST_BYTES]);
        check(&[MOST_BYTES + 1, 5], &[5]);
        check(&[64 << 10], &[]);
        check(&[MOST_BYTES / 2, MOST_BYTES / 2, 5], &[MOST_BYTES / 2, MOST_BYTES / 2]);
    }

    #[test]
    fn only_what_was_not_heard_is_told() {
        let mut heads = InterimHeads::default();
        assert!(heads.keep(head(5)) && heads.keep(head(6)));
        assert_eq!([0, 1, 2, usize::MAX].map(|heard| heads.behind(heard).len()), [2, 1, 0, 0]);
    }
}
