//! Health of an origin as state machines without a clock: what probes and requests meet goes in together with the
//! time, what steering should think of the origin comes out.
//!
//! Owns falling and rising, slow start, passive ejection and the damping of flaps. Who probes, who reports and who
//! publishes the outcome is none of its business; panic is a matter of the whole pool and stays with [`crate::order`].

mod damping;
mod ejection;
mod fall_rise;
mod moment;
mod slow_start;
mod state;

pub use ejection::{EjectionRules, Peers};
pub use fall_rise::{Depth, ProbeResult, Thresholds, Verdict};
pub use moment::Moment;
pub use state::{HealthRules, HealthState, Joined, Reason, Report, View};
