//! The processes of the fleet: started, watched, stopped, and never left behind.
//!
//! Each is in a process group of its own, so that Ctrl-C in a terminal reaches the command alone, which then stops them
//! in order: edge nodes first, their origins after them. Each ends with the command, however that ends (`parent`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::future::{join_all, select_all};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::output::tell;

use super::documents::EDGE_GRACE_SECONDS;
use super::error::DevError;

/// Edge nodes get their own grace and a moment for threads to end.
const EDGE_STOP: Duration = Duration::from_secs(EDGE_GRACE_SECONDS + 2);

/// Origins are without clients when they are stopped.
const ORIGIN_STOP: Duration = Duration::from_secs(3);

/// Of a log, shown when its node fails: enough for the reason, little enough to leave it in sight.
const LAST_WORDS_LINES: usize = 12;
const LAST_WORDS_BYTES: usize = 4 * 1024;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `tidegate origin`.
    Origin,
    /// `tidegate edge`.
    Edge,
}

/// The processes.
pub(super) struct Children {
    directory: PathBuf,
    members: Vec<Member>,
}

struct Member {
    name: String,
    role: Role,
    pid: u32,
    process: Child,
    log: PathBuf,
}

/// One that was started.
pub(super) struct Started {
    pub(super) pid: u32,
    /// What it prints; only origins print anything.
    pub(super) stdout: Option<ChildStdout>,
}

impl Children {
    /// None yet; their logs go to this folder.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), members: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The log of a node.
    pub(super) fn log_of(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// Starts this very program with these arguments.
    pub(super) fn start(&mut self, name: &str, role: Role, arguments: &[&str]) -> Result<Started, DevError> {
        let log = self.log_of(name);
        let refused = |source| DevError::Spawn { name: name.to_owned(), source };
        let log_file = File::create(&log).map_err(refused)?;
        let own_id = std::process::id().to_string();
        let stdout = match role {
            Role::Origin => Stdio::piped(),
            Role::Edge => log_file.try_clone().map_err(refused)?.into(),
        };
        let mut process = Command::new(std::env::current_exe().map_err(refused)?)
            .args(arguments)
            .args(["--end-with-parent", &own_id])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log_file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(refused)?;
        let stdout = process.stdout.take();
        let pid = process.id().unwrap_or_default();
        self.members.push(Member { name: name.to_owned(), role, pid, process, log });
        Ok(Started { pid, stdout })
    }

    /// Waits until one ends, and says which. Never resolves while all run.
    pub(super) async fn first_to_end(&mut self) -> DevError {
        if self.members.is_empty() {
            return std::future::pending().await;
        }
        let (status, index, _) =
            select_all(self.members.iter_mut().map(|member| Box::pin(member.process.wait()))).await;
        let member = self.members.remove(index);
        DevError::ChildEnded {
            status: status.map_or_else(|error| format!("an unknown status ({error})"), describe),
            last_words: last_words(&member.log),
            name: member.name,
            pid: member.pid,
        }
    }

    /// Stops all gracefully, and what does not follow in time by force.
    pub(super) async fn stop(&mut self) {
        self.stop_role(Role::Edge, EDGE_STOP).await;
        self.stop_role(Role::Origin, ORIGIN_STOP).await;
    }

    /// Ends all that still run, at once.
    pub(super) async fn kill(&mut self) {
        self.kill_role(Role::Edge).await;
        self.kill_role(Role::Origin).await;
    }

    /// Ends all edge nodes, at once.
    pub(super) async fn kill_edges(&mut self) {
        self.kill_role(Role::Edge).await;
    }

    async fn kill_role(&mut self, role: Role) {
        let killing = self.members.iter_mut().filter(|member| member.role == role).map(|member| async move {
            // What cannot be killed has ended already.
            drop(member.process.kill().await);
        });
        join_all(killing).await;
        self.members.retain(|member| member.role != role);
    }

    async fn stop_role(&mut self, role: Role, patience: Duration) {
        let stopping = self.members.iter_mut().filter(|member| member.role == role).map(|member| async move {
            member.ask_to_stop();
            if timeout(patience, member.process.wait()).await.is_err() {
                tell(&format!("{} did not stop within {} s and is killed", member.name, patience.as_secs()));
                drop(member.process.kill().await);
            }
        });
        join_all(stopping).await;
        self.members.retain(|member| member.role != role);
    }
}

impl Member {
    fn ask_to_stop(&self) {
        // Its id is still its own: it has not been waited for, or this is `None`.
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // One that has ended is told by waiting for it.
            kill_process(id, Signal::TERM).unwrap_or_default();
        }
    }
}

fn describe(status: ExitStatus) -> String {
    status.to_string()
}

/// The end of a log.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS_BYTES)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n  ");
    if shown.is_empty() {
        return String::new();
    }
    format!("; its last words ({}):\n  {shown}", log.display())
}
