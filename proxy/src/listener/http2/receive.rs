//! What comes from a client, frame by frame (RFC 9113 section 6).

use bytes::Buf;
use http::StatusCode;
use tokio::time::Instant;

use super::connection::Connection;
use super::credit::is_without_content;
use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADER, HEADERS, Header, LARGEST_PAYLOAD, PING, PREFACE,
    PRIORITISED, PRIORITY, PRIORITY_UPDATE, PUSH_PROMISE, RST_STREAM, Reason, SETTINGS, WINDOW_UPDATE, number,
    put_ping, put_settings_ack, unpadded,
};
use super::settings::window_of;
use super::streams::{Fault, Known};
use crate::listener::Protocol;
use crate::listener::priority::Signal;
use crate::listener::ready_response::Application;

/// Bytes that wait for the socket beyond which nothing more is taken from the client: whoever reads nothing is not
/// answered.
pub(super) const FULL: usize = 256 << 10;

/// CONTINUATION frames of one section. A section of the largest size takes a few; many small ones are only work.
const CONTINUATIONS: u32 = 16;

/// What a compressed section may have beyond its bound once it is not compressed: enough to answer somewhat larger ones
/// with 431, and for the table to stay in step.
const SECTION_EXCESS: usize = 64 << 10;

/// Frames without content as which a reset counts besides of what is answered already, or was not begun: beyond what a
/// short answer earns, so that requests made to be cancelled (CVE-2023-44487) end the connection where answers are there at
/// once, too. Honest ones cross the end of their answers by chance, a page's worth at a time.
const IN_VAIN: usize = 8;

/// How far the beginning of a connection is (RFC 9113 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    Preface,
    Settings,
    Done,
}

/// A section whose end has not come.
#[derive(Debug)]
pub(super) struct PartialSection {
    id: u32,
    end_stream: bool,
    block: Vec<u8>,
    continuations: u32,
    pub(super) since: Instant,
}

const PROTOCOL: Fault = Fault::Connection(Reason::PROTOCOL_ERROR);
const FRAME_SIZE: Fault = Fault::Connection(Reason::FRAME_SIZE_ERROR);
const CALM: Fault = Fault::Connection(Reason::ENHANCE_YOUR_CALM);

