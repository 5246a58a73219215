//! Pure steering: who should serve this request, and why in this order.
//!
//! Owns the choice among candidates. No sockets, no clock, no randomness of its own: what it needs comes in as
//! arguments, so that every choice can be repeated and explained.

mod candidate;
mod consistent_hash;
mod distance;
mod explain;
pub mod health;
mod order;
mod split_mix;

pub use candidate::{Candidate, Circuit, Duty, Health, Priority, Proximity, Share};
pub use consistent_hash::{identity, sticky_seed};
pub use distance::{Coordinates, Place, nearest_region, rank_regions};
pub use explain::{Explanation, Reason, explain};
pub use order::{Mode, Order, Rules, mode, order};
pub use split_mix::SplitMix64;
