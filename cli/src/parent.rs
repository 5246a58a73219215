//! Ends this process with the one that started it: no node of a fleet may outlive `tidegate dev`, however that ends.

use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::error::CommandError;

/// The hidden option by which a parent says who it is.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ParentOption {
    /// Process id of the parent; this process ends with it.
    #[arg(long = "end-with-parent", value_name = "PID", hide = true)]
    pid: Option<i32>,
}

impl ParentOption {
    /// Asks the kernel to kill this process when the parent ends, and looks whether it has ended already: it may have
    /// between its fork and our asking, and then nobody would ever tell us.
    pub(crate) fn end_with_it(self) -> Result<(), CommandError> {
        let Some(parent) = self.pid else { return Ok(()) };
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| CommandError::System(error.into()))?;
        match getppid() {
            Some(actual) if actual.as_raw_nonzero().get() == parent => Ok(()),
            _ => Err(CommandError::Orphaned),
        }
    }
}
