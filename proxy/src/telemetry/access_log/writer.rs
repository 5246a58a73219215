//! The thread that writes the access log: batches, rotation, and what happens when the disk is full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::Duration;

use tidegate_config::ids::NodeName;
use tidegate_config::model::AccessLog as Target;

use super::record::AccessRecord;
use crate::telemetry::metrics::AccessLogCounters;

/// How often the queue is looked into while it is empty: short for whoever follows the file, cheap when idle.
const INTERVAL: Duration = Duration::from_millis(20);
/// A batch is written when it reaches this; one system call for some hundred lines.
const BATCH_BYTES: usize = 64 * 1024;
/// Readable by the owner and the group: it holds addresses of clients.
const FILE_MODE: u32 = 0o640;

/// What the writer is told.
pub(super) enum Command {
    /// Open the file again.
    Reopen,
    /// Write all that is queued, then say so.
    Flush(SyncSender<()>),
}

/// Where lines go.
pub(super) enum Output {
    Stdout,
    File {
        path: PathBuf,
        file: File,
    },
    /// Something that takes lines in a test.
    #[cfg(test)]
    Sink(Box<dyn Write + Send>),
}

impl Output {
    /// Opens a target; nothing for [`Target::Off`].
    pub(super) fn open(target: &Target) -> io::Result<Option<Self>> {
        Ok(match target {
            Target::Off => None,
            Target::Stdout => Some(Self::Stdout),
            Target::File(path) => Some(Self::File { path: path.clone(), file: open_file(path)? }),
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines).and_then(|()| stdout.flush())
            }
            Self::File { file, .. } => file.write_all(lines),
            #[cfg(test)]
            Self::Sink(sink) => sink.write_all(lines),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { path, file } = self {
            *file = open_file(path)?;
        }
        Ok(())
    }
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

#[derive(PartialEq)]
enum Health {
    Writing,
    Failing,
}

/// The writer's state.
pub(super) struct Writer {
    output: Output,
    edge: NodeName,
    counters: AccessLogCounters,
    batch: Vec<u8>,
    batch_lines: u64,
    health: Health,
}

#[derive(PartialEq)]
enum Drained {
    Empty,
    Closed,
}

impl Writer {
    pub(super) fn new(output: Output, edge: NodeName, counters: AccessLogCounters) -> Self {
        Self { output, edge, counters, batch: Vec::new(), batch_lines: 0, health: Health::Writing }
    }

    /// Runs until the senders are gone and all is written.
    pub(super) fn run(mut self, records: &Receiver<AccessRecord>, commands: &Receiver<Command>) {
        loop {
            // Commands are taken first and obeyed after the queue was emptied, so that what was recorded before a
            // command is written before it.
            let command = commands.try_recv().ok();
            let drained = self.drain(records);
            self.write_batch();
            match command {
                Some(command) => self.obey(command),
                None if drained == Drained::Closed => return,
                None => thread::park_timeout(INTERVAL),
            }
        }
    }

    fn drain(&mut self, records: &Receiver<AccessRecord>) -> Drained {
        // Bounded, so that a command is heard under any load.
        for _ in 0..super::QUEUE_LENGTH {
            match records.try_recv() {
                Ok(record) => self.append(&record),
                Err(TryRecvError::Empty) => return Drained::Empty,
                Err(TryRecvError::Disconnected) => return Drained::Closed,
            }
        }
        Drained::Empty
    }

    fn append(&mut self, record: &AccessRecord) {
        let start = self.batch.len();
        if let Err(error) = record.append_line(&self.edge, &mut self.batch) {
            log::error!("an access log line could not be formatted: {error}");
            self.batch.truncate(start);
            self.counters.dropped.inc();
            return;
        }
        self.batch_lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match self.output.write(&self.batch) {
            Ok(()) => {
                self.counters.written.inc_by(self.batch_lines);
                self.health = Health::Writing;
            }
            Err(error) => {
                self.counters.dropped.inc_by(self.batch_lines);
                // Once per outage: a full disk must not fill the process log as well.
                if self.health == Health::Writing {
                    log::error!("the access log cannot be written, lines are dropped: {error}");
                }
                self.health = Health::Failing;
            }
        }
        self.batch.clear();
        self.batch_lines = 0;
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Reopen => {
                if let Err(error) = self.output.reopen() {
                    log::error!("the access log cannot be opened again, the old file stays in use: {error}");
                }
            }
            // Who asked may have stopped waiting.
            Command::Flush(done) => done.try_send(()).unwrap_or_default(),
        }
    }
}
