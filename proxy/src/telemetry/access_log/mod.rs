//! The access log: one JSON line a request, written by a thread of its own.
//!
//! A request hands over a struct and never waits: when the queue is full the record is dropped and counted. The
//! writer looks into the queue at an interval instead of being woken, which spares every request a system call.
//! Formatting, rotation and slow disks are the writer's matter.

mod record;
mod writer;

use std::io;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, Thread};
use std::time::Duration;

use tidegate_config::ids::NodeName;
use tidegate_config::model::AccessLog as Target;

pub use record::{AccessRecord, AttemptWord, BoundedText};
use writer::{Command, Writer};

use super::metrics::AccessLogCounters;

/// Records that may wait for the writer: at its interval of 20 ms it keeps up with 800,000 requests a second, and a
/// full queue takes some 8 MiB.
const QUEUE_LENGTH: usize = 16_384;
/// Commands that may wait; more than one of a kind at a time says nothing new.
const COMMAND_QUEUE_LENGTH: usize = 16;

/// The access log of this process. Once it is dropped the writer writes what is queued and ends; at the end of the
/// process call [`Self::flush`], as nothing waits for the writer.
pub struct AccessLog {
    queue: Option<Queue>,
}

struct Queue {
    records: SyncSender<AccessRecord>,
    commands: SyncSender<Command>,
    writer: Thread,
    counters: AccessLogCounters,
}

impl AccessLog {
    /// Opens the target and starts the writer. Fails when the file cannot be opened.
    pub fn start(target: &Target, edge: &NodeName, counters: AccessLogCounters) -> io::Result<Self> {
        let Some(output) = writer::Output::open(target)? else { return Ok(Self { queue: None }) };
        Self::start_with(output, edge, counters, QUEUE_LENGTH)
    }

    fn start_with(
        output: writer::Output,
        edge: &NodeName,
        counters: AccessLogCounters,
        queue_length: usize,
    ) -> io::Result<Self> {
        let (records, queued) = mpsc::sync_channel(queue_length);
        let (commands, orders) = mpsc::sync_channel(COMMAND_QUEUE_LENGTH);
        let writer = Writer::new(output, edge.clone(), counters.clone());
        let thread =
            thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&queued, &orders))?;
        Ok(Self { queue: Some(Queue { records, commands, writer: thread.thread().clone(), counters }) })
    }

    /// Whether records go anywhere; when not, there is no need to build them.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues a record, or drops and counts it. Never blocks.
    pub fn record(&self, record: AccessRecord) {
        let Some(queue) = &self.queue else { return };
        match queue.records.try_send(record) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => queue.counters.dropped.inc(),
        }
    }

    /// Opens the file again, for rotation. Records queued before go to the old file.
    pub fn reopen(&self) {
        self.command(Command::Reopen);
    }

    /// Writes all that is queued and tells whether it was done within `wait`. Blocks: call it where that is fine, as
    /// at the end of the process.
    pub fn flush(&self, wait: Duration) -> bool {
        if self.queue.is_none() {
            return true;
        }
        let (done, flushed) = mpsc::sync_channel(1);
        self.command(Command::Flush(done));
        flushed.recv_timeout(wait).is_ok()
    }

    fn command(&self, command: Command) {
        let Some(queue) = &self.queue else { return };
        if queue.commands.try_send(command).is_err() {
            log::warn!("the access log's writer is stuck or gone; it does not hear commands");
        }
        queue.writer.unpark();
    }
}

#[cfg(test)]
mod tests;
