//! Calls the program and looks at how it ended.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program under test.
pub(crate) fn tidegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.stdin(Stdio::null());
    command
}

/// How a call ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Calls it in this folder with these arguments; none of them may be a server's.
pub(crate) fn call_in(folder: &Path, arguments: &[&str]) -> Ended {
    let output = tidegate().args(arguments).current_dir(folder).output().expect("the program can be started");
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Calls it with these arguments.
pub(crate) fn call(arguments: &[&str]) -> Ended {
    call_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}
