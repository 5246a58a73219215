//! An edge's disk tier: what is waited for of it, and what is done to its files where the edge sees them.

use std::process::Command;

use super::{Edge, POLL};

impl Edge {
    /// Waits until all directories of its disk tier can be read.
    pub async fn until_disks_work(&self) {
        let waiting = async {
            // Without a disk tier there are no series at all.
            let states = ["opening", "recovering"].map(|state| format!("state=\"{state}\""));
            loop {
                let metrics = self.metrics().await;
                let is_set = |line: &str| line.starts_with("tidegate_disk_device_state{") && line.ends_with(" 1");
                if !metrics.lines().any(|line| is_set(line) && states.iter().any(|state| line.contains(state))) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        crate::within("the disk tier", waiting).await;
    }

    /// Waits until nothing waits to be written to disk any more.
    pub async fn until_written(&self) {
        let waiting = async {
            loop {
                let metrics = self.metrics().await;
                let is_queue = |line: &&str| line.starts_with("tidegate_disk_queued_write_bytes");
                if metrics.lines().filter(is_queue).all(|line| line.ends_with(" 0")) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        crate::within("what is written to disk", waiting).await;
    }

    /// Waits until a directory of its disk tier is in this state.
    pub async fn until_disk_is(&self, name: &str, state: &str) {
        let device = format!("device=\"{}\"", self.file(name).display());
        let waiting = async {
            while self.metric("tidegate_disk_device_state", &[&device, &format!("state=\"{state}\"")]).await < 1.0 {
                tokio::time::sleep(POLL).await;
            }
        };
        crate::within(&format!("the disk to be {state}"), waiting).await;
    }

    /// Runs a shell script where the edge sees its files: `$1` is the configuration's directory.
    ///
    /// # Panics
    /// When it fails.
    pub fn run_inside(&self, script: &str) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.child.id())).arg("--mount");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["sh", "-c", script, "sh"]).arg(self.directory.path());
        let status = command.status().expect("nsenter is part of every Linux");
        assert!(status.success(), "{script}: {status}");
    }
}
