//! HTTP/3: QUIC connections whose requests run through the same pipeline as those of TCP.
//!
//! From the outside in: `endpoint` admits connections, `connection` serves one and says GOAWAY, `request` takes one
//! stream through checks and the pipeline, `carrier` is what the pipeline's session holds of it. `quic_adapter` joins
//! h3 and quinn, `frame` reads and writes what h3 leaves to us, `sending` hands datagrams to the kernel.
//! Knows nothing of sites, caches or origins.

mod bounds;
mod carrier;
mod connection;
mod endpoint;
mod field_section;
mod frame;
mod pseudo_headers;
mod quic_adapter;
mod request;
mod sending;
#[cfg(test)]
mod tests;
mod transport;

pub use endpoint::{ServeError, serve};
pub(super) use pseudo_headers::are_well_placed as pseudo_headers_are_well_placed;
pub use transport::server_crypto;
