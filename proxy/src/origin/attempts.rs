//! What was tried for one request: which origins, and what came of each, for the access log.

use http::StatusCode;
use parking_lot::Mutex;
use tidegate_config::ids::OriginName;

/// Attempts remembered of one request; a pool allows at most five, a hedge and a race add a few.
const MAX_REMEMBERED: usize = 12;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// A response with this status.
    Answered(StatusCode),
    /// Nobody listens there.
    Refused,
    /// No connection for another reason, or no address.
    NoConnection,
    /// The exchange broke off, before or after the head of the response.
    Broken,
    /// Nothing came in time.
    TimedOut,
    /// A connection that had been idle was closed just as it was used. The origin is not to blame.
    Raced,
    /// Nobody wanted the response any more.
    Abandoned,
}

/// How the same origin is asked once more, when it did not see the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Over whatever connection there is.
    Same,
    /// Over a new connection.
    Fresh,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The origin.
    pub origin: OriginName,
    /// What came of it; nothing while it runs.
    pub outcome: Option<AttemptOutcome>,
}

/// All attempts of one request, those of its fill included.
#[derive(Debug, Default)]
pub struct AttemptJournal(Mutex<Vec<Attempt>>);

/// Place of an attempt in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptNumber(usize);

impl AttemptJournal {
    /// An attempt begins.
    pub fn begin(&self, origin: OriginName) -> AttemptNumber {
        let mut attempts = self.0.lock();
        if attempts.len() < MAX_REMEMBERED {
            attempts.push(Attempt { origin, outcome: None });
        }
        AttemptNumber(attempts.len().saturating_sub(1))
    }

    /// What came of it. A response that breaks off later is no answer.
    pub fn end(&self, number: AttemptNumber, outcome: AttemptOutcome) {
        if let Some(attempt) = self.0.lock().get_mut(number.0) {
            // That nobody reads on takes back nothing of what came.
            if outcome != AttemptOutcome::Abandoned || attempt.outcome.is_none() {
                attempt.outcome = Some(outcome);
            }
        }
    }

    /// All so far.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_is_bounded_and_keeps_the_last_word_on_each_attempt() {
        let journal = AttemptJournal::default();
        let origin = OriginName::parse("near").unwrap();
        let first = journal.begin(origin.clone());
        journal.end(first, AttemptOutcome::Answered(StatusCode::OK));
        journal.end(first, AttemptOutcome::Abandoned);
        assert_eq!(journal.attempts()[0].outcome, Some(AttemptOutcome::Answered(StatusCode::OK)));
        journal.end(first, AttemptOutcome::Broken);
        for _ in 0..100 {
            journal.begin(origin.clone());
        }
        let attempts = journal.attempts();
        assert_eq!(attempts.len(), MAX_REMEMBERED);
        assert_eq!(attempts[0].outcome, Some(AttemptOutcome::Broken));
        assert_eq!(attempts[1].outcome, None);
    }
}
