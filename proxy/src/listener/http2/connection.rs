//! One connection: what it has, and the loop that reads, answers and writes.
//!
//! Everything that has arrived is answered before anything is written, so that answers leave together. Nothing is read
//! while a client does not take what it was answered. When a connection ends is for `lifecycle`, frames for `receive`,
//! requests for `accept`.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use pingora_core::protocols::Digest;
use tidegate_config::model::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use super::credit::Credit;
use super::early_priorities::EarlyPriorities;
use super::frame::{HEADER, Header, PREFACE, Reason, put_settings, put_window_update};
use super::hpack::Decoder;
use super::lifecycle::{Life, Phase};
use super::output::Output;
use super::receive::{Greeting, PartialSection};
use super::request::KnownAuthority;
use super::settings::{announced, section_bytes};
use super::stream::Prefix;
use super::streams::{Shared, Streams};
use super::tasks::Tasks;
use super::windows::{CONNECTION_WINDOW, DEFAULT_WINDOW};
use crate::listener::ConnectionInfo;
use crate::listener::patience::{Closing, Deadline};
use crate::listener::tcp::ListenerContext;

/// Memory of a client's table (RFC 9113 section 6.5.2: what it is when nothing is said).
const TABLE_BYTES: usize = 4096;

/// Bytes asked for at once, unless a frame is longer: many requests, and little memory while nothing comes.
const READ_SIZE: usize = 4 << 10;

/// Reads between two writes. What has arrived is answered together, but not without end.
const READS: u32 = 16;

/// Requests accepted in one turn, beyond which the other connections of the thread have theirs: with what one read
/// brings besides, half a millisecond where they are reset at once.
const REQUESTS_PER_TURN: u32 = 128;

/// Bytes handed to the socket at once: what rustls buffers by default, four of its records.
const WRITE_SIZE: usize = 64 << 10;

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All that was to be said is sent.
    Well,
    /// Nobody is there to say anything to.
    Gone,
}

pub(super) struct Connection<'a, A, S> {
    pub(super) context: &'a ListenerContext<A>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) digest: Digest,
    pub(super) limits: &'a Limits,
    pub(super) section_bytes: usize,
    pub(super) io: S,
    pub(super) input: BytesMut,
    pub(super) output: Output,
    /// Something was written that is perhaps not sent.
    unflushed: bool,
    /// The client had to take something before more could be written.
    pub(super) blocked: bool,
    pub(super) prefix: Prefix,
    pub(super) decoder: Decoder,
    pub(super) known_authority: KnownAuthority,
    pub(super) streams: Arc<Shared>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) greeting: Greeting,
    pub(super) partial: Option<PartialSection>,
    pub(super) fault: Option<Reason>,
    pub(super) credit: Credit,
    pub(super) malformed: u32,
    pub(super) accepted: u32,
    pub(super) last_id: u32,
    pub(super) early: EarlyPriorities,
    /// What was accepted before this turn.
    accepted_before: u32,
    /// The client says nothing any more.
    half_closed: bool,
    pub(super) closing: Closing,
    pub(super) deadline: Deadline,
    pub(super) life: Life,
}

/// How far reading or writing went.
#[derive(PartialEq, Eq)]
enum Moved {
    /// There is nothing more to do until something happens.
    All,
    /// There may be more.
    Some,
    /// The client must take something first.
    Blocked,
}

