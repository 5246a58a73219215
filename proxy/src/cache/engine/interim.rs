//! Interim responses (RFC 9110 section 15.2) that come before the head of a fill: how many are kept for the request that
//! started it. They are for that one alone, whatever the final response will say of sharing, and never stored.

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
    /// Not taken yet.
    waiting: Vec<InterimHead>,
    /// How many there were.
    heads: usize,
    /// Bytes of their fields.
    bytes: usize,
}

impl InterimHeads {
    /// Keeps one, unless that is too much: then who waits does without.
    pub(super) fn keep(&mut self, head: InterimHead) -> bool {
        let size = head.fields.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = self.bytes + size.sum::<usize>();
        let fits = self.heads < MOST_HEADS && bytes <= MOST_BYTES;
        if fits {
            (self.heads, self.bytes) = (self.heads + 1, bytes);
            self.waiting.push(head);
        }
        fits
    }

    /// Takes those that nobody has taken.
    pub(super) fn take(&mut self) -> Vec<InterimHead> {
        std::mem::take(&mut self.waiting)
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
            let found: Vec<_> = heads.take().iter().map(|head| head.fields["link"].len() + 4).collect();
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
    fn each_is_taken_once_and_what_was_taken_counts_into_the_bounds() {
        let mut heads = InterimHeads::default();
        assert!(heads.keep(head(5)) && heads.keep(head(6)));
        assert_eq!([heads.take().len(), heads.take().len()], [2, 0]);
        let kept = (0..1000).filter(|_| heads.keep(head(5))).count();
        assert_eq!((kept, heads.take().len()), (MOST_HEADS - 2, MOST_HEADS - 2));
        assert!(!heads.keep(head(5)));
    }
}
