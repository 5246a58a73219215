//! Health of origins: what probes and requests find out, kept longer than any configuration and read by every request
//! without a lock.
//!
//! Owns the probes, the reports and what is shown of them. What follows from a report is decided by
//! [`tidegate_steering::health`]; in which order origins are tried is decided by steering, too.

mod lasting;
mod origin_health;
mod probe;
mod prober;
mod registry;
mod schedule;

pub(in crate::origin) use lasting::HealthFacts;
pub use lasting::Trial;
pub use origin_health::OriginHealth;
pub use prober::Prober;
pub(in crate::origin) use registry::Identity;
pub use registry::{HealthRegistry, PoolHealth};

#[cfg(test)]
mod tests;
