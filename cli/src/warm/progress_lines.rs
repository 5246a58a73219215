//! Lines that say how far a job is, written on a thread of their own: a reader who takes none, such as a pager or a terminal
//! that stands still, must neither keep the command from following its job nor from ending.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use crate::output::{OutputFormat, print, tell};

/// Lines that wait behind one that is being written. The next one says more than those.
const WAITING: usize = 1;

pub(super) struct ProgressLines {
    lines: SyncSender<String>,
    writer: JoinHandle<()>,
}

impl ProgressLines {
    /// Lines for people go to standard error, those for programs to standard output.
    pub(super) fn on(format: OutputFormat) -> Self {
        let (lines, taken) = sync_channel::<String>(WAITING);
        let writer = spawn(move || {
            for line in taken {
                match format {
                    // That it cannot be written is told by the last line, which is not written here.
                    OutputFormat::Json => drop(print(&line)),
                    OutputFormat::Text => tell(&line),
                }
            }
        });
        Self { lines, writer }
    }

    /// Writes a line, unless those before it are not taken. Whether it will be written.
    pub(super) fn offer(&self, line: String) -> bool {
        self.lines.try_send(line).is_ok()
    }

    /// Waits until all are written.
    pub(super) fn finish(self) {
        drop(self.lines);
        drop(self.writer.join());
    }
}
