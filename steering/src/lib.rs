//! Pure steering: who should serve this request, and why in this order.
//!
//! Owns the choice among candidates. No sockets, no clock, no randomness of its own: what it needs comes in as
//! arguments, so that every choice can be repeated and explained.

mod order;

pub use order::{Candidate, Condition, Proximity, order};
