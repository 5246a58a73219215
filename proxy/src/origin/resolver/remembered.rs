//! What is remembered of one name: how long it is good, when it is asked for again, and what to do until then.
//!
//! Decides with a clock that is passed in; asks nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::ResolveError;
use super::lookup::{Found, LOOKUP_TIMEOUT, Question, Records};

/// Shortest life of an answer: a TTL of 0 means "do not keep", which would make every request wait for DNS.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longest life of an answer: who moves an origin should not have to wait a day for this node.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Longest life of an answer that there is nothing: a name that appears is found soon. RFC 2308 section 5 allows hours.
const LONGEST_NOTHING: Duration = Duration::from_secs(60);

/// Share of its life after which a used answer is asked for again, in percent.
const REFRESH_AT: u32 = 80;

/// How long an answer is used beyond its life while DNS fails: long enough to repair a DNS server, short enough that
/// an address given to somebody else is left (RFC 8767 section 5 suggests one to three days for resolvers).
const STALE: Duration = Duration::from_secs(3_600);

/// How long a request waits for DNS when there is a stale answer: the client response timer of RFC 8767 section 5.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// Pause after a failed look-up, so that a DNS server in trouble is not asked by every request.
const PAUSE: Duration = Duration::from_secs(5);

/// The same when there is nothing to serve meanwhile.
const PAUSE_WITH_NOTHING: Duration = Duration::from_secs(1);

/// How long a name that is not used stays remembered when room is needed.
const UNUSED: Duration = Duration::from_secs(600);

/// What to do for a request that wants a name.
#[derive(Debug)]
pub(super) enum Step {
    /// This is good.
    Use(Arc<Records>),
    /// This is good, and a look-up is due.
    UseAndRefresh(Arc<Records>),
    /// This is past its life, and all there is.
    UseStale(Arc<Records>),
    /// There is nothing.
    Refuse(Refusal),
    /// A look-up must begin.
    Begin,
    /// A look-up is under way: wait for its end, but not longer than until then.
    Wait(watch::Receiver<()>, Instant),
}

/// Why there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// DNS says so.
    Nothing(String),
    /// DNS does not answer.
    Failed(String),
    /// DNS is slow.
    TimedOut,
}

impl Refusal {
    pub(super) fn about(self, name: &str) -> ResolveError {
        let name = name.to_owned();
        match self {
            Self::Nothing(reason) => ResolveError::Nothing { name, reason },
            Self::Failed(reason) => ResolveError::Failed { name, reason },
            Self::TimedOut => ResolveError::TimedOut { name },
        }
    }
}

/// A look-up under way. Waiters are woken when it is dropped, however it ends.
#[derive(Debug)]
pub(super) struct Flight(#[expect(dead_code, reason = "held to be dropped")] watch::Sender<()>);

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// Why the last look-up failed and when the next may begin.
    failure: Option<(String, Instant)>,
    flight: Option<(watch::Receiver<()>, Instant)>,
    used: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    what: Result<Arc<Records>, String>,
    refresh: Instant,
    expires: Instant,
}

impl State {
    fn flies(&self, now: Instant) -> Option<&(watch::Receiver<()>, Instant)> {
        // A flight whose task was lost (a runtime that ends) must not ground the name for ever.
        self.flight.as_ref().filter(|(ended, begun)| {
            ended.has_changed().is_ok() && now.duration_since(*begun) <= LOOKUP_TIMEOUT + PAUSE
        })
    }

    fn pauses(&self, now: Instant) -> Option<&String> {
        self.failure.as_ref().filter(|(_, until)| now < *until).map(|(reason, _)| reason)
    }

    /// The answer as long as it may be used when DNS fails.
    fn stale(&self, now: Instant) -> Option<Arc<Records>> {
        let known = self.known.as_ref().filter(|known| now < known.expires + STALE)?;
        known.what.as_ref().ok().map(Arc::clone)
    }
}

impl Remembered {
    /// What to do for a request at `now`.
    pub(super) fn step(&self, now: Instant) -> Step {
        let mut state = self.state.lock();
        state.used = Some(now);
        if let Some(known) = state.known.as_ref().filter(|known| now < known.expires) {
            let due = now >= known.refresh && state.flies(now).is_none() && state.pauses(now).is_none();
            return match &known.what {
                Ok(records) if due => Step::UseAndRefresh(Arc::clone(records)),
                Ok(records) => Step::Use(Arc::clone(records)),
                Err(reason) => Step::Refuse(Refusal::Nothing(reason.clone())),
            };
        }
        let stale = state.stale(now);
        if let Some((ended, begun)) = state.flies(now) {
            let until = *begun + if stale.is_some() { PATIENCE } else { LOOKUP_TIMEOUT };
            return match stale {
                _ if now < until => Step::Wait(ended.clone(), until),
                Some(records) => Step::UseStale(records),
                None => Step::Refuse(Refusal::TimedOut),
            };
        }
        match (state.pauses(now), stale) {
            (Some(_), Some(records)) => Step::UseStale(records),
            (Some(reason), None) => Step::Refuse(Refusal::Failed(reason.clone())),
            (None, _) => Step::Begin,
        }
    }

    /// Begins a look-up; none when one is under way already.
    pub(super) fn begin(&self, now: Instant) -> Option<Flight> {
        let mut state = self.state.lock();
        if state.flies(now).is_some() {
            return None;
        }
        let (sender, receiver) = watch::channel(());
        state.flight = Some((receiver, now));
        Some(Flight(sender))
    }

    /// Ends a look-up with what it found. An answer that there is nothing replaces older ones; a failure does not
    /// (RFC 8767 section 4).
    pub(super) fn end(&self, question: &Question, found: Found, now: Instant, flight: Flight) {
        let mut state = self.state.lock();
        let before = state.failure.take();
        match found {
            Found::Records(records, ttl) => {
                if before.is_some() {
                    log::info!(name = question.name.as_str(); "an origin's name resolves again");
                }
                state.known = Some(Known::new(Ok(Arc::new(records)), ttl.clamp(SHORTEST, LONGEST), now));
            }
            Found::Nothing(reason, ttl) => {
                log::warn!(name = question.name.as_str(); "an origin's name has no address: {reason}");
                state.known = Some(Known::new(Err(reason), ttl.clamp(SHORTEST, LONGEST_NOTHING), now));
            }
            Found::Failed(reason) => {
                let stale = state.stale(now).is_some();
                if before.is_none() {
                    let until = if stale { "the last answer is used meanwhile" } else { "there is no answer to use" };
                    log::warn!(name = question.name.as_str(); "an origin's name could not be resolved: {reason}; {until}");
                }
                let pause = if stale { PAUSE } else { PAUSE_WITH_NOTHING };
                state.failure = Some((reason, now + pause));
            }
        }
        state.flight = None;
        drop(state);
        drop(flight);
    }

    /// The next use asks again, whatever the answer's life.
    pub(super) fn refresh_when_used(&self, now: Instant) {
        let mut state = self.state.lock();
        state.failure = None;
        if let Some(known) = &mut state.known {
            known.refresh = now;
            if known.what.is_err() {
                known.expires = now;
            }
        }
    }

    /// Whether nobody misses it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        let state = self.state.lock();
        state.used.is_none_or(|used| now.duration_since(used) > UNUSED) && state.flies(now).is_none()
    }
}

impl Known {
    fn new(what: Result<Arc<Records>, String>, life: Duration, now: Instant) -> Self {
        Self { what, refresh: now + life * REFRESH_AT / 100, expires: now + life }
    }
}
#[cfg(test)]
mod tests;