impl<A, S> Connection<'_, A, S>
where
    A: Application,
{
    /// Takes all whole frames that have come, as far as there is room for what they are answered. Tells whether some are
    /// left, or why the connection cannot go on.
    pub(super) fn take_frames(&mut self) -> Result<bool, Reason> {
        let mut input = std::mem::take(&mut self.input);
        let taken = self.take_frames_of(&input);
        input.advance(taken.unwrap_or(input.len()));
        self.input = input;
        match std::mem::take(&mut self.fault) {
            Some(reason) => Err(reason),
            None => Ok(taken.is_some() && self.output.len() >= FULL),
        }
    }

    /// How many bytes were taken; nothing after a fault.
    fn take_frames_of(&mut self, input: &[u8]) -> Option<usize> {
        let mut taken = 0;
        if self.greeting == Greeting::Preface {
            let known = input.len().min(PREFACE.len());
            if input[..known] != PREFACE[..known] {
                self.fault = Some(Reason::PROTOCOL_ERROR);
                return None;
            }
            if known < PREFACE.len() {
                return Some(0);
            }
            self.greeting = Greeting::Settings;
            taken = known;
        }
        while self.output.len() < FULL {
            let Some(header) = Header::parse(&input[taken..]) else { break };
            if header.length > LARGEST_PAYLOAD {
                self.fault = Some(Reason::FRAME_SIZE_ERROR);
                return None;
            }
            let Some(payload) = input.get(taken + HEADER..taken + HEADER + header.length) else { break };
            taken += HEADER + header.length;
            self.note_alive();
            let outcome = self.take_frame(&header, payload);
            if let Err(fault) = outcome.or_else(|fault| self.answer_fault(header.stream, fault)) {
                self.fault = Some(fault);
                return None;
            }
        }
        Some(taken)
    }

    /// Resets the stream at fault; tells why the connection cannot go on.
    fn answer_fault(&mut self, stream: u32, fault: Fault) -> Result<(), Reason> {
        match fault {
            Fault::Connection(reason) => Err(reason),
            Fault::Stream(reason) => {
                self.streams.lock().reset(stream, reason);
                self.count_malformed()
            }
        }
    }

    fn take_frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if is_without_content(header) && !self.credit.spend(Instant::now()) {
            log::debug!("an HTTP/2 client sends frames without content");
            return Err(CALM);
        }
        if self.greeting == Greeting::Settings {
            if header.kind != SETTINGS || header.has(ACK) {
                return Err(PROTOCOL);
            }
            self.greeting = Greeting::Done;
        }
        if self.partial.is_some() && header.kind != CONTINUATION {
            return Err(PROTOCOL);
        }
        match header.kind {
            DATA => self.on_data(header, payload),
            HEADERS => self.on_headers(header, payload),
            CONTINUATION => self.on_continuation(header, payload),
            SETTINGS => self.on_settings(header, payload),
            PING => self.on_ping(header, payload),
            WINDOW_UPDATE => self.on_window_update(header, payload),
            RST_STREAM => self.on_reset(header, payload),
            PRIORITY => on_priority(header, payload),
            PRIORITY_UPDATE => self.on_priority_update(header, payload),
            PUSH_PROMISE => Err(PROTOCOL),
            GOAWAY if header.stream != 0 => Err(PROTOCOL),
            GOAWAY if payload.len() < 8 => Err(FRAME_SIZE),
            // What has a meaning for nobody is to be skipped (RFC 9113 section 5.5); a client that goes away closes.
            _ => Ok(()),
        }
    }

    fn on_data(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if self.is_idle(header.stream) {
            return Err(PROTOCOL);
        }
        let bytes = unpadded(header, payload).ok_or(PROTOCOL)?;
        let mut streams = self.streams.lock();
        match streams.known(header.stream) {
            Known::Over => return Err(Fault::Connection(Reason::STREAM_CLOSED)),
            // What was on its way when its stream was reset is no fault, but work.
            Known::Reset if !self.credit.spend(Instant::now()) => return Err(CALM),
            Known::Reset | Known::Here => {}
        }
        streams.receive(header.stream, bytes, payload.len(), header.has(END_STREAM))
    }

    fn on_headers(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream.is_multiple_of(2) {
            return Err(PROTOCOL);
        }
        let mut block = unpadded(header, payload).ok_or(PROTOCOL)?;
        if header.has(PRIORITISED) {
            let (priority, rest) = block.split_at_checked(5).ok_or(FRAME_SIZE)?;
            depends_on_another(header.stream, priority)?;
            block = rest;
        }
        let end_stream = header.has(END_STREAM);
        if header.has(END_HEADERS) {
            return self.on_section(header.stream, block, end_stream);
        }
        let since = Instant::now();
        self.deadline.set_earlier(since + self.limits.header_timeout);
        let partial = PartialSection { id: header.stream, end_stream, block: block.to_vec(), continuations: 0, since };
        self.partial = Some(partial);
        Ok(())
    }

    fn on_continuation(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        let mut partial = self.partial.take().filter(|partial| partial.id == header.stream).ok_or(PROTOCOL)?;
        partial.continuations += 1;
        partial.block.extend_from_slice(payload);
        if partial.continuations > CONTINUATIONS || partial.block.len() > self.section_bytes + SECTION_EXCESS {
            return Err(CALM);
        }
        if header.has(END_HEADERS) {
            return self.on_section(partial.id, &partial.block, partial.end_stream);
        }
        self.partial = Some(partial);
        Ok(())
    }

    fn on_settings(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(PROTOCOL);
        }
        if header.has(ACK) {
            return if payload.is_empty() { Ok(()) } else { Err(FRAME_SIZE) };
        }
        if let Some(window) = window_of(payload)? {
            let mut streams = self.streams.lock();
            // Each stream that it changes costs as much as a WINDOW_UPDATE of its own.
            if !self.credit.spend_all(streams.count(), Instant::now()) {
                return Err(CALM);
            }
            streams.resize(window)?;
        }
        put_settings_ack(self.output.own());
        Ok(())
    }

    fn on_ping(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(PROTOCOL);
        }
        let opaque: [u8; 8] = payload.try_into().map_err(|_| FRAME_SIZE)?;
        if header.has(ACK) {
            self.on_pong(opaque);
        } else {
            put_ping(self.output.own(), ACK, opaque);
        }
        Ok(())
    }

    fn on_window_update(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        let by = i64::from(number(payload).filter(|_| payload.len() == 4).ok_or(FRAME_SIZE)? & (u32::MAX >> 1));
        if header.stream != 0 && self.is_idle(header.stream) {
            return Err(PROTOCOL);
        }
        match (header.stream, by) {
            (0, 0) => Err(PROTOCOL),
            (0, by) => self.streams.lock().widen_connection(by),
            (_, 0) => Err(Fault::Stream(Reason::PROTOCOL_ERROR)),
            (id, by) => self.streams.lock().widen_stream(id, by),
        }
    }

    fn on_reset(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        let code = number(payload).filter(|_| payload.len() == 4).ok_or(FRAME_SIZE)?;
        if self.is_idle(header.stream) {
            return Err(PROTOCOL);
        }
        let mut streams = self.streams.lock();
        if streams.is_reset_in_vain(header.stream) && !self.credit.spend_all(IN_VAIN, Instant::now()) {
            return Err(CALM);
        }
        streams.stopped(header.stream, Reason(code));
        Ok(())
    }

    /// A client says anew how urgent a response is, or how urgent one will be (RFC 9218 section 7.1).
    fn on_priority_update(&mut self, header: &Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(PROTOCOL);
        }
        let (id, value) = payload.split_at_checked(4).ok_or(FRAME_SIZE)?;
        let id = number(id).unwrap_or_default() & (u32::MAX >> 1);
        let signal = Signal::parse(value);
        if id > self.last_id && !id.is_multiple_of(2) {
            return self.on_early_priority(id, signal);
        }
        // Nothing is ever pushed.
        if id.is_multiple_of(2) {
            return Err(PROTOCOL);
        }
        self.streams.lock().update_priority(id, signal);
        Ok(())
    }

    fn on_early_priority(&mut self, id: u32, signal: Signal) -> Result<(), Fault> {
        /// Frames overtake their requests by a few. What is said of streams further away, for each that may be open, is
        /// forgotten.
        const REACH: u32 = 4;
        if id - self.last_id > self.limits.streams.saturating_mul(REACH) {
            return Ok(());
        }
        // Together with those that are open they are no more than may be.
        let room = self.limits.streams.saturating_sub(self.streams.lock().open());
        self.early.note(id, signal, room as usize)
    }

    /// Whether nobody has opened a stream, or could (RFC 9113 section 5.1.1).
    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last_id || stream.is_multiple_of(2)
    }

    /// One more request that is none, or error of a stream.
    pub(super) fn count_malformed(&mut self) -> Result<(), Reason> {
        /// Rejecting costs work, and a client that keeps sending what is malformed is broken or means harm
        /// (CVE-2025-8671).
        const MALFORMED_REQUESTS: u32 = 32;
        self.malformed += 1;
        if self.malformed >= MALFORMED_REQUESTS { Err(Reason::ENHANCE_YOUR_CALM) } else { Ok(()) }
    }

    /// Notes that the listener refused a request itself.
    pub(super) fn note_refused(&self, status: StatusCode) {
        self.context.observer.rejected(Protocol::Http2, status.as_u16());
    }
}

/// Priorities of RFC 7540 mean nothing any more, but are still to be what they were (RFC 9113 section 6.3).
fn on_priority(header: &Header, payload: &[u8]) -> Result<(), Fault> {
    if header.stream == 0 {
        return Err(PROTOCOL);
    }
    if payload.len() != 5 {
        return Err(FRAME_SIZE);
    }
    depends_on_another(header.stream, payload)
}

fn depends_on_another(stream: u32, priority: &[u8]) -> Result<(), Fault> {
    let on = number(priority).unwrap_or_default() & (u32::MAX >> 1);
    if on == stream { Err(PROTOCOL) } else { Ok(()) }
}
