//! What can go wrong for the caller of this crate. What goes wrong for a client is an HTTP status, made in
//! `response`.

use std::{io, path::PathBuf};

use crate::OriginName;

/// Why the origin could not start, or had to stop before it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The name would not fit into a response field.
    #[error(
        "origin name {name:?} is not usable: expected 1 to {max_length} characters out of letters, digits, '.', '_' \
         and '-'"
    )]
    Name {
        /// The name as given.
        name: String,
        /// The longest name that is accepted, in characters.
        max_length: usize,
    },
    /// The directory to serve cannot be opened (absent, not a directory, or not readable).
    #[error("cannot serve the directory {}", path.display())]
    OpenRoot {
        /// The directory as given.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The listener failed many times in a row; it will not recover by itself.
    #[error("the listener failed {attempts} times in a row and is given up")]
    Accept {
        /// How many accepts failed without one success between them.
        attempts: u32,
        /// The last failure.
        #[source]
        source: io::Error,
    },
}

impl OriginError {
    pub(crate) fn unusable_name(name: &str) -> Self {
        Self::Name { name: name.to_owned(), max_length: OriginName::MAX_LENGTH }
    }
}
