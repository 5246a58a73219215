//! A model with the generation it was taken at: the unit that is swapped as a whole.

use std::sync::Arc;

use crate::{ids::Generation, model::Model};

/// One immutable configuration. A request takes one and keeps it until it ends.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Rises by one with every configuration this process accepted.
    pub generation: Generation,
    /// The validated configuration.
    pub model: Arc<Model>,
}
