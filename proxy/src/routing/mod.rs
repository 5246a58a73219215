//! From a request's target to the site and route that answer it.
//!
//! Owns the canonical form of hosts and paths, the table that is searched with it, what ties requests together, and with
//! whom a route is shared. It decides neither what may be stored nor which origin is asked.

mod canonical;
mod client_place;
mod sharing;
mod table;
mod tie;

pub use canonical::{CanonicalHost, CanonicalPath, HostError, PathError, split_target};
pub use client_place::ClientPlace;
pub use sharing::{Grant, Sharing};
pub use table::{PoolChoice, RouteEntry, RouteMatch, RouteTable, SiteEntry, SiteIndex};
pub use tie::{Tie, seed};
