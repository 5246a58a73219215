//! The way to origins: which addresses there are, in which order they are tried, how they are spoken to, and
//! how the cache fetches through the same pipeline that clients use.

mod access;
mod address;
mod admission;
mod attempts;
mod authorities;
mod budget;
mod circuit;
mod client_certificate;
mod credentials;
mod error_words;
mod fetcher;
mod health;
mod hedging;
mod host_field;
mod latencies;
mod overview;
mod peer;
mod pool;
mod protection;
mod proxy_header;
mod ranking;
mod registries;
mod repetition;
mod resolver;
mod seldom;
mod target;
#[cfg(test)]
pub(crate) mod testing;

pub use access::{Access, OriginError, access_files};
pub use address::Addresses;
pub use admission::{CircuitView, Demand, OriginProtection, Permit};
pub use attempts::{Again, Attempt, AttemptJournal, AttemptNumber, AttemptOutcome};
pub use circuit::CircuitState;
pub use credentials::AuthoriseError;
pub use error_words::plainly;
pub use fetcher::{BrokenOff, FetchNotes, FillContext, FillRequest, SubrequestFetcher, status_of};
pub use health::{HealthRegistry, OriginHealth, PoolHealth, Prober, Trial};
pub use host_field::host_field;
pub use overview::OriginOverview;
pub use peer::{Caller, PeerError, authorise, peer, prefix_target};
pub use pool::{CompiledOrigin, CompiledPool, Ordered};
pub use protection::{PoolProtection, ProtectionRegistry};
pub use proxy_header::ClientAddresses;
pub use ranking::RegionRanks;
pub use registries::Registries;
pub use repetition::{Exchange, Fate, was_over_before};
pub use resolver::{ResolveError, Resolver};
pub use target::{origin_form, set_target};
