//! Signals that end the command and its job, whatever the command is at.
//!
//! Of hanging up nothing is heard: a command whose terminal is gone ends by it, and its job as one that nobody follows; with
//! `nohup` both go on. Nor is anything heard of what was ignored when the command began, as shells have it of what runs in
//! the background.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::error::CommandError;
use crate::node_client::NodeClient;

/// How long a job that was ended may take to say so, and this command to tell of it.
pub(super) const ENDING: Duration = Duration::from_secs(5);

/// Code of a command that did not come to the end of what it was to do.
const UNFINISHED: i32 = 1;

/// Where Linux says which signals a process ignores.
const STATUS: &str = "/proc/self/status";

pub(super) struct Interruption {
    job: watch::Sender<Option<String>>,
    come: Receiver<()>,
}

impl Interruption {
    /// Listens from now on, before there is a job: none must be left behind.
    pub(super) fn listen(client: NodeClient) -> Result<Self, CommandError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::System)?;
        let ignored = ignored(&std::fs::read_to_string(STATUS).unwrap_or_default());
        let listen = |kind: SignalKind| {
            let _inside = runtime.enter();
            let heard = ignored & mask(kind) == 0;
            heard.then(|| signal(kind)).transpose().map_err(CommandError::System)
        };
        let signals = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
        let (job, path) = watch::channel(None);
        let (sender, come) = channel();
        spawn(move || end_by(&runtime, signals, &client, &path, &sender));
        Ok(Self { job, come })
    }

    /// The job at this path is the one to end.
    pub(super) fn ends(&self, path: &str) {
        self.job.send_replace(Some(path.to_owned()));
    }

    /// Waits so long for a signal. Whether one came.
    pub(super) fn has_come_within(&self, pause: Duration) -> bool {
        self.come.recv_timeout(pause).is_ok()
    }
}

/// Ends the job at the first signal, and with the second one, or when it takes too long, the command. The thread that follows
/// the job may wait for whoever reads what it writes.
fn end_by(
    runtime: &Runtime,
    [mut interrupt, mut terminate]: [Option<Signal>; 2],
    client: &NodeClient,
    path: &watch::Receiver<Option<String>>,
    come: &Sender<()>,
) {
    runtime.block_on(next(&mut interrupt, &mut terminate));
    let (client, mut path, come) = (client.clone(), path.clone(), come.clone());
    spawn(move || {
        // It is asked for on a runtime of its own, and what is said of its end comes with the next question.
        let found = futures::executor::block_on(path.wait_for(Option::is_some)).ok().and_then(|path| path.clone());
        drop(found.map(|path| client.delete(&path)));
        come.send(()).ok(); // who followed the job is gone
    });
    let second = next(&mut interrupt, &mut terminate);
    drop(runtime.block_on(async { tokio::time::timeout(ENDING, second).await }));
    std::process::exit(UNFINISHED);
}

async fn next(interrupt: &mut Option<Signal>, terminate: &mut Option<Signal>) {
    let one = async |signal: &mut Option<Signal>| match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    };
    tokio::select! {
        () = one(interrupt) => {}
        () = one(terminate) => {}
    }
}

/// The signals that a process ignores, as bits. None where that is not told.
fn ignored(status: &str) -> u64 {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

fn mask(kind: SignalKind) -> u64 {
    let place = u32::try_from(kind.as_raw_value() - 1).unwrap_or_default();
    1_u64.checked_shl(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_are_ignored_are_known() {
        let check = |status: &str, interrupt: bool, terminate: bool| {
            let is = |kind| ignored(status) & mask(kind) != 0;
            assert_eq!((is(SignalKind::interrupt()), is(SignalKind::terminate())), (interrupt, terminate), "{status}");
        };
        check("Name:\ttidegate\nSigBlk:\t0000000000004002\nSigIgn:\t0000000000001000\n", false, false);
        check("SigIgn:\t0000000000000003\n", true, false);
        check("SigIgn:\t0000000000004002\n", true, true);
        check("SigIgn:\tx\n", false, false);
        check("", false, false);
    }
}
