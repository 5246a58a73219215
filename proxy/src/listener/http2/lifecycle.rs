//! When a connection ends, and how: GOAWAY, then the streams in flight finish (RFC 9113 section 6.8).

use std::time::Duration;

use tidegate_config::model::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Ended};
use super::frame::{LARGEST_STREAM, Reason, put_goaway, put_ping};
use super::receive::Greeting;
use crate::listener::patience::DRAIN_LINGER;
use crate::listener::ready_response::Application;

/// How often a connection with streams in flight is asked whether the client is still there. A client that is silent
/// for a whole interval after a PING is gone. Idle connections need none: they end by the idle time-out.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may take to answer the end of the connection, each time.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// What a client may still send once the connection is over, which is read and thrown away: closed with bytes unread, a
/// connection is reset, and what it was told last is lost with it.
const LINGER_BYTES: usize = 4 << 20;

/// What PINGs carry: one asks whether the client is there, one whether it has seen that the connection ends.
const ALIVE: [u8; 8] = *b"tg-alive";
const LEAVING: [u8; 8] = *b"tg-leave";

/// Where the connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The first GOAWAY was sent: requests that crossed it on their way are still served.
    Leaving,
    /// The last GOAWAY was sent.
    Last,
    /// GOAWAY was sent because of what the client does; its streams have ended.
    BrokenOff,
}

#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    begun: Instant,
    end: Instant,
    /// When the phase began.
    since: Instant,
    /// The last stream that is served.
    last_served: Option<u32>,
    /// A PING was sent then and not answered.
    asked: Option<Instant>,
    /// When one is sent next, if there are streams in flight.
    ask_next: Instant,
    handshake: Duration,
    idle: Duration,
}

