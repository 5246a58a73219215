//! From a header section to a request that is being served.

use std::sync::Arc;

use http::{Method, StatusCode};
use pingora_core::protocols::http::ServerSession;

use super::carrier::Http2Carrier;
use super::connection::Connection;
use super::frame::{DATA, END_STREAM, Reason, put_header, put_reset};
use super::hpack::{Section as Decoded, write_status};
use super::ready::{self, SHORT_BODY};
use super::request::{Checked, Refused, Section};
use super::stream::{Prefix, Priority, begin_section, end_section, put_section};
use super::streams::{Fault, Known};
use super::tasks::Tasks;
use crate::listener::body_progress::while_body_comes;
use crate::listener::priority::Signal;
use crate::listener::ready_response::{Application, ReadyStream};
use crate::listener::request_head::{Malformed, of_stream};
use crate::listener::session::{Patience, StreamSession};
use crate::listener::{CONNECTION, Protocol};

/// Tasks of streams for each stream that may be open. A client that resets streams at once (CVE-2023-44487) frees
/// them for HTTP/2's own limit while their tasks still run. Where an origin is slow, honest clients that cancel and ask again
/// come here, too: beyond this many a request is refused, at the cost of credit.
const TASKS_PER_STREAM: usize = 2;

impl<A, S> Connection<'_, A, S>
where
    A: Application,
{
    /// A whole header section: a request, or the trailers of one.
    pub(super) fn on_section(&mut self, id: u32, block: &[u8], end: bool) -> Result<(), Fault> {
        let mut section = Section::new(self.limits);
        let decoded = self.decoder.decode(block, self.section_bytes, |field| section.add(field));
        let Ok(size) = decoded else { return Err(Fault::Connection(Reason::COMPRESSION_ERROR)) };
        if id <= self.last_id {
            return self.on_trailers(id, &section, end);
        }
        self.last_id = id;
        // Whatever becomes of it: nothing is kept for a stream that was opened.
        let updated = self.early.take(id);
        if self.is_beyond_goaway(id) {
            self.spend_credit()?;
            // The client sends it again elsewhere (RFC 9113 section 6.8); what follows of it is nothing to us.
            self.streams.lock().remember_reset(id);
            return Ok(());
        }
        if self.streams.lock().open() >= self.limits.streams {
            return self.turn_away(id);
        }
        self.accepted = self.accepted.saturating_add(1);
        let request = match size {
            Decoded::TooLarge => Err(Refused::Answered(Malformed::TooManyFields)),
            Decoded::Whole => section.finish(self.limits, &mut self.known_authority),
        };
        match request {
            Ok(checked) if end && checked.content_length.is_some_and(|length| length > 0) => {
                Err(Fault::Stream(Reason::PROTOCOL_ERROR))
            }
            Ok(checked) => self.begin(id, checked, end, updated),
            Err(Refused::Reset) => Err(Fault::Stream(Reason::PROTOCOL_ERROR)),
            Err(Refused::Answered(malformed)) => self.refuse(id, malformed, end),
        }
    }

    /// Nobody reads them, so that they only end the body.
    fn on_trailers(&mut self, id: u32, section: &Section, end: bool) -> Result<(), Fault> {
        self.spend_credit()?;
        let mut streams = self.streams.lock();
        match streams.known(id) {
            Known::Reset => Ok(()),
            Known::Over => Err(Fault::Connection(Reason::STREAM_CLOSED)),
            Known::Here if streams.has_ended(id) => Err(Fault::Stream(Reason::STREAM_CLOSED)),
            Known::Here if !end || !section.is_trailers() => Err(Fault::Stream(Reason::PROTOCOL_ERROR)),
            Known::Here => streams.receive_end(id),
        }
    }

    /// More than may be under way at once. It may not have known (RFC 9113 section 5.1.2), but costs credit.
    fn turn_away(&mut self, id: u32) -> Result<(), Fault> {
        self.spend_credit()?;
        self.streams.lock().reset(id, Reason::REFUSED_STREAM);
        Ok(())
    }

    /// Pays for a frame that is honest now and then, and work without end otherwise.
    fn spend_credit(&mut self) -> Result<(), Fault> {
        if self.credit.spend(tokio::time::Instant::now()) {
            Ok(())
        } else {
            Err(Fault::Connection(Reason::ENHANCE_YOUR_CALM))
        }
    }

    /// Answers what is no request for the proxy.
    fn refuse(&mut self, id: u32, malformed: Malformed, end: bool) -> Result<(), Fault> {
        let status = StatusCode::from_u16(malformed.status()).unwrap_or(StatusCode::BAD_REQUEST);
        self.note_refused(status);
        let mut section = Vec::new();
        write_status(&mut section, status);
        put_section(self.output.own(), id, &section, true, &mut self.prefix);
        if !end {
            put_reset(self.output.own(), id, Reason::NO_ERROR);
            self.streams.lock().remember_reset(id);
        }
        let counts = status == StatusCode::BAD_REQUEST;
        if counts { self.count_malformed().map_err(Fault::Connection) } else { Ok(()) }
    }

    fn begin(&mut self, id: u32, mut checked: Checked, end: bool, updated: Option<Signal>) -> Result<(), Fault> {
        if self.tasks.running() >= self.limits.streams as usize * TASKS_PER_STREAM {
            return self.turn_away(id);
        }
        let plain = end && checked.content_length.is_none() && checked.request.method == Method::GET;
        let asked = Signal::of(&checked.request.fields).unwrap_or_default();
        let priority = Priority { asked, updated, ..Priority::default() };
        if plain && let Some(ready) = self.context.app.ready_stream(&mut checked.request, &self.info) {
            self.answer(id, ready, priority);
            return Ok(());
        }
        let Checked { request, content_length } = checked;
        let head = match of_stream(request, content_length) {
            Ok(head) => head,
            Err(malformed) => return self.refuse(id, malformed, end),
        };
        let carrier = self.enter(id, end, priority);
        let limits = self.limits;
        // Who looks after bodies that do not go on is below.
        let patience = Patience { read: None, write: limits.write_timeout, drain: limits.body_timeout };
        let mut session = StreamSession::new(head, carrier, self.digest.clone(), patience);
        session.knows_body();
        let app = Arc::clone(&self.context.app);
        let (observer, patience) = (Arc::clone(&self.context.observer), limits.body_timeout);
        let (guard, signal) = (Tasks::begin(&self.tasks), self.closing.signal().clone());
        let streams = Arc::clone(&self.streams);
        let serving = async move {
            let _guard = guard;
            let unread = streams.lock().has_unread();
            if unread {
                tokio::task::yield_now().await;
            }
            if !streams.lock().begin(id) {
                return; // Reset, or the connection broken off, by what came with it.
            }
            let serving = app.process_new_http(ServerSession::new_custom(Box::new(session)), &signal);
            if while_body_comes(patience, serving).await.is_none() {
                // The stream is reset as its session is dropped.
                log::debug!("a client did not go on with the body of a request");
                observer.rejected(Protocol::Http2, StatusCode::REQUEST_TIMEOUT.as_u16());
            }
        };
        tokio::spawn(CONNECTION.scope(Arc::clone(&self.info), serving));
        Ok(())
    }

    fn enter(&mut self, id: u32, end: bool, priority: Priority) -> Http2Carrier {
        let mut streams = self.streams.lock();
        streams.insert(id, end);
        streams.prioritise(id, |known| *known = priority);
        drop(streams);
        Http2Carrier::new(Arc::clone(&self.streams), id)
    }

    /// Writes what is there: at once if it is short and the client takes it, otherwise as it does.
    fn answer(&mut self, id: u32, ready: Box<dyn ReadyStream>, priority: Priority) {
        let length = usize::try_from(ready.length()).unwrap_or(usize::MAX);
        if length <= SHORT_BODY && self.streams.lock().spend_at_once(length) {
            return self.write_at_once(id, ready, length);
        }
        let carrier = self.enter(id, true, priority);
        self.streams.lock().note_stored(id);
        let streams = Arc::clone(&self.streams);
        let guard = Tasks::begin(&self.tasks);
        let writing = ready::write(ready, carrier, self.limits.write_timeout);
        tokio::spawn(async move {
            let _guard = guard;
            streams.lock().begin(id);
            writing.await;
        });
    }

    fn write_at_once(&mut self, id: u32, mut ready: Box<dyn ReadyStream>, length: usize) {
        let out = self.output.own();
        let begun = begin_section(out, id, &mut self.prefix);
        if !ready.write_section(out) {
            out.truncate(begun);
            // It may have stood there.
            self.prefix = Prefix::NO_TABLE;
            put_reset(out, id, Reason::INTERNAL_ERROR);
            self.streams.lock().give_back(length);
            return ready.sent(0, Some(&"no header section could be made"));
        }
        end_section(out, begun, id, false);
        let mut sent = 0;
        while sent < length
            && let Some(piece) = ready.next_piece()
        {
            sent += piece.len();
            let flags = if sent == length { END_STREAM } else { 0 };
            put_header(self.output.own(), piece.len(), DATA, flags, id);
            self.output.push(piece);
        }
        if sent != length {
            put_reset(self.output.own(), id, Reason::INTERNAL_ERROR);
            self.streams.lock().give_back(length.saturating_sub(sent));
            return ready.sent(sent as u64, Some(&"the stored body is short"));
        }
        ready.sent(sent as u64, None);
    }
}
