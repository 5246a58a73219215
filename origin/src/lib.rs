//! The built-in media origin: a small HTTP/1.1 and HTTP/2 (prior knowledge) server of static files, either of a
//! directory or of the demonstration clip and page compiled into the program.
//!
//! It owns everything between an accepted TCP connection and a file: paths, conditional and range requests, content
//! types, freshness, CORS. It owns no TLS, no configuration file, no signal handling and no logging set-up: the
//! caller brings the listener and says when to stop.

mod body;
mod byte_range;
mod content_type;
mod directory;
mod embedded;
mod error;
mod options;
mod preconditions;
mod request_path;
mod resource;
mod response;
mod server;

pub use error::OriginError;
pub use options::{OriginName, OriginOptions, Root};
pub use server::serve;
