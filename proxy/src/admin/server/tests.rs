//! The operator's listener as its clients see it.