impl Life {
    pub(super) fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            phase: Phase::Open,
            begun: now,
            end: now + limits.connection_lifetime,
            since: now,
            last_served: None,
            asked: None,
            ask_next: now + PING_INTERVAL,
            handshake: limits.handshake_timeout,
            idle: limits.idle_timeout,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn first_deadline(&self) -> Instant {
        self.end.min(self.begun + self.handshake.min(self.idle).min(PING_INTERVAL))
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

impl<A, S> Connection<'_, A, S>
where
    A: Application,
{
    /// Requests have been accepted in this turn.
    pub(super) fn after_requests(&mut self) {
        self.tasks.note_activity();
        if self.tasks.running() > 0 {
            // After a pause nobody has been asked for long, and nobody needs to be at once.
            let now = Instant::now();
            if self.life.ask_next < now {
                self.life.ask_next = now + PING_INTERVAL;
            }
            self.deadline.set_earlier(self.life.ask_next);
        }
        if self.accepted >= self.limits.requests_per_connection || self.closing.has_begun() {
            self.go_away();
        }
    }

    /// A drain or stop has begun. A connection that was opened for a request gets its answer first.
    pub(super) fn on_closing(&mut self) {
        if self.accepted == 0 {
            self.deadline.set_earlier(Instant::now() + DRAIN_LINGER);
        } else {
            self.go_away();
        }
    }

    /// What is due; how it ended, if the connection is over.
    pub(super) fn on_deadline(&mut self, now: Instant) -> Option<Ended> {
        let running = self.tasks.running() > 0;
        let waited = now.duration_since(self.life.since);
        match self.life.phase {
            Phase::BrokenOff => return Some(Ended::Gone),
            Phase::Leaving if waited >= CLOSE_PATIENCE => self.last_goaway(),
            _ => {}
        }
        if self.greeting != Greeting::Done && now >= self.life.begun + self.life.handshake {
            return Some(Ended::Gone);
        }
        if self.partial.as_ref().is_some_and(|partial| now >= partial.since + self.limits.header_timeout) {
            self.break_off(Reason::ENHANCE_YOUR_CALM);
        }
        if running && self.is_dead(now) {
            return Some(Ended::Gone);
        }
        let idle = !running && now >= self.tasks.last_ended() + self.life.idle;
        if idle || now >= self.life.end || self.closing.has_begun() {
            self.go_away();
        }
        self.deadline.set(self.next_deadline(now, running));
        None
    }

    fn next_deadline(&self, now: Instant, running: bool) -> Instant {
        let life = &self.life;
        let mut next = match life.phase {
            Phase::Open if !running => (self.tasks.last_ended() + life.idle).min(life.end),
            Phase::Open => life.end.min(life.ask_next),
            Phase::Leaving | Phase::BrokenOff => life.since + CLOSE_PATIENCE,
            Phase::Last if running => life.ask_next,
            // Nothing but the last bytes is left; the socket's own watch ends who does not take them.
            Phase::Last => now + PING_INTERVAL,
        };
        if self.greeting != Greeting::Done {
            next = next.min(life.begun + life.handshake);
        }
        if let Some(partial) = &self.partial {
            next = next.min(partial.since + self.limits.header_timeout);
        }
        // Whatever is overdue by now comes up in a moment, not in this turn again.
        next.max(now + Duration::from_millis(1))
    }

    /// Whether the last PING was never answered; sends the next one when it is time.
    fn is_dead(&mut self, now: Instant) -> bool {
        if now < self.life.ask_next {
            return false;
        }
        self.life.ask_next = now + PING_INTERVAL;
        if self.blocked {
            // A PING would stand behind what a slow line takes minutes for. Who takes nothing is found by the socket.
            self.life.asked = None;
            return false;
        }
        if self.life.asked.replace(now).is_some() {
            return true;
        }
        put_ping(self.output.own(), 0, ALIVE);
        false
    }

    /// The client has taken or sent something: it is there, though its answer to a PING may stand behind much else.
    pub(super) fn note_alive(&mut self) {
        self.life.asked = None;
    }

    /// A PING was answered.
    pub(super) fn on_pong(&mut self, opaque: [u8; 8]) {
        match opaque {
            ALIVE => self.life.asked = None,
            LEAVING if self.life.phase == Phase::Leaving => self.last_goaway(),
            _ => {}
        }
    }

    /// Tells the client to open no more streams: first without saying which is the last, so that those on their way
    /// are served.
    fn go_away(&mut self) {
        if self.life.phase == Phase::Open {
            self.life.enter(Phase::Leaving);
            put_goaway(self.output.own(), LARGEST_STREAM, Reason::NO_ERROR);
            put_ping(self.output.own(), 0, LEAVING);
            self.deadline.set_earlier(self.life.since + CLOSE_PATIENCE);
        }
    }

    fn last_goaway(&mut self) {
        self.life.enter(Phase::Last);
        self.life.last_served = Some(self.last_id);
        put_goaway(self.output.own(), self.last_id, Reason::NO_ERROR);
    }

    /// Ends the connection with all its streams.
    pub(super) fn break_off(&mut self, reason: Reason) {
        if self.life.phase == Phase::BrokenOff {
            return;
        }
        log::debug!(code = reason.0; "an HTTP/2 connection is broken off");
        self.life.enter(Phase::BrokenOff);
        self.streams.lock().end_all();
        // It never names a later stream than before (RFC 9113 section 6.8).
        put_goaway(self.output.own(), self.life.last_served.unwrap_or(self.last_id), reason);
        self.deadline.set_earlier(self.life.since + CLOSE_PATIENCE);
    }

    /// Whether a stream is beyond the last that is served.
    pub(super) fn is_beyond_goaway(&self, id: u32) -> bool {
        self.life.last_served.is_some_and(|last| id > last)
    }

    /// Whether nothing more is to be said; everything has been written.
    pub(super) fn is_finished(&self) -> bool {
        match self.life.phase {
            Phase::Open | Phase::Leaving => false,
            Phase::Last => self.streams.lock().is_empty(),
            Phase::BrokenOff => true,
        }
    }
}

/// Says goodbye, and waits for what is still on its way.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut io: S) {
    let goodbye = async {
        io.shutdown().await?;
        let (mut rest, mut left) = (vec![0; 4 << 10], LINGER_BYTES);
        loop {
            match io.read(&mut rest).await? {
                0 => return Ok(()),
                read if read >= left => return Ok(()),
                read => left -= read,
            }
        }
    };
    // An error says that the client is gone, or takes its time.
    drop::<Result<std::io::Result<()>, _>>(timeout(CLOSE_PATIENCE, goodbye).await);
}
