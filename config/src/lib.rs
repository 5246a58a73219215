//! What operators write, and what is valid.
//!
//! Owns the documents as written ([`document`]), the validated model ([`model`]) and the way from one to the
//! other ([`load_files`]). It knows neither sockets nor clocks nor tokio: a leaf that every other crate may use.
//!
//! `Document` (as written, unknown fields refused) → `Model` (validated, cannot be built elsewhere) →
//! [`Snapshot`], which carries the generation that readers hold one of for a whole request.

mod diff;
pub mod document;
pub mod field;
pub mod ids;
mod load;
pub mod model;
mod named_file;
mod problem;
mod read;
mod schema;
mod snapshot;
mod source;
mod suggestion;
pub mod units;
mod validate;
mod yaml;

pub use diff::restart_required;
pub use load::{MAX_FILE_BYTES, MAX_FILES, load_files, load_files_with, load_texts};
pub use named_file::FileProblem;
pub use problem::{Problem, Problems};
pub use schema::json_schema;
pub use snapshot::Snapshot;
