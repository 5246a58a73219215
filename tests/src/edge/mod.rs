//! An edge node in a process of its own: `tidegate edge --config FILE`, on addresses of its own.
//!
//! [`EdgeConfig`] says what a test wants of it, [`Edge`] runs it and talks to it.

mod config;
mod process;

use std::path::PathBuf;

pub use config::{EdgeConfig, OriginEntry, Place, Plaintext};
pub use process::Edge;

/// Host of the test site.
pub const HOST: &str = "media.tidegate.test";

/// The `tidegate` binary.
///
/// # Panics
/// When it has not been built; the message says how.
#[must_use]
pub fn tidegate_binary() -> PathBuf {
    sibling_binary("tidegate", "cargo build -p tidegate-cli")
}

/// A binary that lies beside this test's executable.
///
/// # Panics
/// When it has not been built; the message says how.
#[must_use]
pub fn sibling_binary(name: &str, build: &str) -> PathBuf {
    let executable = std::env::current_exe().expect("a process knows its executable");
    // Tests lie in target/PROFILE/deps, binaries in target/PROFILE.
    let mut places = executable.ancestors().skip(1).take(2).map(|directory| directory.join(name));
    let found = places.find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} has not been built: run `{build}` (with the profile of the tests)"))
}
