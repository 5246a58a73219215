//! What operators write, and what is valid.
//!
//! Owns the documents as written ([`document`]), the validated model ([`model`]) and the way from one to the
//! other ([`load`]). It knows neither sockets nor clocks nor tokio: a leaf that every other crate may use.
//!
//! `Document` (as written, unknown fields refused) → `Model` (validated, cannot be built elsewhere) →
//! [`Snapshot`], which carries the generation that readers hold one of for a whole request.

pub mod ids;
pub mod model;
mod snapshot;
pub mod units;

pub use snapshot::Snapshot;
