//! Purges: what is stored and must not be served any more, though nobody knows where it lies.
//!
//! A purge costs the same however much is stored: it is noted under a number, its [`Generation`], and what is found later
//! is held against it by its [`Provenance`]. Owns which purges there were and what they concern. Who finds objects, and
//! what becomes of those that are purged, is for [`super::engine`].

mod changes;
mod generation;
mod generations;
mod journal;
mod latecomers;
mod ledger;
mod marks;
mod place;
mod provenance;
mod purge_log;
mod purges;
mod record;
mod scope;
mod secret;
mod tags;
#[cfg(test)]
mod tests;

pub use generation::{Generation, Lineage};
pub use generations::{Because, Generations, Purged, Verdict};
pub use provenance::{MOST_TAGS, Provenance, Tags};
pub use purge_log::{Kept, LogCopy, LogFollower, PurgeLog};
pub use purges::{Order, Purges};
pub use record::PurgeRecord;
pub use scope::{Mode, Scope, ScopeKind};
pub use secret::Secret;
pub use tags::{LONGEST_TAG, of_response as tags_of, withhold as withhold_tags};
