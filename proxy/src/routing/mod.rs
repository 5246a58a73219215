//! From a request's target to the site and route that answer it.
//!
//! Owns the canonical form of hosts and paths and the table that is searched with it. It decides neither what may
//! be stored nor which origin is asked.

mod canonical;
mod client_place;
mod table;

pub use canonical::{CanonicalHost, CanonicalPath, HostError, PathError, split_target};
pub use client_place::ClientPlace;
pub use table::{PoolChoice, RouteEntry, RouteMatch, RouteTable, SiteEntry, SiteIndex};
