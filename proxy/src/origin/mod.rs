//! The way to origins: which addresses there are, in which order they are tried, how they are spoken to, and
//! how the cache fetches through the same pipeline that clients use.

mod fetcher;
mod peer;
mod pool;
mod ranking;
mod resolver;
mod suspects;

pub use fetcher::{FetchNotes, FillContext, FillRequest, SubrequestFetcher, status_of};
pub use peer::peer;
pub use pool::{CompiledOrigin, CompiledPool, OriginError};
pub use ranking::RegionRanks;
pub use resolver::{ResolveError, Resolver};
pub use suspects::Suspects;
