//! HTTP/3: QUIC connections whose requests run through the same pipeline as those of TCP.
//!
//! From the outside in: `endpoint` admits connections, `connection` serves one and says GOAWAY, `request` takes one
//! stream through checks (`request_head`) and the pipeline, `session` is what the pipeline holds of it
//! (`request_body`, `response`). `quic_adapter` joins h3 and quinn, `frame` reads and writes what h3 leaves to us.
//! Knows nothing of sites, caches or origins.

mod bounds;
mod connection;
mod endpoint;
mod field_section;
mod frame;
mod priority;
mod pseudo_headers;
mod quic_adapter;
mod request;
mod request_body;
mod request_head;
mod response;
mod session;
mod session_calls;
#[cfg(test)]
mod tests;
mod transport;

pub use endpoint::{ServeError, serve};
pub(super) use pseudo_headers::are_well_placed as pseudo_headers_are_well_placed;
pub(super) use request_head::http1_head_of;
pub use session::Http3Session;
pub use transport::server_crypto;
