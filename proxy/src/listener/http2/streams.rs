//! The streams of a connection, as the connection's task and the tasks of its requests share them.
//!
//! Owns what both sides change: queues, windows, and whose turn it is to be sent. Locked for a moment at a time; nobody
//! waits with the lock.

mod receiving;
mod sending;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::task::{Context, Waker};

use parking_lot::Mutex;

use super::frame::{Reason, put_reset};
use super::stream::{Gone, Stream, Turn};
use super::windows::{CONNECTION_WINDOW, DEFAULT_WINDOW, ReceiveWindow, SendWindow};
use crate::listener::slow_reader::{self, Taken};

/// Streams that we reset and for which late frames are ignored. Twice the usual number of streams in flight.
const RESET_STREAMS: usize = 256;

/// What is wrong with what a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection cannot go on (RFC 9113 section 5.4.1).
    Connection(Reason),
    /// A stream cannot (section 5.4.2).
    Stream(Reason),
}

/// What is known of a stream's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is in the table.
    Here,
    /// We reset it, and the client may not know yet.
    Reset,
    /// It is over.
    Over,
}

/// The streams of one connection.
pub(super) type Shared = Mutex<Streams>;

#[derive(Debug)]
pub(super) struct Streams {
    table: HashMap<u32, Stream, ahash::RandomState>,
    /// Streams that their own windows let send, by their turns.
    ready: BTreeSet<Turn>,
    turns: u64,
    /// Bytes of bodies that were handed over, of all streams.
    taken: u64,
    /// Streams that count against what may be open at once.
    open: u32,
    reset: VecDeque<u32>,
    window: SendWindow,
    initial_window: u32,
    receive_window: ReceiveWindow,
    /// Frames of streams that are no part of a response.
    control: Vec<u8>,
    driver: Option<Waker>,
    /// The connection's task left something unread, and goes on with it next.
    unread: bool,
    /// The socket takes no more for now.
    blocked: bool,
    /// Requests whose bodies were not what they must be, which nobody has counted yet.
    faults: u32,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            table: HashMap::default(),
            ready: BTreeSet::new(),
            turns: 0,
            taken: 0,
            open: 0,
            reset: VecDeque::new(),
            window: SendWindow::new(DEFAULT_WINDOW),
            initial_window: DEFAULT_WINDOW,
            receive_window: ReceiveWindow::new(CONNECTION_WINDOW),
            control: Vec::new(),
            driver: None,
            unread: false,
            blocked: false,
            faults: 0,
        }
    }

    /// Streams that are open as the client counts them.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// Begins to answer, unless nothing can come of it any more.
    pub(super) fn begin(&mut self, id: u32) -> bool {
        let stream = self.table.get_mut(&id).filter(|stream| stream.gone.is_none());
        stream.map(|stream| stream.begun = true).is_some()
    }

    /// Whether a reset comes when all is answered, or before anybody could begin.
    pub(super) fn is_reset_in_vain(&self, id: u32) -> bool {
        match self.table.get(&id) {
            Some(stream) => !stream.begun,
            None => self.known(id) == Known::Over,
        }
    }

    /// Whether no request holds a stream.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn known(&self, id: u32) -> Known {
        match self.table.get(&id) {
            Some(stream) => match stream.gone {
                None => Known::Here,
                // Whoever gave it up knows.
                Some(Gone::Stopped(_)) => Known::Over,
                Some(Gone::Reset(_) | Gone::Ended) => Known::Reset,
            },
            None if self.reset.contains(&id) => Known::Reset,
            None => Known::Over,
        }
    }

    /// What the client has taken of a stream, which waits for others or the socket if its own window lets it go on.
    pub(super) fn taken(&self, id: u32) -> Taken {
        self.table.get(&id).map_or_else(Taken::default, |stream| {
            let turn = match stream.turn {
                None => slow_reader::Turn::Client,
                Some(_) if self.blocked => slow_reader::Turn::Socket,
                Some(_) => slow_reader::Turn::Others,
            };
            Taken { own: stream.taken(), all: self.taken, turn }
        })
    }

    /// Notes whether the socket takes no more for now.
    pub(super) fn note_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// How many streams requests hold.
    pub(super) fn count(&self) -> usize {
        self.table.len()
    }

    /// Whether the client has said that its body is whole.
    pub(super) fn has_ended(&self, id: u32) -> bool {
        self.table.get(&id).is_some_and(|stream| stream.received_end)
    }

    /// Whether something can be sent as far as the streams' own windows go.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether more will be queued of a response, once what was queued has gone.
    pub(super) fn await_more(&self) -> bool {
        self.table.values().any(Stream::awaits_more)
    }

    /// All of this response is there, though not all of it is queued.
    pub(super) fn note_stored(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.stored = true;
        }
    }

    /// Ends the streams whose responses are not there to their ends.
    pub(super) fn end_what_is_not_there(&mut self) {
        let ids: Vec<u32> = self.table.iter().filter(|(_, stream)| !stream.is_there()).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(stream) = self.table.get_mut(&id) {
                stream.end(Gone::Ended);
            }
            self.place(id);
        }
    }

    /// Notes whether something that has come is left unread for now: it may be the reset of what was just begun.
    pub(super) fn note_unread(&mut self, unread: bool) {
        self.unread = unread;
    }

    pub(super) fn has_unread(&self) -> bool {
        self.unread
    }

    /// Who is woken when there is something to send.
    pub(super) fn register(&mut self, context: &Context<'_>) {
        if self.driver.is_none() {
            self.driver = Some(context.waker().clone());
        }
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Enters a stream that a request opens.
    pub(super) fn insert(&mut self, id: u32, received_end: bool) {
        self.open += 1;
        self.table.insert(id, Stream::new(SendWindow::new(self.initial_window), received_end));
    }

    /// Notes that a stream was answered and reset, which is in no table.
    pub(super) fn remember_reset(&mut self, id: u32) {
        if self.reset.len() >= RESET_STREAMS {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    /// The client gives a stream up.
    pub(super) fn stopped(&mut self, id: u32, reason: Reason) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        // Who has all of the response does not give it up.
        if !(stream.sent_end && stream.received_end) {
            stream.received_end = true;
            stream.end(Gone::Stopped(reason));
        }
        self.close(id);
        self.place(id);
    }

    /// Resets a stream, for what the client did or for want of a whole response.
    pub(super) fn reset(&mut self, id: u32, reason: Reason) {
        match self.table.get_mut(&id) {
            Some(stream) if stream.gone.is_some() => return,
            Some(stream) => stream.end(Gone::Reset(reason)),
            None => self.remember_reset(id),
        }
        put_reset(&mut self.control, id, reason);
        self.close(id);
        self.place(id);
        self.wake_driver();
    }

    /// Resets a stream for a body that is not what it must be.
    pub(super) fn at_fault(&mut self, id: u32) {
        self.faults = self.faults.saturating_add(1);
        self.reset(id, Reason::PROTOCOL_ERROR);
    }

    /// How many were at fault since this was last asked.
    pub(super) fn take_faults(&mut self) -> u32 {
        std::mem::take(&mut self.faults)
    }

    /// Ends everything: the connection is over.
    pub(super) fn end_all(&mut self) {
        self.ready.clear();
        for stream in self.table.values_mut() {
            stream.turn = None;
            stream.end(Gone::Ended);
        }
    }

    fn close(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id).filter(|stream| !stream.closed) {
            stream.closed = true;
            self.open = self.open.saturating_sub(1);
        }
    }

    fn note_progress(&mut self, id: u32) {
        if self.table.get(&id).is_some_and(|stream| stream.received_end && stream.sent_end) {
            self.close(id);
        }
    }

    /// One stream and, once it was changed, its place; nothing when the connection is over.
    pub(super) fn change<T>(&mut self, id: u32, change: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let changed = change(self.table.get_mut(&id)?);
        self.place(id);
        self.wake_driver();
        Some(changed)
    }

    /// One stream to look at.
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        self.table.get_mut(&id)
    }

    /// Forgets a stream that nobody holds any more. What is not whole is reset.
    pub(super) fn forget(&mut self, id: u32) {
        self.close(id);
        let Some(stream) = self.table.remove(&id) else { return };
        if let Some(turn) = stream.turn {
            self.ready.remove(&turn);
        }
        self.release_connection(stream.received.len());
        if stream.gone.is_none() && !(stream.sent_end && stream.received_end) {
            // A body that nobody wants is stopped without blame (RFC 9113 section 8.1).
            put_reset(&mut self.control, id, if stream.sent_end { Reason::NO_ERROR } else { Reason::CANCEL });
        }
        if !stream.received_end {
            self.remember_reset(id);
        }
        self.wake_driver();
    }
}
