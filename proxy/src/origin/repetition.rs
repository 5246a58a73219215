//! Which requests may be sent a second time after their exchange broke off.
//!
//! Pure: what the phases know of an exchange comes in. Owns the rules of RFC 9110 section 9.2.2 and RFC 9113 section 8.7;
//! budgets, bounds and deadlines are the pools' matter.

use pingora_error::{Error, RetryType};

use super::Again;

/// What an error says of the request's fate at the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The origin says that it did not process it.
    NotProcessed,
    /// The origin cannot speak the protocol, or wants another one. What it did with the request nobody knows.
    WrongProtocol,
    /// The connection was there from before and may have been closed before the request came.
    MaybeTooLate,
    /// Anything else.
    Unknown,
}

/// What is known of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// A final response has gone to the client, or begun to. Interim ones leave it still to come.
    pub answered: bool,
    /// Its method is idempotent.
    pub idempotent: bool,
    /// What was read of its body is all kept.
    pub kept: bool,
    /// The connection had served another request.
    pub reused: bool,
}

impl Fate {
    /// What this error says.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let cause = error.root_cause().downcast_ref::<h2::Error>();
        match error.retry {
            _ if cause.is_some_and(is_not_processed) => Self::NotProcessed,
            RetryType::Decided(true) => Self::WrongProtocol,
            RetryType::ReusedOnly => Self::MaybeTooLate,
            RetryType::Decided(false) => Self::Unknown,
        }
    }
}

/// A refused stream, or one above the last that the origin looked at: its library fails those alone with the GOAWAY.
fn is_not_processed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)))
}

impl Exchange {
    /// Whether the request may go to another origin, although this one may have acted on it.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        !self.answered && self.idempotent && self.kept
    }

    /// How the same origin is asked once more, where nobody is to blame.
    #[must_use]
    pub fn again(self, fate: Fate) -> Option<Again> {
        match fate {
            Fate::NotProcessed if !self.answered && self.kept => Some(Again::Same),
            Fate::WrongProtocol if self.is_repeatable() => Some(Again::Same),
            Fate::MaybeTooLate if self.reused && self.is_repeatable() => Some(Again::Fresh),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pingora_error::ErrorType;

    use super::*;

    const SAFE: Exchange = Exchange { answered: false, idempotent: true, kept: true, reused: true };
    const POST: Exchange = Exchange { idempotent: false, ..SAFE };

    #[test]
    fn what_may_be_sent_again_by_what_is_known() {
        let cases = [
            // fate, exchange, the same origin again
            (Fate::NotProcessed, SAFE, Some(Again::Same)),
            (Fate::NotProcessed, POST, Some(Again::Same)),
            (Fate::NotProcessed, Exchange { reused: false, ..POST }, Some(Again::Same)),
            (Fate::NotProcessed, Exchange { kept: false, ..SAFE }, None),
            (Fate::NotProcessed, Exchange { answered: true, ..SAFE }, None),
            (Fate::WrongProtocol, SAFE, Some(Again::Same)),
            (Fate::WrongProtocol, Exchange { reused: false, ..SAFE }, Some(Again::Same)),
            (Fate::WrongProtocol, POST, None),
            (Fate::WrongProtocol, Exchange { kept: false, ..SAFE }, None),
            (Fate::WrongProtocol, Exchange { answered: true, ..SAFE }, None),
            (Fate::MaybeTooLate, SAFE, Some(Again::Fresh)),
            (Fate::MaybeTooLate, Exchange { reused: false, ..SAFE }, None),
            (Fate::MaybeTooLate, POST, None),
            (Fate::MaybeTooLate, Exchange { kept: false, ..SAFE }, None),
            (Fate::MaybeTooLate, Exchange { answered: true, ..SAFE }, None),
            (Fate::Unknown, SAFE, None),
        ];
        for (fate, exchange, expected) in cases {
            assert_eq!(exchange.again(fate), expected, "{fate:?} {exchange:?}");
        }
    }

    #[test]
    fn another_origin_gets_only_what_may_be_repeated() {
        for (exchange, expected) in [
            (SAFE, true),
            (Exchange { reused: false, ..SAFE }, true),
            (POST, false),
            (Exchange { kept: false, ..SAFE }, false),
            (Exchange { answered: true, ..SAFE }, false),
        ] {
            assert_eq!(exchange.is_repeatable(), expected, "{exchange:?}");
        }
    }

    #[test]
    fn only_the_origins_own_word_says_that_nothing_was_processed() {
        let fate = |cause: Option<h2::Error>, retry: RetryType| {
            let mut error = match cause {
                Some(cause) => Error::because(ErrorType::H2Error, "reading", cause),
                None => Error::new(ErrorType::InvalidH2),
            };
            error.retry = retry;
            Fate::of(&error.more_context("of a peer"))
        };
        let own = || h2::Error::from(h2::Reason::PROTOCOL_ERROR);
        let cases = [
            (Some(own()), RetryType::Decided(true), Fate::WrongProtocol),
            (Some(h2::Error::from(h2::Reason::REFUSED_STREAM)), RetryType::Decided(false), Fate::Unknown),
            (Some(own()), RetryType::Decided(false), Fate::Unknown),
            (None, RetryType::Decided(true), Fate::WrongProtocol),
            (None, RetryType::ReusedOnly, Fate::MaybeTooLate),
            (None, RetryType::Decided(false), Fate::Unknown),
        ];
        for (cause, retry, expected) in cases {
            assert_eq!(fate(cause, retry), expected);
        }
    }
}
