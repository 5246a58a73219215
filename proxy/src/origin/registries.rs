//! What is known of origins and outlives configurations: a reload changes bounds and names, not memories.

use super::health::HealthRegistry;
use super::protection::ProtectionRegistry;

/// All of it, kept beside the configuration in force and handed to every compilation.
#[derive(Default)]
pub struct Registries {
    /// What probes and requests found out.
    pub health: HealthRegistry,
    /// Circuits, load and budgets.
    pub protection: ProtectionRegistry,
}
