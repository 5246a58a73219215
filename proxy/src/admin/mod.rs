//! The operator's side of a node: its life cycle, and the listener that shows and steers it.
//!
//! Owns whether the node wants traffic. It serves no client of a site and knows nothing of requests.

mod access;
mod answer;
mod cache_answers;
mod content_answers;
mod geo_answers;
mod kill_switch_answers;
mod lifecycle;
mod pin_answers;
mod purge_answers;
mod routes;
mod server;
mod token;
mod warm_answers;

pub use cache_answers::{CacheQuestion, ExplainsCache};
pub use content_answers::{ListedTier, ListingQuestion, ShowsContents};
pub use lifecycle::{DrainPhase, Lifecycle, LifecycleState, Readiness};
pub use pin_answers::PinsCache;
pub use purge_answers::{OrderError, PurgeOrder, PurgeTarget, PurgesCache};
pub use server::{AdminState, serve};
pub use token::{AdminToken, TokenError, TokenUse};
