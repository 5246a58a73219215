//! Which requests may be sent a second time after their exchange broke off.
//!
//! Pure: what the phases know of an exchange comes in. Owns the rules of RFC 9110 section 9.2.2 and RFC 9113 section 8.7;
//! budgets, bounds and deadlines are the pools' matter.

use pingora_error::{Error, ErrorType, RetryType};

use super::Again;

/// What an error says of the request's fate at the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The origin says that it did not process it.
    NotProcessed,
    /// It says so of this and all later ones on the connection, which it is about to close.
    Closing,
    /// The origin cannot speak the protocol, or wants another one. What it did with the request nobody knows.
    WrongProtocol,
    /// The connection was there from before and may have been closed before the request came, or this end closed it for
    /// what the origin did on another request's stream.
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
            _ if cause.is_some_and(is_refused) => Self::NotProcessed,
            _ if cause.is_some_and(|cause| cause.is_remote() && cause.is_go_away()) => Self::Closing,
            RetryType::Decided(true) => Self::WrongProtocol,
            _ if cause.is_some_and(is_end_of_connection) => Self::MaybeTooLate,
            RetryType::ReusedOnly => Self::MaybeTooLate,
            RetryType::Decided(false) => Self::Unknown,
        }
    }
}

/// A refused stream. One above the last that the origin looked at is not processed either: the library fails those alone
/// with the GOAWAY.
fn is_refused(error: &h2::Error) -> bool {
    error.is_remote() && error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

/// An end of the whole connection that this node's library decided on (RFC 9113 section 5.4.1), such as for a flood. Every
/// stream on it fails alike, and none of them knows which one was to blame.
fn is_end_of_connection(error: &h2::Error) -> bool {
    error.is_library() && error.is_go_away()
}

/// Whether a connection that was there before turned out to be over when a stream was to be opened on it. Nothing was
/// sent on it, and its origin has failed no request.
#[must_use]
pub fn was_over_before(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::H2Error) && error.root_cause().is::<h2::Error>()
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
            // Pingora would give the same connection again as long as others' streams on it go on.
            Fate::Closing if !self.answered && self.kept => Some(Again::Fresh),
            Fate::WrongProtocol if self.is_repeatable() => Some(Again::Same),
            Fate::MaybeTooLate if self.reused && self.is_repeatable() => Some(Again::Fresh),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
            (Fate::Closing, SAFE, Some(Again::Fresh)),
            (Fate::Closing, POST, Some(Again::Fresh)),
            (Fate::Closing, Exchange { kept: false, ..SAFE }, None),
            (Fate::Closing, Exchange { answered: true, ..SAFE }, None),
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

    /// What a request over HTTP/2 ends with when its origin sends this on its connection. Its stream is the first one.
    async fn ended_by(frame: &[u8]) -> h2::Error {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let (client, mut origin) = tokio::io::duplex(1 << 16);
        let (mut requests, connection) = h2::client::handshake(client).await.unwrap();
        let connection = tokio::spawn(connection);
        let (answer, _body) = requests.send_request(http::Request::new(()), true).unwrap();
        await_request(&mut origin).await;
        origin.write_all(&[&SETTINGS[..], frame].concat()).await.unwrap();
        let error = answer.await.unwrap_err();
        connection.abort();
        error
    }

    /// Reads until the head of the request has come: before, its stream is none.
    async fn await_request(origin: &mut tokio::io::DuplexStream) {
        const HEADERS: u8 = 1;
        origin.read_exact(&mut [0; 24]).await.unwrap();
        loop {
            let mut head = [0; 9];
            origin.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            origin.read_exact(&mut vec![0; length]).await.unwrap();
            if head[3] == HEADERS {
                return;
            }
        }
    }

    fn fate(cause: Option<h2::Error>, retry: RetryType) -> Fate {
        let mut error = match cause {
            Some(cause) => Error::because(ErrorType::H2Error, "reading", cause),
            None => Error::new(ErrorType::InvalidH2),
        };
        error.retry = retry;
        Fate::of(&error.more_context("of a peer"))
    }

    #[test]
    fn only_the_origins_own_word_says_that_nothing_was_processed() {
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

    #[tokio::test]
    async fn what_ends_a_stream_tells_its_fate() {
        const NO: RetryType = RetryType::Decided(false);
        const YES: RetryType = RetryType::Decided(true);
        let cases: [(&str, &[u8], RetryType, Fate); 7] = [
            ("the origin's farewell", &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], YES, Fate::Closing),
            ("one with an error", &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], NO, Fate::Closing),
            ("a refused stream", &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7], NO, Fate::NotProcessed),
            ("a reset stream", &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2], NO, Fate::Unknown),
            // What the library finds wrong with one stream says nothing of others, and with the connection nothing of this.
            ("a head without a status", &[0, 0, 0, 1, 4, 0, 0, 0, 1], NO, Fate::Unknown),
            ("a PING of one byte", &[0, 0, 1, 6, 0, 0, 0, 0, 0, 0], NO, Fate::MaybeTooLate),
            ("DATA of no stream, as the proxy takes it", &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0], YES, Fate::WrongProtocol),
        ];
        for (what, frame, retry, expected) in cases {
            let error = ended_by(frame).await;
            let told = error.to_string();
            assert_eq!(fate(Some(error), retry), expected, "{what}: {told}");
        }
    }

    #[tokio::test]
    async fn only_opening_a_stream_shows_a_connection_that_was_over() {
        let farewell = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        for (kind, expected) in [(ErrorType::H2Error, true), (ErrorType::HandshakeError, false)] {
            let error = Error::because(kind.clone(), "connecting", ended_by(&farewell).await);
            assert_eq!(was_over_before(&error.more_context("of a peer")), expected, "{kind:?}");
        }
        assert!(!was_over_before(&Error::new(ErrorType::H2Error)));
        assert!(!was_over_before(&Error::new(ErrorType::ConnectRefused)));
    }
}
