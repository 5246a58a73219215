//! Directives of Cache-Control and of the targeted fields that replace it (RFC 9111 section 5.2, RFC 9213).
//!
//! Owns their syntax and nothing of their effect: which directive wins is decided in `freshness`, `storability`
//! and `decide`.

mod request;
mod response;
mod scan;
mod structured;

use std::time::Duration;

pub use request::{MaxStale, RequestDirectives};
pub use response::{DirectiveSource, FieldScope, ResponseDirectives};

/// Largest number of seconds: RFC 9111 section 1.2.2 asks for 2^31 in place of anything larger.
pub const MAX_DELTA_SECONDS: u64 = 1 << 31;

/// A number of seconds that a directive stated, or stated badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seconds {
    /// A valid delta-seconds, capped at [`MAX_DELTA_SECONDS`].
    Valid(Duration),
    /// Something else: negative, a fraction, words, nothing.
    Invalid,
}

impl Seconds {
    /// The duration of a valid number.
    #[must_use]
    pub fn valid(self) -> Option<Duration> {
        match self {
            Self::Valid(duration) => Some(duration),
            Self::Invalid => None,
        }
    }

    /// The duration of a freshness directive; an invalid one makes the response stale (RFC 9111 section 4.2.1).
    #[must_use]
    pub fn or_stale(self) -> Duration {
        self.valid().unwrap_or_default()
    }
}

/// Reads delta-seconds (RFC 9111 section 1.2.2): digits and nothing else, at least one.
pub(super) fn delta_seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits.iter().fold(0_u64, |sum, digit| {
        (sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))).min(MAX_DELTA_SECONDS)
    });
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
