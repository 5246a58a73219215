//! Purges: what is stored and must not be served any more, though nobody knows where it lies.
//!
//! A purge costs the same however much is stored: it is noted under a number, its [`Generation`], and what is found later
//! is held against it by its [`Provenance`]. Owns which purges there were and what they concern. Who finds objects, and
//! what becomes of those that are purged, is for [`super::engine`].

mod generation;
mod place;
mod provenance;

pub use generation::{Generation, Lineage};
pub use provenance::{MOST_TAGS, Provenance, Tags};