impl<'a, A, S> Connection<'a, A, S>
where
    A: super::Application,
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(
        context: &'a ListenerContext<A>,
        io: S,
        digest: Digest,
        info: Arc<ConnectionInfo>,
        limits: &'a Limits,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let now = Instant::now();
        let mut output = Output::default();
        put_settings(output.own(), &announced(limits));
        put_window_update(output.own(), 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        let life = Life::new(now, limits);
        Self {
            context,
            info,
            digest,
            limits,
            section_bytes: section_bytes(limits),
            io,
            input: BytesMut::new(),
            output,
            unflushed: false,
            blocked: false,
            prefix: Prefix::NO_TABLE,
            decoder: Decoder::new(TABLE_BYTES),
            known_authority: KnownAuthority::default(),
            streams: Arc::new(Shared::new(Streams::new())),
            tasks: Arc::new(Tasks::new(now)),
            greeting: Greeting::Preface,
            partial: None,
            fault: None,
            credit: Credit::new(now),
            malformed: 0,
            accepted: 0,
            last_id: 0,
            early: EarlyPriorities::default(),
            accepted_before: 0,
            half_closed: false,
            closing: Closing::new(closing),
            deadline: Deadline::new(life.first_deadline()),
            life,
        }
    }

    /// One turn of the loop; ready when the connection is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        let faults = {
            let mut streams = self.streams.lock();
            streams.register(context);
            streams.note_unread(false);
            streams.take_faults()
        };
        if let Err(reason) = (0..faults).try_for_each(|_| self.count_malformed()) {
            self.break_off(reason);
        }
        self.accepted_before = self.accepted;
        loop {
            let Ok(read) = self.poll_read(context) else { return Poll::Ready(Ended::Gone) };
            if self.accepted != self.accepted_before {
                self.after_requests();
            }
            if self.closing.poll(context).is_ready() {
                self.on_closing();
            }
            while self.deadline.poll(context).is_ready() {
                if let Some(ended) = self.on_deadline(Instant::now()) {
                    return Poll::Ready(ended);
                }
            }
            let Ok(written) = self.poll_write(context) else { return Poll::Ready(Ended::Gone) };
            self.streams.lock().note_blocked(written == Moved::Blocked);
            let nothing_follows = self.half_closed && !self.streams.lock().await_more();
            if written == Moved::All && (nothing_follows || self.is_finished()) {
                return Poll::Ready(Ended::Well);
            }
            if written == Moved::Blocked || read != Moved::Some {
                return Poll::Pending;
            }
            if self.has_had_its_turn() {
                self.streams.lock().note_unread(true);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn has_had_its_turn(&self) -> bool {
        self.accepted.wrapping_sub(self.accepted_before) >= REQUESTS_PER_TURN
    }

    /// The client says nothing any more. Who asked for something and closed its half is still told what is there; what
    /// is not is made for nobody, as most are gone altogether.
    fn on_end_of_input(&mut self) -> io::Result<Moved> {
        self.half_closed = true;
        let mut streams = self.streams.lock();
        streams.end_what_is_not_there();
        if self.output.is_empty() && !self.unflushed && !streams.has_ready() && !streams.await_more() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Moved::All)
    }

    /// Reads and answers what has come. An error means that the client is gone.
    fn poll_read(&mut self, context: &mut Context<'_>) -> io::Result<Moved> {
        if self.life.phase() == Phase::BrokenOff || self.half_closed {
            return Ok(Moved::All);
        }
        for _ in 0..READS {
            match self.take_frames() {
                Ok(true) => return Ok(Moved::Some),
                Ok(false) if self.has_had_its_turn() => return Ok(Moved::Some),
                Ok(false) => {}
                Err(reason) => {
                    self.break_off(reason);
                    return Ok(Moved::All);
                }
            }
            if self.input.is_empty() && self.input.capacity() > 2 * READ_SIZE {
                self.input = BytesMut::new();
            }
            self.input.reserve(missing(self.greeting, &self.input).max(READ_SIZE));
            match pin!(self.io.read_buf(&mut self.input)).poll(context) {
                Poll::Ready(Ok(0)) => return self.on_end_of_input(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Moved::All),
            }
        }
        Ok(Moved::Some)
    }

    /// Writes what there is to send. An error means that the client is gone.
    fn poll_write(&mut self, context: &mut Context<'_>) -> io::Result<Moved> {
        loop {
            self.streams.lock().fill(&mut self.output, WRITE_SIZE, &mut self.prefix);
            if self.output.is_empty() {
                break;
            }
            let io = &mut self.io;
            let written = self.output.with_slices(|slices| match slices {
                [only] => Pin::new(&mut *io).poll_write(context, only),
                _ => Pin::new(&mut *io).poll_write_vectored(context, slices),
            });
            match written {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.output.advance(count);
                    self.credit.sent(count);
                    self.note_unblocked();
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(Moved::Blocked);
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(context) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(Moved::Blocked);
                }
            }
            self.note_unblocked();
            self.unflushed = false;
        }
        Ok(Moved::All)
    }

    fn note_unblocked(&mut self) {
        if std::mem::take(&mut self.blocked) {
            self.note_alive();
        }
    }
}

/// Bytes that the preface, or the frame which has begun, still needs. Frames that are too long were refused.
fn missing(greeting: Greeting, input: &[u8]) -> usize {
    let whole = match greeting {
        Greeting::Preface => PREFACE.len(),
        Greeting::Settings | Greeting::Done => Header::parse(input).map_or(0, |header| HEADER + header.length),
    };
    whole.saturating_sub(input.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_a_frame_or_the_preface_needs() {
        let check = |greeting: Greeting, input: &[u8], expected: usize| {
            assert_eq!(missing(greeting, input), expected, "{greeting:?} {input:x?}");
        };
        check(Greeting::Preface, &PREFACE[..9], PREFACE.len() - 9);
        check(Greeting::Preface, &PREFACE[..23], 1);
        check(Greeting::Settings, &[0, 0, 6, 4, 0, 0, 0, 0, 0, 1], 5);
        check(Greeting::Done, &[0, 64, 0, 0, 0, 0, 0, 0, 1], 16_384);
        check(Greeting::Done, &[0, 64, 0], 0);
    }
}
